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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests")]

import numpy as np  # noqa: E402

SEED = 3  # of the weights


@dataclass(frozen=True)
class Step:
    """Whose step, of which sizes.

    Attributes:
        name: of the file, that of a configuration under configs/peers.
        repository, script, words: as in ``against_authors.Case``.
        network, arguments: ours.
        losses: "module:function" of the loss that sees the whole target first.
        file, key, prefix, config: as in ``against_authors.Case``.
        more: what the checkpoint holds beside the weights.
    """

    name: str
    repository: str
    script: str
    words: Sequence[str]
    network: str
    arguments: Mapping[str, Any]
    losses: str
    file: str = "net.bin"
    key: str = "model_pos"
    prefix: str = ""
    config: tuple[str, Mapping[str, Any]] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


_VIDEOPOSE3D = ("-k", "cpn_ft_h36m_dbb", "-c", ".", "-r", "net.bin", "-e", "2")
_MIXSTE = (*_VIDEOPOSE3D, "-f", "9", "-s", "9", "-b", "18", "-cs", "16", "-dep", "2", "--nolog", "--no-eval")
_TINY = {"frames": 9, "width": 16, "depth": 2}
_CLIPS = {"data_root": "data/motion3d/", "subset_list": ["TINY"], "batch_size": 2}
_MOTIONBERT = {"dim_feat": 16, "dim_rep": 16, "depth": 2, "maxlen": 9, "clip_len": 9, **_CLIPS}
_EVERY_TERM = {"lambda_lv": 3.0, "lambda_lg": 0.7, "lambda_a": 0.3, "lambda_av": 0.9}
_MOTIONBERT_WORDS = ("--config", "{config}", "--resume", "{file}", "--checkpoint", "log")
STEPS = (
    Step(
        "videopose3d",
        "VideoPose3D",
        "run.py",
        (*_VIDEOPOSE3D, "-arc", "3,3", "-ch", "16", "-b", "2"),
        "videopose3d-window",
        {"kernels": [3, 3], "width": 16},
        "common.loss:mpjpe",
    ),
    Step("mixste", "MixSTE", "run.py", _MIXSTE, "mixste", {**_TINY, "mlp_ratio": 2.0}, "common.loss:weighted_mpjpe"),
    Step(
        "ktpformer",
        "KTPFormer",
        "run_ktpformer.py",
        _MIXSTE,
        "ktpformer",
        {**_TINY, "mlp_ratio": 2.0},
        "common.loss:weighted_mpjpe",
    ),
    Step(
        "mhformer",
        "MHFormer",
        "main.py",
        ("--frames", "9", "--channel", "16", "--d_hid", "16", "--layers", "2", "--batch_size", "2")
        + ("--previous_dir", "."),
        "mhformer",
        {"frames": 9, "width": 16, "hidden": 16, "depth": 2},
        "common.utils:mpjpe_cal",
        file="model_1.pth",
        key="",
    ),
    Step(
        "pstmo",
        "P-STMO",
        "run.py",
        ("-f", "9", "-tds", "2", "--layers", "1", "--channel", "16", "--d_hid", "16", "-b", "4", "--train", "1")
        + ("-c", "log", "--reload", "1", "--previous_dir", "{file}"),
        "pstmo",
        {"frames": 9, "width": 16, "hidden": 16, "depth": 1},
        "common.utils:mpjpe_cal",
        key="",
        prefix="module.",
    ),
    Step(
        "stcformer",
        "STCFormer",
        "run_stc.py",
        ("-f", "9", "--layers", "2", "--d_hid", "32", "-b", "2", "--train", "1", "--root_path", "dataset/")
        + ("-c", "log", "--reload", "1", "--previous_dir", "{file}"),
        "stcformer",
        {"frames": 9, "width": 32, "depth": 2},
        "common.utils:mpjpe_cal",
        key="",
    ),
    Step(
        "poseformerv2",
        "PoseFormerV2",
        "run_poseformer.py",
        (*_VIDEOPOSE3D, "-g", "0", "-frame", "9", "-frame-kept", "3", "-coeff-kept", "3", "--depth", "1", "-b", "2")
        + ("--embed-dim-ratio", "8"),
        "poseformerv2",
        {"frames": 9, "kept_frames": 3, "kept_coefficients": 3, "width": 8, "depth": 1},
        "common.loss:mpjpe",
    ),
    Step(
        "glagcn",
        "GLA-GCN",
        "run_s-agcn.py",
        (*_VIDEOPOSE3D, "-arc", "3,3", "-ch", "8", "-b", "4"),
        "glagcn",
        {"strides": [3, 3], "width": 8},
        "common.loss:mpjpe",
    ),
    Step(
        "motionbert",
        "MotionBERT",
        "train.py",
        _MOTIONBERT_WORDS,
        "motionbert",
        {"frames": 9, "longest": 9, "width": 16, "depth": 2, "mlp_ratio": 2.0, "representation": 16},
        "lib.model.loss:loss_mpjpe",
        config=("configs/pose3d/MB_train_h36m.yaml", _MOTIONBERT),
    ),
    Step(
        "motionbert-terms",
        "MotionBERT",
        "train.py",
        _MOTIONBERT_WORDS,
        "motionbert",
        {"frames": 9, "longest": 9, "width": 16, "depth": 2, "mlp_ratio": 2.0, "representation": 16},
        "lib.model.loss:loss_mpjpe",
        config=("configs/pose3d/MB_train_h36m.yaml", {**_MOTIONBERT, **_EVERY_TERM}),
    ),
    Step(
        "motionagformer",
        "MotionAGFormer",
        "train.py",
        ("--config", "{config}", "--checkpoint", ".", "--checkpoint-file", "net.bin", "--num-cpus", "2"),
        "motionagformer",
        {"frames": 9, "width": 16, "depth": 2, "representation": 16},
        "loss.pose3d:loss_mpjpe",
        key="model",
        config=(
            "configs/h36m/MotionAGFormer-large.yaml",
            {"n_layers": 2, "dim_feat": 16, "dim_rep": 16, "n_frames": 9, **_CLIPS},
        ),
    ),
    Step(
        "tcpformer",
        "TCPFormer",
        "train.py",
        ("--config", "{config}", "--checkpoint", ".", "--checkpoint-file", "net.bin", "--num-cpus", "4"),
        "tcpformer",
        {"frames": 9, "width": 16, "depth": 2, "representation": 16},
        "loss.pose3d:loss_mpjpe",
        key="model",
        config=(
            "configs/h36m/TCPFormer_h36m_243.yaml",
            {"n_layers": 2, "dim_feat": 16, "dim_rep": 16, "n_frames": 9, **_CLIPS},
        ),
        more={"optimizer": {}, "min_mpjpe": 0.0},  # its script resumes, whatever it is told
    ),
)


