"""Cost: exact counts against closed forms and the published size of PrML."""

import json

import pytest
import torch
from torch import nn

from prml.cli import main
from prml.errors import PrmlError
from prml.networks.cost import cost_of, count
from prml.networks.layers import Attention


def test_linear_and_convolution_layers_are_counted_exactly():
    network = nn.Sequential(nn.Linear(6, 10), nn.GELU(), nn.Linear(10, 4, bias=False))
    cost = count(network, torch.zeros(1, 7, 6))
    assert cost.linear_macs == cost.full_macs == 7 * (6 * 10 + 10 * 4)
    assert cost.parameters == 6 * 10 + 10 + 10 * 4
    convolution = nn.Conv1d(8, 12, 3, groups=4)
    assert count(convolution, torch.zeros(1, 8, 9)).linear_macs == 12 * 7 * 3 * 8 // 4


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("axis", ["spatial", "temporal"])
def test_attention_products_are_in_the_full_count_only(device, axis):
    T, J, C = 9, 5, 16
    cost = count(Attention(width=C, heads=4, axis=axis).to(device), torch.zeros(1, T, J, C, device=device))
    assert cost.linear_macs == T * J * 4 * C * C
    pairs = T * J * J if axis == "spatial" else J * T * T
    assert cost.full_macs - cost.linear_macs == 2 * pairs * C


def test_prml_has_the_size_and_cost_of_the_paper():
    cost = cost_of("prml")
    assert cost.frames == 243
    assert cost.parameters == pytest.approx(13.1e6, rel=0.005)
    assert cost.linear_macs == pytest.approx(49.28e9, rel=0.005)
    assert cost.linear_macs_per_frame == pytest.approx(203e6, rel=0.005)
    assert cost.full_macs > cost.linear_macs


@pytest.mark.parametrize(
    ("name", "linear", "full"),
    [("videopose3d", 2.609, 2.609), ("mixste", 138.624, 147.423), ("glagcn", 1.542, 1.623), ("mhformer", 7.073, 8.218)],
)
def test_peers_cost_what_their_authors_code_costs(name, linear, full):
    cost = cost_of(name)
    assert cost.linear_macs / 1e9 == pytest.approx(linear, rel=1e-3)
    # products that are not layers may be arranged otherwise here (GLA-GCN: 1.2 % more multiply-adds, but faster)
    assert cost.full_macs / 1e9 == pytest.approx(full, rel=2e-2)


def test_counting_leaves_the_network_as_it_was():
    network = nn.Linear(3, 3).train()
    count(network, torch.zeros(1, 2, 3))
    assert network.training
    assert not network._forward_hooks


def test_models_prints_json_beside_the_papers_figures(capsys):
    assert main(["models", "prml-xs", "capf", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == ["prml-xs", "capf"]
    assert rows[0]["linear_macs"] < rows[0]["full_macs"]


def test_models_names_the_nearest_network(capsys):
    assert main(["models", "prml-sx"]) == 2
    assert "did you mean" in capsys.readouterr().err


class Recurrent(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(8, 51)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out, _ = self.layer(x.flatten(2))
        return self.head(out[..., :8]).unflatten(-1, (17, 3))


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(
    ("make", "per_step"),
    [
        (lambda: nn.GRU(51, 8, batch_first=True), 3 * 8 * (51 + 8)),
        (lambda: nn.LSTM(51, 8, 2, batch_first=True), 4 * 8 * (51 + 8) + 4 * 8 * (8 + 8)),
        (
            lambda: nn.GRU(51, 8, 2, batch_first=True, bidirectional=True),
            2 * 3 * 8 * (51 + 8) + 2 * 3 * 8 * (16 + 8),
        ),
        (lambda: nn.LSTM(51, 16, batch_first=True, proj_size=8), 4 * 16 * (51 + 8) + 16 * 8),
        (lambda: nn.RNN(51, 8, batch_first=True), 8 * (51 + 8)),
    ],
)
def test_recurrent_layers_are_counted_in_full(device, make, per_step):
    with torch.device(device):
        network, x = Recurrent(make()), torch.zeros(1, 9, 17, 3)
    cost = count(network, x)
    assert cost.linear_macs == cost.full_macs == 9 * (per_step + 8 * 51)


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.embed, self.head = nn.Linear(51, 8), nn.Linear(8, 51)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(self.embed(x.flatten(2)))).unflatten(-1, (17, 3))


def test_torch_s_own_encoder_layer_is_counted():
    with torch.device("meta"):
        network, x = Attending(), torch.zeros(1, 9, 17, 3)
    cost = count(network, x)
    assert cost.linear_macs == 9 * (51 * 8 + 4 * 8 * 8 + 2 * 8 * 16 + 8 * 51)
    assert cost.full_macs == cost.linear_macs + 2 * 9 * 9 * 8


def test_a_layer_that_is_not_counted_is_refused():
    network = nn.Sequential(nn.Bilinear(3, 3, 3))
    with pytest.raises(PrmlError, match="cannot count the multiply-adds of 0, a Bilinear"):
        count(network, torch.zeros(1, 9, 17, 3))
