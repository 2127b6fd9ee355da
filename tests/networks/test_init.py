"""A start with distinct joints: joints differ, attention chooses, and what it finds in each network is what it says."""

import pytest
import torch

from prml.networks import registry
from prml.networks.init import distinct_joints
from prml.networks.layers import Attention

NETWORKS = {
    "prml-xs": {"width": 32},
    "motionbert": {"width": 42, "heads": 3, "representation": 42},
    "mixste": {"width": 48},
    "motionagformer": {"width": 32, "depth": 2, "heads": 4},
    "ktpformer": {"width": 48},
}


def _network(name: str):
    torch.manual_seed(3)
    return registry.build(name, frames=9, in_channels=3, **NETWORKS[name]).eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_of_the_comparison_has_joints_that_can_be_told_apart(name):
    network = _network(name)
    drawn = distinct_joints(network)
    spatial = [n for n, m in network.named_modules() if isinstance(m, Attention) and m.axis == "spatial"]
    assert set(spatial) <= set(drawn)
    assert any("joint_embedding" in n for n in drawn)
    x = torch.randn(1, 9, 17, 3)
    with torch.no_grad():
        assert torch.isfinite(network(x)).all()


def test_attention_chooses_among_joints_where_it_saw_only_their_mean():
    network = _network("prml-xs")
    shares = []
    for _ in range(2):
        attention = network.bottom.blocks[0].spatial_temporal[0].attention
        feature = network.bottom.embed(torch.randn(1, 1, 17, 3)) + network.bottom.joint_embedding
        feature = network.bottom.blocks[0].spatial_temporal[0].norm1(feature)
        query, key, _ = (part.unflatten(-1, (4, -1)).transpose(2, 3) for part in attention.qkv(feature).chunk(3, -1))
        share = (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5).softmax(-1)
        shares.append(share.amax(-1).mean().item())
        distinct_joints(network)
    plain, distinct = shares
    assert plain == pytest.approx(1 / 17, abs=0.01)
    assert distinct > 0.2


def test_a_network_of_other_layers_keeps_its_own_start():
    torch.manual_seed(3)
    network = registry.build("videopose3d")
    before = {k: v.clone() for k, v in network.state_dict().items()}
    assert distinct_joints(network) == []
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
