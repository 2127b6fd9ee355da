# Two commands on a machine that has only Python 3.11+, make and the package registry:
#   make lift    make .venv, install, lift the example clip into out/jump
#   make test    make .venv, install with the development tools, run the default test-suite
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= out/jump
CLIP ?= examples/jump.mp4
PYTEST_ARGS ?=
BENCH_ARGS ?=
MUTANTS_ARGS ?=

# glibc gives large blocks back to the system and faults them in again at every step; torch on CPUs is up to half as fast then.
export MALLOC_MMAP_MAX_ := 0
export MALLOC_TRIM_THRESHOLD_ := 100000000000
export MALLOC_TOP_PAD_ := 268435456
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export PIP_NO_INPUT := 1

INSTALL := $(BIN)/python -m pip install -qq -c constraints.txt

.PHONY: help lift test test-slow test-shapes mutants mutants-sample lint format types docs bench ci clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1 \t\2/p' Makefile | expand -t 20

# One stamp per set of packages: a second run installs nothing unless pyproject.toml or constraints.txt changed.
$(VENV)/.core: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "needs Python 3.11, 3.12 or 3.13; none found. Install one, or say: make PYTHON=/path/to/python $(MAKECMDGOALS)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing prml into $(VENV) (some minutes the first time)"
	@$(INSTALL) -e .
	@touch $@

# Development and CI take the versions of the lock file, whose hashes pip compares. It is made for Python 3.11
# (requirements/make_lock.sh); LOCK= takes the newest versions instead, for another Python for instance.
LOCK ?= requirements/dev.lock

$(VENV)/.dev: $(VENV)/.core $(LOCK)
	@echo "installing the development tools into $(VENV)"
	@$(if $(LOCK),$(BIN)/python -m pip install -qq --require-hashes --no-deps -r $(LOCK),$(INSTALL) -e '.[dev,docs,mutation]')
	@touch $@

$(VENV)/.mutation $(VENV)/.docs: $(VENV)/.dev
	@touch $@

lift: $(VENV)/.core  ## lift the example clip (CLIP=..., OUT=...)
	@$(BIN)/prml lift $(CLIP) --out $(OUT) --overwrite
	@echo && echo "results in $(OUT): open $(OUT)/viewer.html in a browser, $(OUT)/overlay.mp4 in a player"

test: $(VENV)/.dev  ## the default test-suite, on all cores (PYTEST_ARGS=...)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto $(PYTEST_ARGS)

test-slow: $(VENV)/.dev  ## the tests that take minutes
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -n auto $(PYTEST_ARGS)

# The tests of the rooms where shapes are at stake; not all, because the check costs time at every call.
SHAPES := tests/test_camera.py tests/test_rotations.py tests/rig tests/io/test_glb.py tests/test_sequence.py tests/test_scene.py tests/test_skeleton.py tests/test_normalise.py tests/test_spans.py \
	tests/detect/test_people.py tests/filters tests/batches tests/datasets/test_mocap.py tests/networks/test_prml.py \
	tests/networks/test_layers.py tests/objectives tests/evaluation/test_metrics.py tests/io/test_poses.py tests/io/test_motion_formats.py tests/io/test_trc.py tests/view/test_overlay.py \
	tests/view/test_trust.py
BEARTYPE := beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))

test-shapes: $(VENV)/.dev  ## a part of the tests with every shape and type of an annotation checked as it is called
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto "--jaxtyping-packages=prml,$(BEARTYPE)" $(SHAPES) $(PYTEST_ARGS)

mutants: $(VENV)/.mutation  ## small faults in the rooms of numbers that the tests must notice: all, into results/mutation.json (an hour)
	@$(BIN)/python benchmarks/mutation.py $(MUTANTS_ARGS)

mutants-sample: $(VENV)/.mutation  ## a random sample of them; fails if the tests notice too few
	@$(BIN)/python benchmarks/mutation.py --sample 40 $(MUTANTS_ARGS)

lint: $(VENV)/.dev  ## ruff: rules and layout; codespell: spelling and the glossary
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/codespell -D - -D .ci/glossary.txt

format: $(VENV)/.dev  ## let ruff lay out the code and apply safe fixes
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format .

types: $(VENV)/.dev  ## mypy --strict on src
	@$(BIN)/mypy

docs: $(VENV)/.docs  ## build the documentation into docs/_build/html, warnings are errors
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "documentation in docs/_build/html/index.html"

bench: $(VENV)/.core  ## measure speed on this machine (BENCH_ARGS=--networks: all networks)
	@$(BIN)/prml bench $(BENCH_ARGS)

ci:  ## what the continuous integration runs
	@.ci/run

clean:  ## remove what the targets made
	rm -rf $(VENV) out docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
