"""Write ``docs/api/``: one page per room of the package with all its docstrings, and the public names first.

Called by ``conf.py``, so that the pages cannot lag behind the code.
"""

import ast
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE.parent / "src" / "prml"
CORE = ("skeleton", "camera", "sequence", "scene", "progress", "errors", "cli")
INDEX = """# API

The entry point is `prml` itself; its names are imported on first use.

{public}

```{{toctree}}
:maxdepth: 1

core
{rooms}
```
"""


def _modules(room: Path) -> list[str]:
    """Dotted names of a room and of everything in it."""
    paths = [p for p in sorted(room.rglob("*.py")) if "__pycache__" not in p.parts]
    names = [".".join(("prml", *p.relative_to(SOURCE).with_suffix("").parts)) for p in paths]
    return [name.removesuffix(".__init__") for name in names]


def _page(title: str, modules: list[str]) -> str:
    parts = [f"## `{m}`\n\n```{{eval-rst}}\n.. automodule:: {m}\n```\n" for m in modules]
    return f"# {title}\n\n" + "\n".join(parts)


def _public() -> str:
    """The public names and where they are defined, as ``prml/__init__.py`` lists them."""
    for node in ast.parse((SOURCE / "__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_PUBLIC":
            table = ast.literal_eval(node.value)
    return "\n".join(f"- `prml.{name}`: defined in `{module}`" for name, module in sorted(table.items()))


def write(folder: Path = HERE / "api") -> None:
    """Write the pages; only those that changed, so that Sphinx rebuilds no more than it must."""
    rooms = sorted(p.parent.name for p in SOURCE.glob("*/__init__.py") if p.parent.name != "commands")
    pages = {room: _page(f"prml.{room}", _modules(SOURCE / room)) for room in rooms}
    pages["core"] = _page("Core", [f"prml.{name}" for name in CORE])
    pages["index"] = INDEX.format(public=_public(), rooms="\n".join(rooms))
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
