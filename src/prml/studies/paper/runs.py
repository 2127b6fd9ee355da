"""Train and score the rows of a table of the paper, on its data or on motion capture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from prml.errors import PrmlError
from prml.evaluation.result import Result
from prml.options import build
from prml.studies.compare import config_hash, finished, score, train
from prml.studies.paper.catalogue import Row, Table, config_path
from prml.training.config import FitConfig, MocapData, OptimiserConfig, RunConfig, load_config

# On motion capture the networks are narrow: a fourth of the paper's width, the peers as wide as costs the same (see
# configs/mocap/compare.yaml), and windows of 9 frames, every tenth of 50 a second, see 1.6 s.
SMALL: dict[str, dict[str, Any]] = {
    "prml": {"width": 32, "heads": 4, "branch_blocks": 4},
    "mixste": {"width": 48, "heads": 4, "drop_path": 0.0},
    "motionbert": {"width": 42, "heads": 3, "representation": 42},
}
WIDTH, FRAMES = 4, 9  # the paper's width is divided by the first; the longest window of a table has the second
STEPS, QUICK_STEPS, QUICK_CLIPS = 1200, 60, 4
EVERY = 5  # motion capture: every fifth test clip is scored, as in the comparison of networks


@dataclass(frozen=True)
class Setting:
    """How the rows of a table are run.

    Attributes:
        data: folder with the paper's data set; None for motion capture.
        features: folder of caches of image features, each called as its backbone, for the rows that need them.
        quick: a look only: few steps, a few clips, one seed.
        seeds: one training per seed.
        steps: steps of each training on motion capture; None for the usual number.
        device: where networks are scored; training takes its own accelerator.
        runs: folder of the runs, shared by all tables.
    """

    data: Path | None = None
    quick: bool = False
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int | None = None
    device: str = "cpu"
    runs: Path = Path("runs/paper")
    features: Path | None = None

    @property
    def limit(self) -> int | None:
        """Clips that are scored; None for all."""
        return QUICK_CLIPS if self.quick and self.data is None else None

    @property
    def max_steps(self) -> int:
        """Steps of a training on motion capture."""
        return self.steps or (QUICK_STEPS if self.quick else STEPS)

    def protocol(self, table: Table) -> str:
        """Name of the rules that a table is scored under."""
        return table.mocap if self.data is None else table.protocol

    @property
    def description(self) -> str:
        """What the figures beside the paper's are, in a sentence."""
        if self.data is not None:
            return f"Trained by the paper's configurations on {self.data}." + (" QUICK: a few steps." * self.quick)
        text = f"On motion capture, not on the paper's data: networks a fourth as wide, {self.max_steps:,} steps of 12 "
        text += f"windows of {FRAMES} frames, {len(self.seeds)} seed{'s' * (len(self.seeds) > 1)}."
        return text + (f" QUICK: a look, scored over the first {self.limit} clips; not a result." * self.quick)


def row_config(row: Row, table: Table, setting: Setting, seed: int) -> FitConfig:
    """Return the training configuration of a row; raise PrmlError if no training makes it."""
    if row.missing:
        raise PrmlError(f"{table.name}, {row.key}: {row.missing}")
    paper = load_config(config_path(row))
    if reason := lacking(row, setting):
        raise PrmlError(f"{table.name}, {row.key}: {reason}")
    if setting.data is not None:
        made = replace(
            paper, data=replace(paper.data, directory=str(cache_of(row, setting) or setting.data)), seed=seed
        )
        return replace(made, run=replace(made.run, max_steps=QUICK_STEPS)) if setting.quick else made
    config = _on_mocap(paper, _window(row, table), setting)
    return replace(config, seed=seed)


def _window(row: Row, table: Table) -> int:
    """Frames of a row's window on motion capture: in proportion to the paper's."""
    longest = max((other.frames or 0 for other in table.trained), default=0)
    return FRAMES if not row.frames or not longest else max(1, round(FRAMES * row.frames / longest))


