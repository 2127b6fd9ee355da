"""The rule by which weights and inputs of the golden cases are drawn (golden/README.md), and the cases themselves."""

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).parent / "golden"
NAMES = {
    "capf_cpn_lifter": "capf-cpn",
    "capf_hrnet_32_lifter": "capf",
    "motionagformer_l_243": "motionagformer",
    "motionagformer_xs_27": "motionagformer-xs",
    "pstmo_s_243": "pstmo-s",
}


def filled(shapes, seed=1):
    """A published state_dict by the rule."""
    return {key: _entry(key, tuple(shape), seed) for key, shape in shapes.items()}


def _entry(key, shape, seed):
    g = np.random.default_rng(zlib.crc32(key.encode()) + seed)
    if key.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if key.endswith("running_var"):
        values = g.uniform(0.5, 1.5, shape)
    elif (len(shape) == 1 and key.endswith(("weight", "a_2"))) or "layer_scale" in key:
        values = g.uniform(0.8, 1.2, shape)
    else:
        fan = 100 if len(shape) == 1 else int(np.prod(shape[1:]))
        values = g.normal(0, 1, shape) * min(0.5, fan**-0.5)
    return torch.from_numpy(values.astype(np.float32))


@dataclass(frozen=True)
class Golden:
    """One golden file: network, authors' arguments and keys, our inputs, the authors' output and parameter count."""

    name: str
    arguments: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    inputs: list[torch.Tensor]
    output: torch.Tensor
    parameters: int
    seed: int


def golden(stem):
    """Read a golden file; its inputs are drawn by the rule and compared with those that it stores."""
    with np.load(FOLDER / f"{stem}.npz", allow_pickle=False) as file:
        record = {key: file[key] for key in file.files}
    seed, draw = int(record["seed"]), np.random.default_rng(int(record["seed"]))
    inputs = []
    for key, shape in json.loads(str(record["input_shapes"])).items():
        inputs.append(draw.uniform(-1, 1, shape).astype(np.float32))
        assert np.array_equal(record.get(key, inputs[-1]), inputs[-1])
    config = json.loads(str(record["cfg"]))
    keys = json.loads(str(record["keys"]))
    arguments = config["args"]
    if "maxlen" not in arguments:  # MotionBERT: the window may be shorter than the frame embedding
        arguments["frames"] = config["frames_in"]
    return Golden(
        name=NAMES.get(stem) or stem.split("_")[0],
        arguments=arguments,
        shapes={key: tuple(shape) for key, shape in (keys.items() if isinstance(keys, dict) else keys)},
        inputs=[torch.from_numpy(x) for x in inputs],
        output=torch.from_numpy(record["output"]),
        parameters=int(record["parameters"]),
        seed=seed,
    )


def adapted(case):
    """The golden inputs as arguments of our forward."""
    x, *context = case.inputs
    if case.name.startswith("pstmo"):  # channels first, with a person axis at the end
        x = x[..., 0].permute(0, 2, 3, 1)
    if case.name.startswith("capf"):
        return x[:, None], context[0][:, None], context[1:]
    return (x,)