# ---------------------------------------------------------------------- the child: up to the first gradient
def child(checkout: Path, script: str, losses: str, out: Path, words: Sequence[str]) -> None:
    """Run a training script and write what its first step computes."""
    import torch
    from authors_code import lend, stand_in
    from torch import nn

    stand_in()
    path = checkout / script
    sys.path[:0] = [str(path.parent), str(checkout)]
    lend(checkout)
    sys.argv = [str(path), *words]
    nn.Dropout.forward = lambda self, x: x * 1  # type: ignore[method-assign, assignment]
    relu = nn.ReLU.forward
    nn.ReLU.forward = lambda self, x: relu(self, x).clone()  # type: ignore[method-assign] # KTPFormer adds in place
    if importlib.util.find_spec("timm"):
        importlib.import_module("timm.layers.drop").DropPath.forward = lambda self, x: x
    seen: dict[str, Any] = {}

    def first(module: nn.Module, given: tuple[Any, ...]) -> None:
        if module.training and "network" not in seen:
            seen["network"], seen["input"] = module, given[0].detach().clone()

    nn.modules.module.register_module_forward_pre_hook(first)
    place, name = losses.split(":")
    module = importlib.import_module(place)
    loss_of = getattr(module, name)

    def watched(predicted: Any, target: Any, *rest: Any) -> Any:
        if "network" in seen:
            seen.setdefault("target", target.detach().clone())
        return loss_of(predicted, target, *rest)

    setattr(module, name, watched)
    backward = torch.Tensor.backward

    def stop(self: Any, gradient: Any = None, **options: Any) -> None:
        backward(self, gradient, **options)
        _write(out, seen, float(self.detach()))
        raise SystemExit(0)

    torch.Tensor.backward = stop  # type: ignore[assignment, method-assign]
    names = {"__name__": "__main__", "__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    raise SystemExit("the script ended without a gradient")


def _write(out: Path, seen: Mapping[str, Any], loss: float) -> None:
    from fixtures.peer_step import products

    given = seen["input"]
    if given.ndim == 5:  # P-STMO: (B, 2, T, J, 1)
        given = given[..., 0].permute(0, 2, 3, 1)
    rows = {
        name.removeprefix("module."): products(name.removeprefix("module."), p.grad)
        for name, p in seen["network"].named_parameters()
        if p.grad is not None
    }
    np.savez_compressed(
        out,
        input=given.numpy(),
        target=seen["target"].numpy(),
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
    import torch
    import yaml

    from fixtures.peer_step import weights
    from prml.provenance import versions

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name in ("data", "dataset"):
            (work / name).symlink_to(data)
        (work / "log").mkdir()
        state = {step.prefix + k: v for k, v in weights(step.network, step.arguments, SEED).items()}
        torch.save({step.key: state, "epoch": 0, "lr": 1e-3, **step.more} if step.key else state, work / step.file)
        known = {"file": str(work / step.file)}
        if step.config:
            source, changes = step.config
            values = yaml.safe_load((checkout / source).read_text(encoding="utf-8")) | dict(changes)
            known["config"] = str(work / "config.yaml")
            Path(known["config"]).write_text(yaml.safe_dump(values), encoding="utf-8")
        words = [word.format(**known) for word in step.words]
        here = work / "step.npz"
        command = [sys.executable, str(Path(__file__)), "--child", str(checkout), step.script, step.losses, str(here)]
        done = subprocess.run([*command, *words], cwd=work, capture_output=True, text=True, check=False)
        if not here.is_file():
            raise SystemExit(f"{step.name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        with np.load(here) as found:
            arrays = dict(found)
    of = (checkout / "COMMIT").read_text().strip() if (checkout / "COMMIT").is_file() else ""
    facts = {"network": step.network, "arguments": dict(step.arguments), "seed": SEED, "script": step.script}
    facts |= {"repository": step.repository, "commit": of, "torch": versions()["torch"]}
    np.savez_compressed(out / f"{step.name}.npz", facts=json.dumps(facts), **arrays)


def main() -> int:
    """Make the files of all steps whose checkouts are there."""
    if sys.argv[1:2] == ["--child"]:
        checkout, script, losses, out, *words = sys.argv[2:]
        child(Path(checkout), script, losses, Path(out), words)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkouts", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*")
    o = parser.parse_args()
    from against_authors import make_files

    o.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "files"
        make_files(data, o.checkouts.absolute() / "VideoPose3D" / "common" / "h36m_dataset.py")
        _clips(data)
        for step in STEPS:
            checkout = o.checkouts.absolute() / step.repository
            if checkout.is_dir() and (not o.only or step.name in o.only):
                make(step, checkout, data, o.out)
                print(step.name, (o.out / f"{step.name}.npz").stat().st_size, "bytes", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
