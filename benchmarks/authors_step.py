"""One training step of the authors' own code, as small files for tests/training/test_peer_recipes.py.

    python benchmarks/authors_step.py --checkouts FOLDER --out tests/training/authors_steps

Their training script runs until its first gradient: from weights by the rule of tests/networks/golden, on clips that it
cuts itself from made-up files, with whatever loss it builds. Dropout and stochastic depth are off. Kept are the batch,
the loss, and for every parameter the gradient's length and its products with four directions drawn by rule: none of
their code, and enough to tell two gradients apart. FOLDER is as for ``against_authors.py``, whose stand-ins serve here.
"""

import argparse
import importlib
import json
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from authors_setup import SEED, Code, commit_of, make_files  # isort: skip
from published_rule import filled  # isort: skip


@dataclass(frozen=True, kw_only=True)
class Step(Code):
    """Whose step, of which sizes.

    Attributes:
        name: of the file, that of a configuration under configs/peers.
        script, words: as in ``against_authors.Case``.
        losses: "module:function" of the loss that sees the whole target first.
        part: name of the class of the network, where it is a part of another.
        fills: whether the script cannot be given weights; they are put into its network then.
        more: names of what the network takes beside the 2D; what is a list is numbered.
    """

    name: str
    script: str
    words: Sequence[str]
    losses: str
    part: str = ""
    fills: bool = False
    more: Sequence[str] = ()


