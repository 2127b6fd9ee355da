"""Our networks against what the authors' own networks return under known weights."""

import pytest
import torch
from published_rule import FOLDER, adapted, filled, golden

from prml.networks.published.convert import from_published, published_keys

CASES = sorted(path.stem for path in FOLDER.glob("*.npz"))
QUICK = [
    "capf_cpn_lifter",
    "capf_hrnet_32_lifter",
    "glagcn_81",
    "ktpformer_81",
    "mhformer_81",
    "mhformer_9",
    "mixste_27",
    "motionagformer_xs_27",
    "motionbert_81",
    "poseformerv2_243_27",
    "poseformerv2_81_9",
    "pstmo_81",
    "pstmo_s_243",
    "stcformer_81",
    "tcpformer_27",
    "videopose3d_243",
]
# CA-PF samples feature maps that are white noise here: an error of 1e-7 in a sampling place grows about 30 times in
# each of its four context blocks. The authors' own network differs from its golden output by 2.6e-3 (CPN) and 1.5e-4
# (HRNet) on another processor, by 8e-3 and 9e-3 in float64; on one machine ours and theirs agree to 1e-6. A tolerance
# below what rounding makes would hold the processor, not the network; that it is rounding is tested at the end.
TOLERANCE = {"capf_cpn_lifter": 1e-2, "capf_hrnet_32_lifter": 1e-2}


def authors(stem):
    """A golden case and our network with its weights."""
    case = golden(stem)
    network = from_published(case.name, filled(case.shapes, case.seed), **case.arguments)
    assert sum(p.numel() for p in network.parameters()) == case.parameters
    return case, network


def difference(output, reference):
    return float((output - reference).norm() / reference.norm())


def relative_error(stem):
    case, network = authors(stem)
    with torch.inference_mode():
        output = network(*adapted(case))
    assert output.shape == case.output.shape
    return difference(output, case.output)


def test_the_folder_holds_every_case():
    assert len(CASES) == 24
    assert set(QUICK) <= set(CASES)


@pytest.mark.parametrize("stem", CASES)
def test_keys_and_shapes_are_the_published_ones_in_their_order(stem):
    case = golden(stem)
    assert list(published_keys(case.name, **case.arguments).items()) == list(case.shapes.items())


@pytest.mark.parametrize("stem", QUICK)
def test_output_is_the_authors(stem):
    assert relative_error(stem) < TOLERANCE.get(stem, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("stem", CASES)
def test_every_output_is_the_authors(stem, record_property):
    error = relative_error(stem)
    record_property("relative_error", error)
    print(f"{stem}: relative error {error:.1e}")  # shown by pytest -rP
    assert error < TOLERANCE.get(stem, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("stem", sorted(TOLERANCE))
def test_the_looser_tolerance_is_what_rounding_makes(stem):
    """Rounding alone moves the output of CA-PF further than ours is from the authors', and none of it is elsewhere.

    In float64 our network differs from itself in float32 by more than it differs from the golden output; on smooth
    feature maps, where sampling places do not matter at that scale, float32 and float64 agree as for other networks.
    """
    case, network = authors(stem)
    x, places, maps = adapted(case)
    smooth = [m.mean((2, 3), keepdim=True).expand_as(m).contiguous() for m in maps]

    def rounding(features):
        with torch.inference_mode():
            single = network.float()(x, places, features)
            double = network.double()(x.double(), places.double(), [m.double() for m in features])
        return difference(single, double)

    assert relative_error(stem) < 3 * rounding(maps)
    assert rounding(smooth) < 1e-5
