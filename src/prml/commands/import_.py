"""``prml import``: the authors' own checkpoint of a network becomes a record of ours."""

from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Literal

from prml.options import option


@dataclass
class Options:
    """Turn a checkpoint as its authors publish it into a weights file and its card; nothing in it is executed.

    Attributes:
        network: registry name; 'prml models' lists them.
        file: the authors' file (.pth, .bin, .pth.tr ...).
        out: folder for the weights.
        name: of the weights (default: the network's).
        dataset: what the authors trained on (default: h36m); weights of 3dhp are recorded as such and cannot lift.
        frames: window, for networks whose weights do not reveal it (stcformer, poseformerv2).
        arguments: further arguments of the network, by our names or the authors', as a YAML mapping.
        overwrite: replace existing weights.
    """

    network: str = option(positional=True)
    file: Path = option(positional=True)
    _: KW_ONLY
    out: Path = Path()
    name: str | None = None
    dataset: Literal["h36m", "3dhp"] | None = None
    frames: int | None = option(None, minimum=1)
    arguments: dict[str, Any] = field(default_factory=dict)
    overwrite: bool = False


def run(options: Options) -> int:
    """Read, write, say what it is."""
    from dataclasses import replace

    from prml.commands._console import plain_console
    from prml.errors import PrmlError
    from prml.weights.import_checkpoint import read_published
    from prml.weights.record import save_record

    file, dataset = options.file, options.dataset
    if dataset is None and "3dhp" in file.name.lower():
        raise PrmlError(
            f"{file.name} may come from MPI-INF-3DHP, nothing in it says so; give dataset=3dhp or dataset=h36m"
        )
    arguments = options.arguments | ({} if options.frames is None else {"frames": options.frames})
    built, card = read_published(options.network, str(file), dataset=dataset or "h36m", **arguments)
    card = replace(card, name=options.name or card.name)
    target = options.out / f"{card.name}.yaml"
    if not options.overwrite and (target.exists() or target.with_suffix(".safetensors").exists()):
        raise PrmlError(f"{target.with_suffix('')} exists; give another out=... or name=..., or pass overwrite=True")
    written = save_record(options.out, card, built)
    count = sum(p.numel() for p in built.parameters())
    console = plain_console()
    console.print(f"{card.network}: {count / 1e6:.2f} M parameters, window {card.window}, every key fitted")
    console.print(f"taken as trained on {dataset or 'h36m'}: {card.skeleton}, {card.output}")
    console.print(f"licence of the weights: {card.weights_licence}; of the data: {card.data_licence}")
    console.print(f"{written.with_suffix('.safetensors')} and its card {written.name}")
    return 0
