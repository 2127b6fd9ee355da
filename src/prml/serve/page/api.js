"use strict";
// Draws openapi.json; the usual pages for it load their programs from another server.
function make(tag, text, ...inside) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  made.append(...inside);
  return made;
}

function kind(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(kind).join(" or ");
  if (schema.type === "array") return `list of ${kind(schema.items)}`;
  return schema.enum ? schema.enum.join(", ") : schema.format || schema.type || "any";
}

function rows(entries) {
  return make("dl", "", ...entries.flatMap(([name, type, about]) => [make("dt", name), make("dd", about ? `${type}: ${about}` : type)]));
}

fetch("openapi.json").then((answer) => answer.json()).then((told) => {
  for (const pre of document.querySelectorAll("pre")) pre.textContent = pre.textContent.replaceAll("ADDRESS", location.href.replace(/\/docs.*$/, ""));
  for (const [path, methods] of Object.entries(told.paths))
    for (const [method, one] of Object.entries(methods)) {
      const asked = (one.parameters || []).map((p) => [p.name, `${p.in}, ${kind(p.schema)}`, p.description]);
      const said = Map.groupBy(Object.entries(one.responses), ([, r]) => {
        const [type, content] = Object.entries(r.content || { nothing: {} })[0];
        return content.schema && Object.keys(content.schema).length ? kind(content.schema) : type;
      });
      const answers = [...said].map(([what, codes]) => [codes.map(([code]) => code).join(" "), what, ""]);
      const body = one.requestBody ? [["body", Object.keys(one.requestBody.content)[0], one.description]] : [];
      document.querySelector("#paths").append(make("section", "", make("h3", `${method.toUpperCase()} ${path}`), make("p", one.summary), rows([...asked, ...body, ...answers])));
    }
  for (const [name, model] of Object.entries(told.components.schemas)) {
    if (name.includes("Validation")) continue;
    const fields = Object.entries(model.properties || {}).map(([field, schema]) => [field, kind(schema), schema.description]);
    document.querySelector("#models").append(make("section", "", make("h3", name), make("p", model.description), rows(fields)));
  }
});