_VIDEOPOSE3D = ("-k", "cpn_ft_h36m_dbb", "-c", ".", "-r", "net.bin", "-e", "2")
_MIXSTE = (*_VIDEOPOSE3D, "-f", "9", "-s", "9", "-b", "18", "-cs", "16", "-dep", "2", "--nolog", "--no-eval")
_TINY = {"frames": 9, "width": 16, "depth": 2}
_CLIPS = {"data_root": "data/motion3d/", "subset_list": ["TINY"], "batch_size": 2}
_MOTIONBERT = {"dim_feat": 16, "dim_rep": 16, "depth": 2, "maxlen": 9, "clip_len": 9, **_CLIPS}
_CAPF_BATCH = {
    "batch_size": 2,
    "shuffle": False,
    "num_workers": 0,
    "with_damaged_actions": True,
    "undistort_images": False,
}
_CAPF_BACKBONE = {"type": "hrnet_32", "num_joints": 17, "init_weights": False, "fix_weights": True, "checkpoint": ""}
_CAPF = {
    "model": {"image_shape": [192, 256], "backbone": _CAPF_BACKBONE, "poseformer": {"embed_dim_ratio": 16, "depth": 4}},
    "train": {**_CAPF_BATCH, "n_epochs": 1, "volume_net_lr": 0.00064, "volume_net_lr_decay": 0.99},
    "val": {**_CAPF_BATCH, "flip_test": True},
}
_EVERY_TERM = {"lambda_lv": 3.0, "lambda_lg": 0.7, "lambda_a": 0.3, "lambda_av": 0.9}
_MOTIONBERT_WORDS = ("--config", "{config}", "--resume", "{file}", "--checkpoint", "log")
STEPS = (
    Step(
        "VideoPose3D",
        "videopose3d-window",
        {"kernels": [3, 3], "width": 16},
        name="videopose3d",
        script="run.py",
        words=(*_VIDEOPOSE3D, "-arc", "3,3", "-ch", "16", "-b", "2"),
        losses="common.loss:mpjpe",
    ),
    Step(
        "MixSTE",
        "mixste",
        {**_TINY, "mlp_ratio": 2.0},
        name="mixste",
        script="run.py",
        words=_MIXSTE,
        losses="common.loss:weighted_mpjpe",
    ),
    Step(
        "KTPFormer",
        "ktpformer",
        {**_TINY, "mlp_ratio": 2.0},
        name="ktpformer",
        script="run_ktpformer.py",
        words=_MIXSTE,
        losses="common.loss:weighted_mpjpe",
    ),
    Step(
        "MHFormer",
        "mhformer",
        {"frames": 9, "width": 16, "hidden": 16, "depth": 2},
        file="model_1.pth",
        key="",
        name="mhformer",
        script="main.py",
        words=("--frames", "9", "--channel", "16", "--d_hid", "16", "--layers", "2", "--batch_size", "2")
        + ("--previous_dir", "."),
        losses="common.utils:mpjpe_cal",
    ),
    Step(
        "P-STMO",
        "pstmo",
        {"frames": 9, "width": 16, "hidden": 16, "depth": 1},
        key="",
        prefix="module.",
        name="pstmo",
        script="run.py",
        words=("-f", "9", "-tds", "2", "--layers", "1", "--channel", "16", "--d_hid", "16", "-b", "4", "--train", "1")
        + ("-c", "log", "--reload", "1", "--previous_dir", "{file}"),
        losses="common.utils:mpjpe_cal",
    ),
    Step(
        "P-STMO",
        "pstmo",
        {"frames": 9, "width": 16, "hidden": 16, "depth": 2},
        prefix="module.",
        key="",
        name="pstmo-masked",
        script="run.py",
        words=("-f", "9", "-tds", "2", "--layers", "2", "--channel", "16", "--d_hid", "16", "-b", "4", "--train", "1")
        + ("--MAE", "-tmr", "0.6", "-smn", "3", "-c", "log"),
        losses="common.utils:mpjpe_cal",
        fills=True,
        more=("frames", "joints"),
    ),
    Step(
        "ContextAware-PoseFormer",
        "capf",
        {"width": 16},
        key="",
        config=("ContextPose/experiments/human36m/human36m.yaml", _CAPF),
        name="capf",
        script="ContextPose/train.py",
        words=("--config", "{config}", "--logdir", "log"),
        losses="mvn.models.loss:MPJPE.forward",
        part="PoseTransformer",
        fills=True,
        more=("reference", "map"),
    ),
    Step(
        "STCFormer",
        "stcformer",
        {"frames": 9, "width": 32, "depth": 2},
        key="",
        name="stcformer",
        script="run_stc.py",
        words=("-f", "9", "--layers", "2", "--d_hid", "32", "-b", "2", "--train", "1", "--root_path", "dataset/")
        + ("-c", "log", "--reload", "1", "--previous_dir", "{file}"),
        losses="common.utils:mpjpe_cal",
    ),
    Step(
        "PoseFormerV2",
        "poseformerv2",
        {"frames": 9, "kept_frames": 3, "kept_coefficients": 3, "width": 8, "depth": 1},
        name="poseformerv2",
        script="run_poseformer.py",
        words=(
            *_VIDEOPOSE3D,
            "-g",
            "0",
            "-frame",
            "9",
            "-frame-kept",
            "3",
            "-coeff-kept",
            "3",
            "--depth",
            "1",
            "-b",
            "2",
        )
        + ("--embed-dim-ratio", "8"),
        losses="common.loss:mpjpe",
    ),
    Step(
        "GLA-GCN",
        "glagcn",
        {"strides": [3, 3], "width": 8},
        name="glagcn",
        script="run_s-agcn.py",
        words=(*_VIDEOPOSE3D, "-arc", "3,3", "-ch", "8", "-b", "4"),
        losses="common.loss:mpjpe",
    ),
    Step(
        "MotionBERT",
        "motionbert",
        {"frames": 9, "longest": 9, "width": 16, "depth": 2, "mlp_ratio": 2.0, "representation": 16},
        config=("configs/pose3d/MB_train_h36m.yaml", _MOTIONBERT),
        name="motionbert",
        script="train.py",
        words=_MOTIONBERT_WORDS,
        losses="lib.model.loss:loss_mpjpe",
    ),
    Step(
        "MotionBERT",
        "motionbert",
        {"frames": 9, "longest": 9, "width": 16, "depth": 2, "mlp_ratio": 2.0, "representation": 16},
        config=("configs/pose3d/MB_train_h36m.yaml", {**_MOTIONBERT, **_EVERY_TERM}),
        name="motionbert-terms",
        script="train.py",
        words=_MOTIONBERT_WORDS,
        losses="lib.model.loss:loss_mpjpe",
    ),
    Step(
        "MotionAGFormer",
        "motionagformer",
        {"frames": 9, "width": 16, "depth": 2, "representation": 16},
        key="model",
        config=(
            "configs/h36m/MotionAGFormer-large.yaml",
            {"n_layers": 2, "dim_feat": 16, "dim_rep": 16, "n_frames": 9, **_CLIPS},
        ),
        name="motionagformer",
        script="train.py",
        words=("--config", "{config}", "--checkpoint", ".", "--checkpoint-file", "net.bin", "--num-cpus", "2"),
        losses="loss.pose3d:loss_mpjpe",
    ),
    Step(
        "TCPFormer",
        "tcpformer",
        {"frames": 9, "width": 16, "depth": 2, "representation": 16},
        key="model",
        beside={"optimizer": {}, "min_mpjpe": 0.0},  # its script resumes, whatever it is told
        config=(
            "configs/h36m/TCPFormer_h36m_243.yaml",
            {"n_layers": 2, "dim_feat": 16, "dim_rep": 16, "n_frames": 9, **_CLIPS},
        ),
        name="tcpformer",
        script="train.py",
        words=("--config", "{config}", "--checkpoint", ".", "--checkpoint-file", "net.bin", "--num-cpus", "4"),
        losses="loss.pose3d:loss_mpjpe",
    ),
)


