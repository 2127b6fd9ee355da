"""Laws that every registered network obeys, and the published costs."""

import pytest
import torch
from published_rule import filled

from fixtures.networks import small_arguments
from prml.errors import PrmlError
from prml.networks import registry
from prml.networks.cost import count
from prml.networks.heads import DualHead
from prml.networks.published.convert import from_published, published_keys, published_state
from prml.networks.published.layout import PublishedNetwork

# name, arguments, T in, frames out; parameters and linear multiply-adds (G) measured on the authors' code
MEASURED = [
    ("mhformer", {}, 351, 1, 31_516_125, 7.073),
    ("mixste", {}, 243, 243, 33_783_811, 138.624),
    ("pstmo", {}, 243, 1, 7_009_382, 0.867),
    ("pstmo-s", {}, 243, 1, 6_482_278, 0.739),
    ("poseformerv2", {}, 243, 1, 14_381_899, 0.527),
    ("stcformer", {}, 243, 243, 4_748_000, 19.555),
    ("glagcn", {}, 243, 1, 1_348_856, 1.542),
    ("motionbert", {}, 243, 243, 42_466_317, 174.405),
    ("ktpformer", {}, 243, 243, 35_213_430, 138.620),
    ("motionagformer", {}, 243, 243, 19_007_111, 77.762),
    ("mhformer", {"frames": 81}, 81, 1, 19_837_545, 1.561),
    ("mixste", {"frames": 81}, 81, 81, 33_700_867, 46.208),
    ("pstmo", {"frames": 81}, 81, 1, 6_054_246, 0.288),
    ("pstmo-s", {"frames": 81}, 81, 1, 5_527_142, 0.246),
    ("poseformerv2-81", {}, 81, 1, 14_362_279, 0.176),
    ("stcformer", {"frames": 81}, 81, 81, 4_748_000, 6.518),
    ("glagcn", {"frames": 81}, 81, 1, 1_096_466, 0.511),
    ("motionbert", {"frames": 81}, 81, 81, 42_466_317, 58.135),
    ("ktpformer", {"frames": 81}, 81, 81, 34_859_622, 46.207),
    ("motionagformer", {"frames": 81}, 81, 81, 18_998_687, 25.921),
    ("mhformer", {"frames": 9}, 9, 1, 19_090_233, 0.171),
    ("mixste", {"frames": 27}, 27, 27, 33_673_219, 15.403),
    ("stcformer-l", {}, 243, 243, 18_933_184, 78.095),
    ("motionagformer-b", {}, 243, 243, 11_723_811, 47.961),
    ("motionagformer-s", {}, 81, 81, 4_817_119, 6.509),
    ("motionagformer-xs", {}, 27, 27, 2_241_531, 1.010),
    ("motionbert-lite", {}, 243, 243, 16_001_549, 65.547),
    ("capf", {}, 1, 1, 14_094_147, 0.305),
    ("capf-hrnet48", {}, 1, 1, 14_155_587, 0.314),
    ("capf-cpn", {}, 1, 1, 14_233_411, 0.325),
    ("tcpformer", {}, 243, 243, 35_118_259, 108.604),
    ("tcpformer", {"frames": 81}, 81, 81, 35_000_755, 36.201),
    ("videopose3d", {}, 243, 1, 16_952_371, 2.609),
    ("videopose3d-window", {}, 243, 1, 16_952_371, 0.176),
]


def small(name, **more):
    torch.manual_seed(0)
    return registry.build(name, **{**small_arguments(name), **more})


def test_a_network_without_a_small_size_says_where_to_give_it():
    with pytest.raises(LookupError, match=r"no small size of '.*MixSTE'.*NetworkEntry"):
        small_arguments("prml.networks.peers.mixste:MixSTE")


