"""Our networks against what the authors' own networks return under known weights."""

import pytest
import torch
from published_rule import FOLDER, adapted, filled, golden

from prml.networks import registry

CASES = sorted(path.stem for path in FOLDER.glob("*.npz"))
QUICK = [
    "capf_cpn_lifter", "capf_hrnet_32_lifter", "glagcn_81", "ktpformer_81", "mhformer_81", "mhformer_9", "mixste_27",
    "motionagformer_xs_27", "motionbert_81", "poseformerv2_243_27", "poseformerv2_81_9", "pstmo_81", "pstmo_s_243",
    "stcformer_81", "videopose3d_243",
]  # fmt: skip
# CA-PF samples feature maps that are white noise here: an error of 1e-7 in a sampling place grows about 30 times in
# each of its four context blocks. The authors' own network differs from its golden output by 2.6e-3 (CPN) and 1.5e-4
# (HRNet) on another processor, by 8e-3 and 9e-3 in float64. On one machine ours and theirs agree to 1e-6.
TOLERANCE = {"capf_cpn_lifter": 1e-2, "capf_hrnet_32_lifter": 1e-2}


def relative_error(stem):
    case = golden(stem)
    weights = filled(case.shapes, case.seed)
    network = registry.from_published(case.name, weights, **case.arguments)
    assert sum(p.numel() for p in network.parameters()) == case.parameters
    with torch.inference_mode():
        output = network(*adapted(case))
    assert output.shape == case.output.shape
    return float((output - case.output).norm() / case.output.norm())


@pytest.mark.parametrize("stem", CASES)
def test_keys_and_shapes_are_the_published_ones_in_their_order(stem):
    case = golden(stem)
    assert list(registry.published_keys(case.name, **case.arguments).items()) == list(case.shapes.items())


@pytest.mark.parametrize("stem", QUICK)
def test_output_is_the_authors(stem):
    assert relative_error(stem) < TOLERANCE.get(stem, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("stem", sorted(set(CASES) - set(QUICK)))
def test_output_is_the_authors_at_full_length(stem):
    assert relative_error(stem) < 1e-4
