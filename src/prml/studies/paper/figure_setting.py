"""What a figure of the paper is drawn from, and what comes of it."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prml.errors import PrmlError
from prml.studies.paper.catalogue import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

    from prml.evaluation.protocols.base import EvaluationProtocol
    from prml.lifting.lifter import Lifter
    from prml.sequence import PoseSequence

ROW = re.compile(r"(table\d+): *(.+)")  # weights that are a row of a table
MOCAP, PAPER = "mocap-noisy", "h36m-sh-2.5d"  # rules unless the figure or the caller names others
QUICK_CLIPS, QUICK_FRAMES = 4, 27


@dataclass(frozen=True)
class FigureSetting:
    """How a figure is drawn.

    Attributes:
        weights: bundled names, records, runs, or rows of tables ("table7: MotionBERT"); empty for the figure's own.
        networks: registry names, for diagrams; empty for the figure's own.
        videos: videos or keypoint files, for strips and projections; empty for motion capture or the example clip.
        protocol: rules that say which sequences are read; "" for the figure's own.
        data: folder with the data of the protocol; None for motion capture.
        frames: how many frames are drawn; None for the figure's own number.
        every: one sequence of so many is scored; None for the figure's own number.
        seed: of everything that is drawn at random.
        quick: a look: few frames, a few clips, short trainings.
        steps: steps of a training on motion capture; None for the usual number.
        runs: folder of the runs.
        device: of the networks.
        say: called with one line at every stage.
    """

    weights: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    videos: tuple[Path, ...] = ()
    protocol: str = ""
    data: Path | None = None
    frames: int | None = None
    every: int | None = None
    seed: int = 0
    quick: bool = False
    steps: int | None = None
    runs: Path = Path("runs/paper")
    device: str = "cpu"
    say: Callable[[str], None] = lambda _: None

    def rules(self, figure: Figure) -> "EvaluationProtocol":
        """Return the protocol whose sequences are drawn."""
        from prml.evaluation import protocols

        own = figure.options.get("mocap", MOCAP) if self.data is None else figure.options.get("protocol", PAPER)
        return protocols.get(self.protocol or own)

    def count(self, figure: Figure) -> int:
        """Return how many frames are drawn."""
        own = int(figure.options["frames"])
        return self.frames or (min(own, QUICK_FRAMES) if self.quick else own)

    def share(self, figure: Figure) -> int:
        """Return n, if one sequence of n is scored."""
        return self.every or (1 if self.quick else int(figure.options.get("every", 1)))

    @property
    def limit(self) -> int | None:
        """Clips that are read; None for all."""
        return QUICK_CLIPS if self.quick else None

    def source(self, rules: "EvaluationProtocol") -> str:
        """Return what the figure is drawn from, as text."""
        return f"{rules.name}{' on motion capture' if self.data is None else ''}" + ", QUICK" * self.quick

    def sequences(self, figure: Figure) -> "Iterator[PoseSequence]":
        """Yield the sequences with the 2D that networks may see; raise PrmlError as their readers do."""
        from prml.evaluation.run import hide_truth

        rules = self.rules(figure)
        for number, sequence in enumerate(rules.sequences(self.data, self.limit)):
            if number % self.share(figure) == 0:
                yield hide_truth(rules.keypoints.apply(sequence))

    def lifters(self, figure: Figure) -> "dict[str, Lifter]":
        """Open the weights by label; rows of tables are trained if they have not been.

        Raises:
            PrmlError: weights that are not there, or a row that no training makes.
        """
        from prml.evaluation.result import describe_weights, weights_label
        from prml.lifting.lifter import load

        opened: dict[str, Lifter] = {}
        for name in self.weights or tuple(figure.options["weights"]):
            row = ROW.fullmatch(name)
            lifter = load(name, device=self.device) if row is None else self._of_row(*row.groups())
            label = weights_label(describe_weights(lifter))
            if row is not None:
                label = f"{row[2]} ({lifter.card.training.get('steps', 0):,} steps)"
            opened[label if label not in opened else name] = lifter
        return opened

    def _of_row(self, table_name: str, label: str) -> "Lifter":
        from prml.lifting.lifter import load
        from prml.studies.compare import train
        from prml.studies.paper.catalogue import table
        from prml.studies.paper.runs import Setting, folder_of, row_config

        one = table(table_name)
        rows = {row.key: row for row in one.rows}
        if label not in rows:
            raise PrmlError(f"{table_name} has no row {label!r}; it has {', '.join(rows)}")
        setting = Setting(None, self.quick, (self.seed,), self.steps, self.device, self.runs)
        config = row_config(rows[label], one, setting, self.seed)
        folder = folder_of(rows[label], config, setting)
        self.say(f"{table_name}, {label}: {config.run.max_steps} steps on motion capture, unless trained already")
        train(config, folder)
        return load(folder / "last.safetensors", device=self.device)


def hashes(lifters: "Mapping[str, Lifter]") -> dict[str, str]:
    """Return the hash of every network's weights."""
    return {label: lifter.card.sha256 for label, lifter in lifters.items()}


@dataclass(frozen=True)
class Numbers:
    """Rows of numbers.

    Attributes:
        columns: their names.
        rows: one value per column each.
    """

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]

    def to_csv(self) -> str:
        """Return the rows as text, numbers with six digits."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([f"{v:.6g}" if isinstance(v, float) else v for v in row] for row in self.rows)
        return out.getvalue()


@dataclass(frozen=True)
class Drawn:
    """A figure with the numbers behind it.

    Attributes:
        drawing: of matplotlib.
        numbers: end of a file's name -> rows; "" for those that are drawn.
        told: lines to print.
        weights: label -> hash of the weights that were drawn.
    """

    drawing: "Drawing"
    numbers: dict[str, Numbers] = field(default_factory=dict)
    told: tuple[str, ...] = ()
    weights: dict[str, str] = field(default_factory=dict)
