"""``prml export-weights``: a network as a file for ONNX Runtime or OpenVINO."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from prml.options import option


@dataclass
class Options:
    """Write weights for other engines: NAME.onnx, or NAME.xml and NAME.bin, with the card as NAME.yaml.

    The network takes windows (batch, frames, joints, channels) as docs/conventions.md describes them, and returns x, y,
    z of every joint, then variances if the weights predict them.

    Attributes:
        weights: bundled name (prml-xs28, prml-s, prml-xs) or .safetensors file with its card.
        to: onnx or openvino.
        out: folder for the files.
        overwrite: replace existing files.
    """

    weights: str = option(positional=True, local=True)
    _: KW_ONLY
    to: Literal["onnx", "openvino"] = "onnx"
    out: Path = Path()
    overwrite: bool = False


def run(options: Options) -> int:
    """Convert and write; raise PrmlError if the weights cannot be converted or a file exists."""
    from prml.backends.files import export_weights
    from prml.commands._console import plain_console

    for path in export_weights(options.weights, options.to, options.out, overwrite=options.overwrite):
        plain_console().print(f"wrote {path}", soft_wrap=True)
    return 0
