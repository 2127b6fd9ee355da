#!/usr/bin/env bash
# Processes that torchrun starts again may be given the addresses of those that have died.
#
# Guess:   torchrun --max-restarts 1 starts all processes again if one dies, and they meet as the first ones did.
# Seen:    with gloo, "Connection refused" as soon as one process starts a few seconds after another: torchrun keeps one
#          key-value store for all attempts, the keys have no attempt in them, and who comes first reads the address that
#          a dead process has left. (The comment in torch's rendezvous.py says that every attempt has a store of its
#          own.) With TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 it has, and the second attempt works.
# Matters: a training that should survive the loss of a process does not, depending on which process is slower. prml
#          joins later attempts under a prefix of their own (training/launch.py).
#
# Needs a Python with torch (PYTHON=...; seen with 2.13.0). Not part of CI.
set -euo pipefail

python="${PYTHON:-python3}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

cat >"$work/two.py" <<'PYTHON'
"""Add 1 from both processes; in the first attempt one of them dies, in the second it is slow to start."""
import os
import signal
import time

import torch
from torch import distributed

attempt, rank = int(os.environ["TORCHELASTIC_RESTART_COUNT"]), int(os.environ["RANK"])
if attempt:
    time.sleep(4 * rank)
distributed.init_process_group("gloo")
total = torch.ones(1)
distributed.all_reduce(total)
print(f"attempt {attempt}, rank {rank}, torch {torch.__version__}: {total.item():.0f}", flush=True)
if attempt == 0 and rank == 1:
    os.kill(os.getpid(), signal.SIGKILL)
distributed.barrier()
PYTHON

run() {
    TORCH_DISABLE_SHARE_RDZV_TCP_STORE="$1" timeout 120 "$python" -m torch.distributed.run --standalone \
        --nproc-per-node 2 --max-restarts 1 "$work/two.py" >"$work/log" 2>&1 && code=0 || code=$?
    grep -E '^attempt|Connection refused' "$work/log" | cut -c1-160 || true
    return "$code"
}

echo "one store for all attempts:"
if run 0; then shared=works; else shared=fails; fi
echo "a store for each:"
if run 1; then own=works; else own=fails; fi
if [ "$shared $own" = "fails works" ]; then
    echo "as described: the second attempt reads addresses of the first"
else
    echo "changed: the second attempt $shared with a shared store and $own with its own"
    exit 1
fi
