"""Diagrams of networks (the paper's Figures 1, 4 and 8): boxes of ``figures.yaml``, parameters of the real networks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prml.errors import PrmlError
from prml.report.diagram import Arrow, Box, Diagram, diagram_figure
from prml.studies.paper.catalogue import Figure, diagrams
from prml.studies.paper.figure_setting import Drawn, FigureSetting, Numbers

if TYPE_CHECKING:
    from prml.networks.base import Network


def draw(figure: Figure, setting: FigureSetting) -> Drawn:
    """Draw every network of a figure in every one of its diagrams.

    A figure of several diagrams and as many networks draws them in pairs; otherwise every network is drawn in all.

    Raises:
        PrmlError: an unknown network, or one that does not have the diagram's parts.
    """
    named = setting.networks or (() if setting.weights else tuple(figure.options["networks"]))
    networks: list[tuple[str, str, dict[str, Any]]] = [(name, name, {}) for name in named]
    for name in setting.weights:
        networks.append(_of_record(name))
    kinds = tuple(figure.options["draws"])
    paired = "heads" not in diagrams()[kinds[0]] and len(kinds) > 1
    if paired and len(networks) != len(kinds):
        raise PrmlError(f"{figure.name} draws {len(kinds)} networks, one per diagram; got {len(networks)}")
    chosen = zip(networks, kinds, strict=True) if paired else ((n, k) for n in networks for k in kinds)
    made = [diagram_of(kind, name, network, arguments) for (name, network, arguments), kind in chosen]
    rows = [
        (d.title, key, " ".join(box.text.split()), box.parameters, box.parameters / d.parameters)
        for d in made
        for key, box in d.boxes.items()
        if box.parameters is not None
    ]
    told = tuple(f"{d.title}: {d.parameters:,} parameters" for d in made)
    numbers = Numbers(("network", "part", "text", "parameters", "share"), rows)
    return Drawn(diagram_figure(made, 1 if paired else len(kinds)), {"": numbers}, told)


def _of_record(name: str) -> tuple[str, str, dict[str, Any]]:
    from prml.weights.record import load_record

    card = load_record(name).card
    return card.name, card.network, dict(card.arguments)


def diagram_of(kind: str, name: str, network: str, arguments: Mapping[str, Any]) -> Diagram:
    """Make a diagram of a network without computing anything.

    Args:
        kind: name of a diagram in ``figures.yaml``.
        name: in its title.
        network: registry name.
        arguments: of the network, beside those of the named size.

    Raises:
        PrmlError: an unknown network, or one without the diagram's parts.
    """
    from prml.networks.meta import on_meta
    from prml.networks.registry import build, entry

    told = diagrams()[kind]
    own = dict(arguments)
    if "heads" in told:
        own["regression_heads"] = told["heads"]
    with on_meta():
        built = build(network, **own)
    if built.two_heads and any("HEADS" in part for box in told["boxes"].values() for part in box.get("parts", ())):
        raise PrmlError(f"{entry(network).name} has two regression heads from the start; draw it as figure4")
    facts = _facts(name, built)
    parts = _counts(kind, {key: tuple(box.get("parts", ())) for key, box in told["boxes"].items()}, built)
    boxes = {
        key: Box(box["text"].format_map(facts), tuple(box["at"]), box["colour"], parts.get(key))
        for key, box in told["boxes"].items()
    }
    arrows = [Arrow(*arrow) for arrow in told["arrows"]]
    return Diagram(told["title"].format_map(facts), boxes, arrows, told.get("groups", {}))


def _facts(name: str, network: "Network") -> dict[str, Any]:
    """What the texts of a diagram name."""
    from prml.networks.prml.network import PrML

    kind = type(network).__name__
    title = kind if kind.lower() == name.lower() else f"{kind} ({name})"
    found = {"name": title, "T": network.frames, "J": network.joints, "C_in": network.in_channels}
    if isinstance(network, PrML):
        branch = network.branch_2d or network.branch_depth
        more = {"C": network.bottom.embed.out_features, "K": len(network.bottom.blocks)}
        found |= {**more, "N": 0 if branch is None else len(branch.blocks)}
    return found


def _counts(kind: str, parts: Mapping[str, tuple[str, ...]], network: "Network") -> dict[str, int]:
    """Parameters of every box that has parts: each parameter counts in the box with the longest beginning."""
    beginnings = {
        begin.replace("HEADS", head): key
        for key, begins in parts.items()
        for begin in begins
        for head in (network.HEADS if "HEADS" in begin else ("",))
    }
    counts = {key: 0 for key, begins in parts.items() if begins}
    for name, tensor in network.named_parameters():
        fitting = [b for b in beginnings if not b or name == b or name.startswith(f"{b}.")]
        if not fitting:
            raise PrmlError(f"the diagram {kind} has no place for {name} of a {type(network).__name__}; draw a PrML")
        counts[beginnings[max(fitting, key=len)]] += tensor.numel()
    return counts
