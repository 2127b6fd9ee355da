"""Run a script of the authors of a network as they would, on a CPU, and note the figures that it prints or returns.

    python benchmarks/authors_code.py --checkout MixSTE --script run.py --out figures.json -- -k gt --evaluate net.bin

A process of its own for every script: their packages share names (common, model, lib). Nothing of the scripts is
changed; what they expect of the machine is stood in for: ``.cuda()`` and ``.to("cuda")`` give the tensor itself, numpy
has its old names again, loaders read in this process, checkpoints may hold other objects than tensors (they are ours),
and packages for logs and pictures that are not installed do nothing. Needed beside ours: einops, timm, torch-dct,
easydict, prettytable.
"""

import argparse
import builtins
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import re
import shutil
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

# for logs, pictures, the count of operations, and layers that no published size uses
IDLE = (
    "cv2",
    "imageio",
    "ipdb",
    "local_attention",
    "matplotlib",
    "mpl_toolkits",
    "numba",
    "pkg_resources",
    "smplx",
    "tensorboardX",
    "thop",
    "torchprofile",
    "torchvision",
    "wandb",
)
# what the scripts of VideoPose3D's family print per action, and MotionBERT's once
PRINTED = {
    "mpjpe": r"Protocol #1 Error \(MPJPE\): ([\d.]+)",
    "p_mpjpe": r"Protocol #2 Error \(P-MPJPE\): ([\d.]+)",
    "n_mpjpe": r"Protocol #3 Error \(N-MPJPE\): ([\d.]+)",
    "velocity": r"Velocity Error \(MPJVE\): ([\d.]+)",
    "acceleration": r"Acceleration error: ([\d.]+)",
}


class _Idle(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds every module of the packages that may do nothing."""

    def find_spec(self, name: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        packaged = name.split(".")[0] in IDLE
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if packaged else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = MagicMock(name=spec.name)
        module.__spec__, module.__path__, module.__all__ = spec, [], []
        return module

    def exec_module(self, module: types.ModuleType) -> None: ...


def stand_in() -> None:
    """Make this machine look as the authors' scripts expect."""
    import numpy as np
    import torch
    from torch import nn

    sys.meta_path.insert(0, _Idle())
    for kind in (float, int, object):
        setattr(np, kind.__name__, kind)
    torch.Tensor.cuda = lambda self, *_, **__: self
    nn.Module.cuda = lambda self, *_, **__: self
    torch.cuda.FloatTensor = torch.FloatTensor
    torch.cuda.manual_seed_all = lambda *_: None
    to = torch.Tensor.to
    torch.Tensor.to = lambda self, *a, **o: self if a[:1] == ("cuda",) else to(self, *a, **o)  # TCPFormer's factors
    load, loader = torch.load, torch.utils.data.DataLoader

    def trusting(*args: Any, **options: Any) -> Any:
        return load(*args, **{**options, "weights_only": False})

    class Here(loader):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, **options: Any) -> None:
            apart = ("num_workers", "prefetch_factor", "persistent_workers", "pin_memory")
            super().__init__(*args, **{k: v for k, v in options.items() if k not in apart})

    torch.load = trusting
    torch.utils.data.DataLoader = torch.utils.data.dataloader.DataLoader = Here


def lend(checkout: Path) -> None:
    """Give repositories what their files expect and lack.

    P-STMO's script for MPI-INF-3DHP asks for an option that its parser does not have. GLA-GCN's files import ``wrap``
    of common.utils, and look for data under the paths of another machine. TCPFormer's resumes an optimiser.
    CA-PF's script gets poses and feature maps (:func:`_lend_capf`).
    """
    if checkout.name == "P-STMO":
        argparse.Namespace.MAE_test_reload = 0  # type: ignore[attr-defined]
    if checkout.name == "ContextAware-PoseFormer":
        _lend_capf()
    import numpy as np
    import torch

    if checkout.name == "TCPFormer":
        torch.optim.AdamW.load_state_dict = lambda *_: None  # type: ignore[assignment]
    if checkout.name != "GLA-GCN":
        return

    def wrap(function: Any, *values: Any) -> Any:
        """Call a function of tensors with arrays, and return an array."""
        return function(*(torch.from_numpy(np.asarray(v)) for v in values)).numpy()

    importlib.import_module("common.utils").wrap = wrap  # type: ignore[attr-defined]
    load = np.load
    np.load = lambda file, **o: load(file if Path(file).exists() else Path("data") / Path(file).name, **o)