def inputs(network, batch=2, frames=None, device="cpu", seed=0):
    generator = None if device == "meta" else torch.Generator().manual_seed(seed)
    frames = frames or network.frames
    x = torch.randn(batch, frames, network.joints, network.in_channels, generator=generator, device=device)
    if not network.image_channels:
        return (x,)
    places = torch.rand(*x.shape[:3], 2, generator=generator, device=device) * 2 - 1
    maps = [
        torch.randn(batch * frames, c, 24 // 2**i, 24 // 2**i, generator=generator, device=device)
        for i, c in enumerate(network.image_channels)
    ]
    return x, places, maps


COSTLY = ("mixste", "ktpformer", "motionbert", "motionagformer", "tcpformer")


def _row(row):
    """Rows that only repeat another's network at another length or depth are left to the slow tests."""
    costly = (row[0] in COSTLY and row[1]) or row[0] == "motionagformer-b"
    return pytest.param(*row, marks=pytest.mark.slow) if costly else row


@pytest.mark.parametrize(("name", "arguments", "frames", "out", "parameters", "giga"), map(_row, MEASURED))
def test_cost_is_the_published_networks(name, arguments, frames, out, parameters, giga):
    with torch.device("meta"):
        network = registry.build(name, **arguments).eval()
    assert network.frames == frames or name == "motionbert"
    cost = count(network, *inputs(network, batch=1, frames=frames, device="meta"))
    assert (cost.parameters, cost.output_frames) == (parameters, out)
    assert cost.linear_macs / 1e9 == pytest.approx(giga, abs=6e-4)


@pytest.mark.parametrize("name", registry.names())
def test_entry_tells_what_the_network_does(name):
    entry = registry.entry(name)
    with torch.device("meta"):
        network = registry.build(name)
    assert (network.frames, network.joints) == (entry.window, 17)
    assert (network.output, network.any_length) == (entry.output, entry.any_length)
    assert bool(network.image_channels) == entry.image_features
    assert isinstance(network, PublishedNetwork) == entry.published
    assert network.in_channels in (2, 3)
    assert not entry.published or (entry.paper and entry.year and entry.venue and entry.code_licence and entry.windows)
    network = small(name).eval()
    with torch.inference_mode():
        output = network(*inputs(network))
    assert output.shape == (2, network.frames if entry.output == "sequence" else 1, 17, 3)


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("heads", ["single", "dual"])
def test_every_used_parameter_learns_and_samples_do_not_mix(name, heads):
    network = small(name, regression_heads=heads).eval()
    arguments = inputs(network, batch=3)
    output = network(*arguments)
    output.square().sum().backward()
    idle = [k for k, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert idle == []  # several processes wait for every gradient that a parameter asks for
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    maps = len(arguments) == 3
    one = [a[1:2] for a in arguments[:2]] + ([[m.unflatten(0, (3, -1))[1] for m in arguments[2]]] if maps else [])
    torch.testing.assert_close(network(*one), output[1:2], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", registry.names())
def test_training_is_finite_with_dropout_and_batch_statistics(name):
    network = small(name).train()
    output = network(*inputs(network, batch=3))
    output.square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", registry.names())
def test_other_lengths_are_taken_or_refused_as_the_entry_says(name):
    entry, network = registry.entry(name), small(name).eval()
    if name.startswith("prml"):
        assert network(*inputs(network, frames=5)).shape[1] == 5
    elif not entry.any_length:
        with pytest.raises(PrmlError, match=rf"windows of {network.frames} frames, got {network.frames + 2}"):
            network(*inputs(network, frames=network.frames + 2))
    else:
        frames = network.frames + 2
        expected = frames if entry.output == "sequence" else 3  # one pose for each full window
        assert network(*inputs(network, frames=frames)).shape == (2, expected, 17, 3)


@pytest.mark.parametrize("name", [n for n in registry.names() if registry.entry(n).published])
def test_a_wrong_input_is_refused_in_one_line(name):
    network = small(name)
    x, *rest = inputs(network)
    with pytest.raises(PrmlError, match=r"expects .*\(batch"):
        network(x[:, :, :16], *rest)


def test_windows_of_the_dilated_and_the_strided_network_agree():
    for causal in (False, True):
        dilated, strided = (small("videopose3d", causal=causal, strided=s).eval() for s in (False, True))
        strided.load_state_dict(dilated.state_dict())
        (x,) = inputs(dilated, frames=14)
        windows = torch.cat([strided(x[:, i : i + 9]) for i in range(6)], 1)
        torch.testing.assert_close(windows, dilated(x), atol=1e-5, rtol=1e-4)


def test_the_causal_network_sees_the_whole_past_and_the_present():
    network = small("videopose3d-causal").eval()
    (x,) = inputs(network, batch=1)
    x.requires_grad_()
    network(x).sum().backward()
    assert (x.grad.abs().sum((0, 2, 3)) > 0).all()
    shortcut = torch.arange(9.0)[None, :, None]
    for stage in range(1, len(network.kernels)):
        shortcut = network._shortcut(shortcut[:, 2::3], stage)
    assert float(shortcut) == 8  # the residual path carries the last frame


def test_tcpformer_reads_frames_in_any_order_but_for_its_thirds():
    """Its factors of 1e-5 are neither trained nor stored, and nothing else depends on the order of frames."""
    order = torch.tensor([4, 8, 0, 6, 2, 1, 7, 5, 3])
    for scale, differs in ((1e-5, False), (0.5, True)):
        network = small("tcpformer", layer_scale=scale).eval()
        assert not [k for k in network.state_dict() if k.startswith("proxy_layers.0.thirds.0.scale")]
        learned = (p for k, p in network.named_parameters() if ".scale" in k)
        with torch.no_grad():
            for factor in learned:
                factor.fill_(0.5)
        (x,) = inputs(network)
        a, b = network(x)[:, order], network(x[:, order])
        assert torch.allclose(a, b, atol=1e-4) is not differs


@pytest.mark.parametrize("frames", [8, 10])
def test_tcpformer_is_for_thirds_of_its_window(frames):
    with pytest.raises(PrmlError, match=f"multiple of 3, got {frames}"):
        registry.build("tcpformer", frames=frames)


@pytest.mark.parametrize("name", ["mhformer", "pstmo"])
def test_the_middle_of_the_training_sequence(name):
    network = small(name).eval()
    centre, sequence = network.forward_with_sequence(*inputs(network))
    assert centre.shape == (2, 1, 17, 3)
    assert sequence.shape == (2, 9, 17, 3)
    torch.testing.assert_close(centre, network(*inputs(network)))


@pytest.mark.parametrize("name", [n for n in registry.names() if registry.entry(n).published])
def test_two_heads_share_everything_else_and_not_each_other(name):
    single, dual = small(name), small(name, heads="dual").eval()
    assert isinstance(dual.head, DualHead)
    shared = {k: v.shape for k, v in single.state_dict().items() if "head." not in k}
    assert {k: v.shape for k, v in dual.state_dict().items() if "head." not in k} == shared
    arguments = inputs(dual)
    dual(*arguments)[..., 2].sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in dual.head.pose_2d.parameters())
    assert all(p.grad is not None for p in dual.head.depth.parameters())
    dual.zero_grad(set_to_none=True)
    dual(*arguments)[..., :2].sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in dual.head.depth.parameters())


@pytest.mark.parametrize("name", [n for n in registry.names() if registry.entry(n).published])
def test_published_weights_go_round(name):
    torch.manual_seed(0)
    network = small(name)
    weights = filled(published_keys(name, **small_arguments(name)))
    loaded = from_published(name, {f"module.{k}": v for k, v in weights.items()}, **small_arguments(name))
    assert not loaded.training
    assert {k: v.shape for k, v in loaded.state_dict().items()} == {k: v.shape for k, v in network.state_dict().items()}
    again = published_state(loaded)
    assert list(again) == list(weights)
    assert all(torch.equal(again[k], weights[k]) for k in weights)


def test_the_shapes_tell_most_arguments():
    for name in (
        "mixste",
        "ktpformer",
        "mhformer",
        "poseformerv2",
        "motionagformer",
        "tcpformer",
        "videopose3d",
        "stcformer",
        "capf",
    ):
        arguments = small_arguments(name)
        weights = filled(published_keys(name, **arguments))
        untold = {k: v for k, v in arguments.items() if k in ("heads", "frames")}
        loaded = from_published(name, weights, **untold)
        assert all(torch.equal(published_state(loaded)[k], weights[k]) for k in weights)


@pytest.mark.parametrize("damage", ["lacks", "unknown", "shape"])
def test_a_key_that_does_not_fit_is_named(damage):
    weights = filled(published_keys("mixste", **small_arguments("mixste")))
    key = "TTEblocks.1.attn.qkv.bias"
    if damage == "lacks":
        del weights[key]
    elif damage == "unknown":
        weights[key := "TTEblocks.1.surplus"] = torch.zeros(1)
    else:
        weights[key] = torch.zeros(47)
    with pytest.raises(PrmlError, match=rf"{damage}.*{key}|{key}.*{damage}"):
        from_published("mixste", weights, **small_arguments("mixste"))


def test_weights_of_another_network_are_refused():
    weights = filled(published_keys("stcformer", **small_arguments("stcformer")))
    with pytest.raises(PrmlError, match="lacks 'Spatial_pos_embed'"):
        from_published("mixste", weights)


def test_arguments_that_cannot_be_had_are_named():
    with pytest.raises(PrmlError, match="use_tcn = True is not supported"):
        published_keys("motionagformer", use_tcn=True)
    with pytest.raises(PrmlError, match=r"single.*dual.*not 'both'"):
        registry.build("mixste", heads="both")
    with pytest.raises(PrmlError, match="power of 3"):
        registry.build("videopose3d", frames=100)
    with pytest.raises(PrmlError, match="did you mean 'mixste'"):
        registry.build("mixtse")
    with pytest.raises(PrmlError, match="no published layout"):
        published_keys("prml")


def test_other_spellings_of_a_name():
    assert registry.entry("MotionAGFormer_L").name == "motionagformer"
    assert registry.entry("P-STMO").name == "pstmo"
    assert published_keys("capf", base_dim=48) == published_keys("capf-hrnet48")
