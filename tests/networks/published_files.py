"""Checkpoints of random weights as the authors of every network would publish them."""

import numpy as np
import torch
from published_rule import filled

from prml.networks import registry
from prml.networks.published.convert import published_keys

# what stands beside the weights, and whether every key has "module." before it
CONTAINERS = {
    "mhformer": (None, False),
    "mixste": ("model_pos", True),
    "ktpformer": ("model_pos", True),
    "poseformerv2": ("model_pos", True),
    "pstmo": (None, True),
    "stcformer": (None, False),
    "glagcn": ("model_pos", True),
    "motionbert": ("model_pos", True),
    "motionagformer": ("model", True),
    "tcpformer": ("model", True),
    "capf": ("model", False),
    "videopose3d": ("model_pos", False),
}


# the shapes in a checkpoint do not tell the heads: networks as their authors have them
SMALL = {name: {k: v for k, v in registry.entry(name).small.items() if k != "heads"} for name in CONTAINERS}


def publish(name, path, *, legacy=False):
    """A checkpoint of random weights in the authors' container, numpy objects and optimiser included."""
    weights = filled(published_keys(name, **SMALL[name]))
    if name == "capf":
        weights = {f"volume_net.{k}": v for k, v in weights.items()} | {"backbone.conv1.weight": torch.zeros(3)}
    key, module = CONTAINERS[name]
    state = {f"module.{k}" if module else k: v for k, v in weights.items()}
    content = state
    if key is not None:
        content = {
            "epoch": 7,
            "lr": np.float64(1e-4),
            "random_state": np.random.RandomState(3),
            "min_loss": np.float32(40.5),
            "optimizer": {"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4}]},
            key: state,
        }
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return weights