# ---------------------------------------------------------------------- the child: up to the first gradient
def child(checkout: Path, step: Step, out: Path, words: Sequence[str]) -> None:
    """Run a training script and write what its first step computes."""
    import torch
    from authors_code import prepare, run_script
    from torch import nn

    path = prepare(checkout, step.script, words)
    nn.Dropout.forward = lambda self, x: x * 1  # type: ignore[method-assign, assignment]
    relu = nn.ReLU.forward
    nn.ReLU.forward = lambda self, x: relu(self, x).clone()  # type: ignore[method-assign] # KTPFormer adds in place
    if importlib.util.find_spec("timm"):
        importlib.import_module("timm.layers.drop").DropPath.forward = lambda self, x: x
    seen: dict[str, Any] = {"more": {}}

    def first(module: nn.Module, given: tuple[Any, ...]) -> None:
        if not module.training or "network" in seen or step.part not in ("", type(module).__name__):
            return
        if step.fills:
            shapes = {name: value.shape for name, value in module.state_dict().items()}
            state = filled({name.removeprefix("module."): shape for name, shape in shapes.items()}, SEED)
            module.load_state_dict({name: state[name.removeprefix("module.")] for name in shapes})
        seen["network"], seen["input"] = module, given[0].detach().clone()
        for name, value in zip(step.more, given[1:], strict=False):
            several = {f"{name}{i}": part for i, part in enumerate(value)} if isinstance(value, list) else {name: value}
            seen["more"] |= {key: np.array(part) for key, part in several.items()}

    nn.modules.module.register_module_forward_pre_hook(first)
    place, name = step.losses.split(":")
    owner: Any = importlib.import_module(place)
    *outer, name = name.split(".")  # of a class, if it is a method
    for part in outer:
        owner = getattr(owner, part)
    loss_of = getattr(owner, name)

    def watched(*given: Any) -> Any:
        if "network" in seen:
            seen.setdefault("target", given[1 + len(outer)].detach().clone())
        return loss_of(*given)

    setattr(owner, name, watched)
    backward = torch.Tensor.backward

    def stop(self: Any, gradient: Any = None, **options: Any) -> None:
        backward(self, gradient, **options)
        _write(out, seen, float(self.detach()))
        raise SystemExit(0)

    torch.Tensor.backward = stop  # type: ignore[assignment, method-assign]
    run_script(path, {"__name__": "__main__"})
    raise SystemExit("the script ended without a gradient")


def _write(out: Path, seen: Mapping[str, Any], loss: float) -> None:
    from fixtures.peer_step import products

    given = seen["input"]
    if given.ndim == 5:  # P-STMO: (B, 2, T, J, 1)
        given = given[..., 0].permute(0, 2, 3, 1)
    if given.ndim == 3:  # CA-PF: (B, J, 2)
        given = given[:, None]
    rows = {
        name.removeprefix("module."): products(name.removeprefix("module."), p.grad)
        for name, p in seen["network"].named_parameters()
        if p.grad is not None
    }
    np.savez_compressed(
        out,
        input=given.numpy(),
        target=seen["target"].numpy(),
        **seen["more"],
        loss=np.float64(loss),
        keys=json.dumps(list(rows)),
        products=np.stack(list(rows.values())),
    )


# ---------------------------------------------------------------------- the parent
def _clips(folder: Path) -> None:
    """Two clips a split as MotionBERT's tool cuts them, of nine frames."""
    rng = np.random.default_rng(5)
    for split in ("train", "test"):
        place = folder / "motion3d" / "TINY" / split
        place.mkdir(parents=True)
        for n in range(2):
            label = rng.normal(0, 0.2, (1, 17, 3)) + rng.normal(0, 0.02, (9, 17, 3)).cumsum(0)
            given = np.concatenate(
                [label[..., :2] + rng.normal(0, 0.01, (9, 17, 2)), rng.uniform(0, 1, (9, 17, 1))], -1
            )
            clip = {"data_input": given.astype(np.float32), "data_label": label.astype(np.float32)}
            (place / f"{n:08d}.pkl").write_bytes(pickle.dumps(clip))


def make(step: Step, checkout: Path, data: Path, out: Path) -> None:
    """Write the file of one step."""
    from prml.provenance import versions

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "log").mkdir()
        known = step.prepare(checkout, work, data)
        words = [word.format(**known) for word in step.words]
        here = work / "step.npz"
        command = [sys.executable, str(Path(__file__)), "--child", str(checkout), step.name, str(here)]
        done = subprocess.run([*command, *words], cwd=work, capture_output=True, text=True, check=False)
        if not here.is_file():
            raise SystemExit(f"{step.name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        with np.load(here) as found:
            arrays = dict(found)
    facts = {"network": step.network, "arguments": dict(step.arguments), "seed": SEED, "script": step.script}
    facts |= {"repository": step.repository, "commit": commit_of(checkout), "torch": versions()["torch"]}
    np.savez_compressed(out / f"{step.name}.npz", facts=json.dumps(facts), **arrays)


def main() -> int:
    """Make the files of all steps whose checkouts are there."""
    if sys.argv[1:2] == ["--child"]:
        checkout, name, out, *words = sys.argv[2:]
        child(Path(checkout), next(s for s in STEPS if s.name == name), Path(out), words)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkouts", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*")
    o = parser.parse_args()
    o.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "files"
        make_files(data, o.checkouts.absolute())
        _clips(data)
        for step in STEPS:
            checkout = o.checkouts.absolute() / step.repository
            if checkout.is_dir() and (not o.only or step.name in o.only):
                make(step, checkout, data, o.out)
                print(step.name, (o.out / f"{step.name}.npz").stat().st_size, "bytes", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
