"""OpenVINO, and networks as its files."""

from functools import partial
from threading import local
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from prml.backends.onnx import onnx_bytes
from prml.backends.registry import Engine, Predict
from prml.backends.whole import Whole
from prml.errors import PrmlError

Array = np.ndarray


def openvino_model(whole: Whole, shape: tuple[int, int, int]) -> Any:
    """Return a network as an OpenVINO model for any batch; raise PrmlError if the package is missing.

    It is read from ONNX, since OpenVINO does not know all of torch's operations (``aten::diagonal``).
    """
    try:
        import openvino
    except ImportError:
        raise PrmlError("engine=openvino needs openvino: pip install 'prml-pose[openvino]'") from None
    return openvino.Core().read_model(onnx_bytes(whole, shape), b"")


def _open(precision: str, whole: Whole, shape: tuple[int, int, int]) -> Predict:
    model = openvino_model(whole, shape)
    import openvino

    core = openvino.Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise PrmlError("this processor has no bfloat16 instructions; give engine=openvino")
    wanted = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled, requests = core.compile_model(model, "CPU", wanted), local()

    def predict(windows: Float[Array, "B T J c"]) -> Float[Array, "B T J d"]:
        if not hasattr(requests, "mine"):  # a request serves one thread at a time
            requests.mine = compiled.create_infer_request()
        return np.array(requests.mine.infer([windows])[0], np.float32)

    return predict


ENGINE = Engine("openvino", "OpenVINO on the CPU, in float32", partial(_open, "f32"))
ENGINE_BF16 = Engine(
    "openvino-bf16", "OpenVINO on the CPU, in bfloat16 where the processor has it", partial(_open, "bf16")
)
