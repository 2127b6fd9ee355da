#!/usr/bin/env bash
# TCPFormer's released network hardly sees in which order the frames come.
#
# Guess:   a network for sequences, whose blocks attend within the first, middle and last third of the window, answers
#          differently if the frames are shuffled.
# Seen:    it gives the shuffled poses, to about 1e-5 of them. It has no embedding of frames; only the attention within thirds
#          tells frames apart, and its factors are kept in a plain Python list: model.parameters() and state_dict() lack
#          them, so they are neither trained nor stored, and stay at the 1e-5 that they start from.
# Matters: a published checkpoint gives its output only if they are left so (networks/peers/tcpformer.py); with factors
#          that are learned it is another network. Anyone who builds on the code has a temporal network without time.
#
# Needs git, python3 with its venv module, GitHub and the package registry; or a checkout and a Python that has torch:
# CHECKOUT=DIR PYTHON=python3 findings/tcpformer_frame_order.sh. Not part of CI.
set -euo pipefail

commit=4949a680272232c332bb12b40a3feaf900609b05
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
if [ -z "${CHECKOUT:-}" ]; then
    git clone -q https://github.com/AsukaCamellia/TCPFormer "$work/checkout"
    git -C "$work/checkout" checkout -q "$commit"
    CHECKOUT="$work/checkout"
fi
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install -qq --disable-pip-version-check torch==2.13.0 numpy==2.4.6 matplotlib
    PYTHON="$work/venv/bin/python"
fi

cat >"$work/look.py" <<'PYTHON'
"""Shuffle the frames of a random window; fail unless the poses are shuffled alike and the factors are not parameters."""
import sys
import types

import torch

sys.path.insert(0, sys.argv[1])
# of timm the network takes stochastic depth alone, which is off
timm = types.ModuleType("timm.models.layers")
timm.DropPath = torch.nn.Identity
sys.modules.update({"timm": timm, "timm.models": timm, "timm.models.layers": timm})
to = torch.Tensor.to
torch.Tensor.to = lambda self, *a, **o: self if a[:1] == ("cuda",) else to(self, *a, **o)
from model.Model import MemoryInducedTransformer  # noqa: E402

torch.manual_seed(0)
network = MemoryInducedTransformer(n_layers=4, dim_in=3, dim_feat=64, num_heads=8, n_frames=27).eval()
with torch.no_grad():
    for name, parameter in network.named_parameters():
        if "layer_scale" in name:
            parameter.fill_(0.5)  # as if trained
listed = network.temporal_layers[0].layer_scale
known = {id(p) for p in network.parameters()}
x, order = torch.randn(1, 27, 17, 3), torch.randperm(27)
with torch.no_grad():
    poses, shuffled = network(x), network(x[:, order])
away = float((shuffled - poses[:, order]).norm() / poses.norm())
print("torch", torch.__version__, "| factors", len(listed), "of which parameters", sum(id(p) in known for p in listed))
print(f"shuffled frames: away from the shuffled poses by {away:.1e} of them")
sys.exit(not (away < 1e-4 and not any(id(p) in known for p in listed)))
PYTHON

if "$PYTHON" "$work/look.py" "$CHECKOUT" 2>/dev/null; then
    echo "as described: the poses do not depend on the order of the frames"
else
    echo "changed: the order of the frames matters, or the network cannot be built"
    exit 1
fi
