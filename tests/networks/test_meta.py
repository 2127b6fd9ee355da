"""Networks without memory: nothing is drawn for them, and torch's compiler stays out."""

import subprocess
import sys

import pytest
import torch

from prml.networks import registry
from prml.networks.meta import on_meta

CODE = """
import sys
from prml.weights.record import load_record
load_record("prml-xs28")
print([name for name in ("torch._dynamo", "torch._inductor") if name in sys.modules])
"""


@pytest.mark.parametrize("name", ["prml-xs", "mixste", "motionagformer"])
def test_shapes_are_those_of_a_network_with_memory(name):
    with on_meta():
        empty = registry.build(name).state_dict()
    real = registry.build(name).state_dict()
    assert {k: (v.shape, v.dtype) for k, v in empty.items()} == {k: (v.shape, v.dtype) for k, v in real.items()}
    assert all(v.is_meta for k, v in empty.items() if real[k].is_floating_point() and real[k].numel() > 1)


def test_outside_the_block_numbers_are_drawn():
    with on_meta():
        pass
    assert torch.empty(8).normal_(5.0, 0.1).mean() > 4


def test_checking_weights_does_not_import_the_compiler():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