def _on_mocap(paper: FitConfig, frames: int, setting: Setting) -> FitConfig:
    name, own = paper.network.name, dict(paper.network.arguments)
    if name not in SMALL:
        raise PrmlError(f"{name} has no small size for motion capture; give the paper's data (data=...)")
    if "width" in own:
        own["width"] = max(8, own["width"] // WIDTH)
    network = replace(paper.network, arguments={**SMALL[name], **own, "frames": frames}, start="distinct")
    windows = {"frames": frames, "step": 10, "stride": 9, "batch": 12}
    steps = setting.max_steps
    ema = 0.995 if steps >= STEPS else 0.0  # an average over fewer would hold the first weights
    run = {"epochs": 100_000, "max_steps": steps, "validate_every": steps, "checkpoint_minutes": 1.0, "progress": False}
    return FitConfig(
        network,
        build(MocapData, {"sets": ["cmu", "ui_prmd"], "windows": windows}),
        paper.objective,
        OptimiserConfig(learning_rate=2e-3, schedule="cosine", warmup_steps=min(50, steps // 4), ema=ema),
        build(RunConfig, {**run, "threads": 1, "log_every": 20}),
    )


@dataclass(frozen=True)
class Ran:
    """A row with its scores.

    Attributes:
        row: of the table.
        results: one per seed.
        folders: the runs' folders, one per seed.
    """

    row: Row
    results: tuple[Result, ...]
    folders: tuple[Path, ...]


def folder_of(row: Row, config: FitConfig, setting: Setting) -> Path:
    """Return the folder of a run: the same for all tables that share the row's configuration."""
    kind = "quick" if setting.quick else "data" if setting.data is not None else "mocap"
    return setting.runs / f"{Path(row.config).stem}-{kind}-seed{config.seed}-{config_hash(config)}"


def run_table(table: Table, setting: Setting, say: Callable[[str], None] = lambda _: None) -> list[Ran]:
    """Train what has not been trained and score what has not been scored; the rows that can be run, in order.

    A finished run is kept and an interrupted one resumed: a call after a kill goes on. Seeds are the outer loop.

    Raises:
        PrmlError: data are missing, a folder cannot be written, or no row of the table can be run.
    """
    rows = runnable(table, setting)
    if not rows:
        lacks = "; ".join(sorted({row.missing or lacking(row, setting) for row in table.rows}))
        raise PrmlError(f"no row of {table.name} can be run: {lacks}")
    made: dict[str, list[tuple[Result, Path]]] = {row.key: [] for row in rows}
    for number, (seed, row) in enumerate(((s, r) for s in setting.seeds for r in rows), 1):
        head = f"{table.name}, run {number} of {len(rows) * len(setting.seeds)}, {row.key}, seed {seed}"
        made[row.key].append(run_row(row, table, setting, seed, lambda text, head=head: say(f"{head}: {text}")))  # type: ignore[misc]
    return [Ran(row, tuple(r for r, _ in made[row.key]), tuple(f for _, f in made[row.key])) for row in rows]


def runnable(table: Table, setting: Setting) -> Sequence[Row]:
    """Return the rows that can be run under a setting."""
    return [row for row in table.trained if not lacking(row, setting)]


def cache_of(row: Row, setting: Setting) -> Path | None:
    """Return the folder of the image features that a row trains on; None if it needs none."""
    return setting.features / row.features if row.features and setting.features is not None else None


def lacking(row: Row, setting: Setting) -> str:
    """Return what a row that a training makes lacks under a setting; empty if it can be run."""
    if setting.data is None:
        if row.features:
            return "image features, and motion capture has no images; give the paper's data (data=...)"
        return "" if row.network in SMALL else f"{row.network} has no small size for motion capture"
    if row.features and setting.features is None:
        return f"a cache of {row.features}: 'prml data features', then features=FOLDER, where {row.features} is"
    return ""


def run_row(row: Row, table: Table, setting: Setting, seed: int, say: Callable[[str], None]) -> tuple[Result, Path]:
    """Train a row if it has not been, and score it; return score and folder. Raises as :func:`run_table`."""
    config = row_config(row, table, setting, seed)
    folder, started = folder_of(row, config, setting), perf_counter()
    done = {"kept": "already trained", "resumed": "resumed and trained", "trained": "trained"}[train(config, folder)]
    mocap = setting.data is None
    result = score(
        folder,
        setting.protocol(table),
        overlap=1 if mocap else None,
        every=EVERY if mocap and not setting.quick else 1,
        limit=setting.limit,
        device=setting.device,
        data=setting.data,
        features=cache_of(row, setting),
        metrics=table.metrics,
    )
    say(f"{done}, MPJPE {result.scores['mpjpe']:.1f} mm ({perf_counter() - started:.0f} s)")
    return result, folder


def trained_seeds(row: Row, table: Table, setting: Setting) -> list[int] | None:
    """Return the seeds with which a row has been trained under a setting; None if it cannot be."""
    if row not in runnable(table, setting):
        return None
    configs = {seed: row_config(row, table, setting, seed) for seed in setting.seeds}
    return [seed for seed, c in configs.items() if finished(folder_of(row, c, setting), c.run.max_steps)]
