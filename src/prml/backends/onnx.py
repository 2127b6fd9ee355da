"""ONNX Runtime, and networks as ONNX files."""

import warnings
from io import BytesIO

import numpy as np
import torch
from jaxtyping import Float

from prml.backends.registry import Engine, Predict
from prml.backends.whole import Whole
from prml.errors import PrmlError

Array = np.ndarray
INPUT, OUTPUT = "windows", "poses"
OPSET = 18


def onnx_bytes(whole: Whole, shape: tuple[int, int, int]) -> bytes:
    """Return a network as an ONNX file: ``windows`` (batch, frames, joints, channels) to ``poses``, any batch.

    Raises PrmlError if the packages that torch needs for it are missing.
    """
    try:
        import onnx  # noqa: F401  # torch writes with it
    except ImportError:
        raise PrmlError("converting a network needs onnx: pip install 'prml-pose[onnx]'") from None
    buffer = BytesIO()
    with warnings.catch_warnings(action="ignore"), torch.inference_mode(False), torch.no_grad():
        torch.onnx.export(
            whole.eval().cpu(),
            (torch.zeros(2, *shape),),
            buffer,  # type: ignore[arg-type]
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
    return buffer.getvalue()


def _open(whole: Whole, shape: tuple[int, int, int]) -> Predict:
    try:
        import onnxruntime
    except ImportError:
        raise PrmlError("engine=onnxruntime needs onnxruntime: pip install 'prml-pose[onnx]'") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(onnx_bytes(whole, shape), options, providers=["CPUExecutionProvider"])

    def predict(windows: Float[Array, "B T J c"]) -> Float[Array, "B T J d"]:
        return np.asarray(session.run(None, {INPUT: windows})[0])

    return predict


ENGINE = Engine("onnxruntime", "ONNX Runtime on the CPU, in float32", _open)
