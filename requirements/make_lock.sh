#!/usr/bin/env bash
# Write requirements/dev.lock: versions and hashes of what CI and development install, for Python 3.11.
#
# torch and what only its CUDA build needs are left out: which build of torch fits depends on the machine. Its version is
# in constraints.txt. Needs uv (pip install uv).
set -euo pipefail
cd "$(dirname "$0")/.."
uv pip compile pyproject.toml --extra dev --extra docs --extra mutation --constraint constraints.txt --python-version 3.11 \
  --generate-hashes --no-header --no-annotate --quiet |
  awk '/^[A-Za-z0-9]/ { keep = $0 !~ /^(torch|triton|nvidia-|cuda-)[a-z0-9-]*==/ || $0 ~ /^torchmetrics==/ } keep' >requirements/dev.lock
