"""``prml import``: convert the authors' checkpoint of a network to a weights record."""

from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Literal

from prml.options import option


@dataclass
class Options:
    """Convert a checkpoint published by its authors to a weights file with a card; no code in it is executed.

    Attributes:
        network: registry name; 'prml models' lists them.
        file: the authors' file (.pth, .bin, .pth.tr ...).
        out: folder for the weights.
        name: name of the weights (default: that of the network).
        dataset: training data of the authors (default: h36m); weights of 3dhp keep its joints and millimetres.
        frames: window, for networks where the weights do not reveal it (stcformer, poseformerv2).
        rootrel: for MotionBERT's checkpoints: that option of its configuration (default: by the names of file and
            folder, or by what the network answers; asked for where these do not tell).
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
    rootrel: bool | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    overwrite: bool = False


def run(options: Options) -> int:
    """Read, convert, and print what was found."""
    from dataclasses import replace

    from prml.commands._console import plain_console
    from prml.errors import PrmlError
    from prml.weights.import_checkpoint import read_published
    from prml.weights.record import save_record

    file, dataset = options.file, options.dataset
    if dataset is None and "3dhp" in file.name.lower():
        raise PrmlError(
            f"{file.name} may come from MPI-INF-3DHP, but does not state it; give dataset=3dhp or dataset=h36m"
        )
    arguments = options.arguments | ({} if options.frames is None else {"frames": options.frames})
    built, card = read_published(
        options.network, str(file), dataset=dataset or "h36m", rootrel=options.rootrel, **arguments
    )
    card = replace(card, name=options.name or card.name)
    target = options.out / f"{card.name}.yaml"
    if not options.overwrite and (target.exists() or target.with_suffix(".safetensors").exists()):
        raise PrmlError(f"{target.with_suffix('')} exists; give another out=... or name=..., or pass overwrite=True")
    written = save_record(options.out, card, built)
    count = sum(p.numel() for p in built.parameters())
    console = plain_console()
    console.print(f"{card.network}: {count / 1e6:.2f} M parameters, window {card.window}, all keys matched")
    console.print(f"assumed training data {dataset or 'h36m'}: {card.skeleton}, {card.output}")
    rules = card.training["scoring"]
    own = ", ".join(f"{name} {rules[name]}" for name in ("root", "windows") if name in rules)
    console.print(
        f"scored under {', '.join(rules['protocols'])} with {own or 'its rules'}, as its authors do", soft_wrap=True
    )
    console.print(f"licence of the weights: {card.weights_licence}; of the data: {card.data_licence}")
    console.print(f"{written.with_suffix('.safetensors')} and its card {written.name}")
    return 0
