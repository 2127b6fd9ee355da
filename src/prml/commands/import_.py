"""``prml import``: the authors' own checkpoint of a network becomes a record of ours."""

from pathlib import Path
from typing import Any, Literal


def command(
    network: str,
    file: str,
    *,
    out: str = ".",
    name: str | None = None,
    dataset: Literal["h36m", "3dhp"] | None = None,
    frames: int | None = None,
    arguments: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> int:
    """Turn a checkpoint as other authors publish it into a weights file and its card; nothing in it is executed.

    Args:
        network: registry name, see 'prml models'
        file: the authors' file (.pth, .bin, .pth.tr ...)
        out: folder for the record
        name: of the record (default: the network's)
        dataset: what its authors trained it on (default: h36m); weights of 3dhp are recorded as such, not lifted with
        frames: window, for networks whose weights do not tell it (stcformer, poseformerv2)
        arguments: further arguments of the network, ours or the authors', as a YAML mapping
        overwrite: replace an existing record
    """
    from dataclasses import replace

    from prml.commands._console import plain_console
    from prml.errors import PrmlError
    from prml.weights.import_checkpoint import read_published
    from prml.weights.record import save_record

    if dataset is None and "3dhp" in Path(file).name.lower():
        raise PrmlError(
            f"{Path(file).name} may be of MPI-INF-3DHP, nothing in it tells; say --dataset 3dhp or --dataset h36m"
        )
    own = dict(arguments or {}) | ({} if frames is None else {"frames": frames})
    built, card = read_published(network, file, dataset=dataset or "h36m", **own)
    card = replace(card, name=name or card.name)
    target = Path(out) / f"{card.name}.yaml"
    if not overwrite and (target.exists() or target.with_suffix(".safetensors").exists()):
        raise PrmlError(f"{target.with_suffix('')} exists; give another --out or --name, or --overwrite")
    written = save_record(out, card, built)
    count = sum(p.numel() for p in built.parameters())
    console = plain_console()
    console.print(f"{card.network}: {count / 1e6:.2f} M parameters, window {card.window}, every key fitted")
    console.print(f"taken as trained on {dataset or 'h36m'}: {card.skeleton}, {card.output}")
    console.print(f"licence of the weights: {card.weights_licence}; of the data: {card.data_licence}")
    console.print(f"{written.with_suffix('.safetensors')} and its card {written.name}")
    return 0
