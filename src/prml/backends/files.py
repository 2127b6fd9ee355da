"""Weights as files for other engines."""

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal

import torch

from prml.backends.whole import Whole, temperature
from prml.io.files import check_writable, write_file
from prml.skeleton import skeleton
from prml.weights.card import find_record
from prml.weights.record import load_record


def export_weights(
    weights: str | os.PathLike[str], to: Literal["onnx", "openvino"], out: Path, *, overwrite: bool = False
) -> list[Path]:
    """Write weights as ``NAME.onnx``, or as ``NAME.xml`` and ``NAME.bin``, with their card as ``NAME.yaml``.

    Args:
        weights: bundled name, or path of a record.
        to: "onnx" or "openvino".
        out: folder for the files.
        overwrite: replace existing files.

    Raises:
        PrmlError: the weights cannot be read or converted, a package is missing, or a file exists.
    """
    record = load_record(weights)
    card, joints = record.card, skeleton(record.card.skeleton)
    endings = (".onnx", ".yaml") if to == "onnx" else (".xml", ".bin", ".yaml")
    paths = [out / f"{card.name}{ending}" for ending in endings]
    for path in paths:
        check_writable(path, overwrite)
    whole = Whole(record.network, record.uncertainty, torch.from_numpy(temperature(card.temperature, joints)))
    shape = (card.window, len(joints), record.network.in_channels)
    contents = _onnx(whole, shape) if to == "onnx" else _openvino(whole, shape)
    for path, data in zip(paths, [*contents, find_record(weights).with_suffix(".yaml").read_bytes()], strict=True):
        write_file(path, partial(_write, data), overwrite)
    return paths


def _write(data: bytes, file: BinaryIO) -> None:
    file.write(data)


def _onnx(whole: Whole, shape: tuple[int, int, int]) -> list[bytes]:
    from prml.backends.onnx import onnx_bytes

    return [onnx_bytes(whole, shape)]


def _openvino(whole: Whole, shape: tuple[int, int, int]) -> list[bytes]:
    from prml.backends.openvino import openvino_model

    model = openvino_model(whole, shape)
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        openvino.save_model(model, str(Path(folder) / "model.xml"), compress_to_fp16=False)
        return [(Path(folder) / f"model.{ending}").read_bytes() for ending in ("xml", "bin")]
