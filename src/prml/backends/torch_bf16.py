"""Torch with weights and activations in bfloat16, for processors that multiply such numbers faster."""

from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Float

from prml.backends.registry import Engine, Predict
from prml.backends.whole import Whole

Array = np.ndarray


def _open(whole: Whole, shape: tuple[int, int, int]) -> Predict:
    narrow = deepcopy(whole).eval()
    narrow.network.to(torch.bfloat16)

    @torch.inference_mode()
    def predict(windows: Float[Array, "B T J c"]) -> Float[Array, "B T J d"]:
        return np.asarray(narrow(torch.from_numpy(windows).to(torch.bfloat16)).numpy())

    return predict


ENGINE = Engine("torch-bf16", "torch with everything but the uncertainty head in bfloat16", _open)
