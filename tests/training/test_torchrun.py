"""``prml fit`` under torchrun: two processes that talk through gloo, of which one is killed and started again."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this build of torch has no gloo"),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the test finds the processes in /proc"),
]
STEPS = 16
TINY = {
    "network": {"name": "prml-xs", "arguments": {"frames": 9, "width": 16, "heads": 2, "branch_blocks": 1}},
    "data": {"sets": ["ui_prmd"], "windows": {"frames": 9, "batch": 4}, "workers": 0, "validation_windows": 8},
    "optimiser": {"learning_rate": 1.0e-3, "schedule": "cosine", "warmup_steps": 5, "ema": 0.9},
    "run": {
        "max_steps": STEPS,
        "validate_every": 8,
        "progress": False,
        "threads": 1,
        "accelerator": "cpu",
        "devices": 2,
    },
}


def start(config: Path, out: Path, *more: str) -> subprocess.Popen:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    fit = ["-m", "prml", "fit", str(config), "--out", str(out), *more]
    return subprocess.Popen(
        [*launcher, "--max-restarts", "1", *fit],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        },  # docs/training.md says why
    )


def process_of(rank: int, out: Path) -> int | None:
    """The process of a rank of the run in a folder."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words, names = ((folder / name).read_bytes().split(b"\0") for name in ("cmdline", "environ"))
        except OSError:
            continue
        if str(out).encode() in words and f"RANK={rank}".encode() in names:
            return int(folder.name)
    return None


def test_a_killed_process_is_started_again_and_the_run_ends_where_an_undisturbed_one_ends(tmp_path):
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(TINY))
    undisturbed = start(config, tmp_path / "a")
    told, _ = undisturbed.communicate(timeout=300)
    assert undisturbed.returncode == 0, told[-3000:]
    assert len(re.findall("^weights: ", told, re.MULTILINE)) == 1
    out = tmp_path / "b"
    killed = start(config, out, "--run.checkpoint_minutes", "0.0")
    last, deadline = out / "last.ckpt", time.monotonic() + 200
    while not last.is_file() and time.monotonic() < deadline and killed.poll() is None:
        time.sleep(0.01)
    os.kill(process_of(1, out), signal.SIGKILL)
    step = torch.load(last, weights_only=True)["global_step"]
    assert 0 < step < STEPS
    told, _ = killed.communicate(timeout=300)
    assert killed.returncode == 0, told[-3000:]
    assert process_of(0, out) is None
    first, second = (load_file(folder / "last.safetensors") for folder in (tmp_path / "a", out))
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=1e-5, atol=1e-6, msg=name)