def _lend_capf() -> None:
    """Made-up poses, smooth feature maps and the CPU for CA-PF's training script.

    It wants the pictures of Human3.6M, the weights of a backbone, and several GPUs, since only a distributed model has
    the ``module`` that it asks for.
    """
    import numpy as np
    import torch
    from torch import nn

    device = torch.device

    class Here(type):
        """Makes a CPU of every device that is asked for."""

        def __call__(cls, *_: Any, **__: Any) -> torch.device:
            return device("cpu")

        def __instancecheck__(cls, found: Any) -> bool:
            return isinstance(found, device)

    torch.device = Here("device", (), {})  # type: ignore[misc]
    shutil.copy = lambda *_, **__: None  # of the script itself, beside its logs
    torch.cuda.Stream = torch.cuda.current_stream = MagicMock  # type: ignore[misc, assignment]
    torch.cuda.stream = lambda _: contextlib.nullcontext()

    class Maps(nn.Module):
        """Four maps like those of a backbone, of waves instead of a picture."""

        def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
            maps = []
            for level in range(4):
                high, wide, channels = 8 >> level or 1, 6 >> level or 1, 32 << level
                phase = torch.arange(len(images) * channels).view(len(images), channels, 1, 1).float()
                maps.append(torch.sin(phase + torch.arange(high)[:, None] / 3 + torch.arange(wide) / 2))
            return maps

    class Poses(torch.utils.data.Dataset):  # type: ignore[type-arg]
        """Two poses with their places in an empty picture."""

        dist_size = None

        def __init__(self, **_: Any) -> None:
            rng = np.random.default_rng(5)
            pose = rng.normal(0, 0.3, (2, 1, 17, 3)), rng.normal(0, 0.3, (2, 17, 2))
            self.items = list(zip(*pose, rng.uniform(30, 160, (2, 17, 2)), strict=True))

        def __len__(self) -> int:
            return len(self.items)

        def __getitem__(self, index: int) -> tuple[Any, ...]:
            return np.zeros((256, 192, 3), np.uint8), *self.items[index]

    importlib.import_module("mvn.models.pose_hrnet").get_pose_net = lambda *_: Maps()  # type: ignore[attr-defined]
    place = importlib.import_module("mvn.datasets")
    place.human36m = place.multiview_human36m = Poses  # type: ignore[attr-defined]
    importlib.import_module("mvn.models.conpose").CA_PF.module = property(lambda self: self)


def prepare(checkout: Path, script: str, words: Sequence[str]) -> Path:
    """Stand in for what a script expects, and give it its arguments; returns its path."""
    stand_in()
    path = checkout / script
    sys.path[:0] = [str(path.parent), str(checkout)]
    lend(checkout)
    sys.argv = [str(path), *words]
    return path


def run_script(path: Path, names: dict[str, Any]) -> None:
    """Run a script as the module ``names["__name__"]``; its names are put there, even if it ends early."""
    names["__file__"] = str(path)
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)


def run(checkout: Path, script: str, words: list[str], recorded: str = "", call: str = "") -> dict[str, float]:
    """Figures of a script in its own words, run in the current folder.

    Args:
        checkout: of the authors' repository.
        script: its path there.
        words: its arguments.
        recorded: a function of the script whose answer begins with the figure wanted, where what it prints is rounded.
        call: the function that the script's last lines call, where ``recorded`` is to be watched.
    """
    path = prepare(checkout, script, words)
    lines: list[str] = []
    printing = builtins.print

    def noted(*values: Any, **options: Any) -> None:
        lines.append(" ".join(map(str, values)))
        printing(*values, **options)

    names: dict[str, Any] = {"__name__": "authors" if call else "__main__"}
    builtins.print = noted
    answers: list[Any] = []
    try:
        run_script(path, names)
        if call:
            watched = names[recorded]
            names[recorded] = lambda *a, **o: answers.append(found := watched(*a, **o)) or found
            names[call]()
    except SystemExit:
        pass
    finally:
        builtins.print = printing
    return _figures("\n".join(lines), names, answers)


def _figures(printed: str, names: dict[str, Any], answers: list[Any]) -> dict[str, float]:
    if answers:
        first = answers[0]
        return {"mpjpe": float(first[0] if isinstance(first, tuple) else first)}
    if isinstance(names.get("p1"), float):  # MHFormer's family; p2 is missing on MPI-INF-3DHP
        return {"mpjpe": float(names["p1"])} | ({"p_mpjpe": float(names["p2"])} if "p2" in names else {})
    found = {name: [float(v) for v in re.findall(rule, printed)] for name, rule in PRINTED.items()}
    return {name: sum(values) / len(values) for name, values in found.items() if values}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkout", type=Path, required=True)
    parser.add_argument("--script", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recorded", default="")
    parser.add_argument("--call", default="")
    parser.add_argument("words", nargs="*")
    o = parser.parse_args()
    found = run(o.checkout.absolute(), o.script, o.words, o.recorded, o.call)
    o.out.write_text(json.dumps(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "agg")
    raise SystemExit(main())
