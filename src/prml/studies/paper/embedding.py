"""t-SNE of features before the heads (the paper's Figures 6, 10, 11 and 13 to 16)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from prml.errors import PrmlError
from prml.report.scatter import Cloud, Panel, scatter_figure
from prml.studies.paper.catalogue import Figure
from prml.studies.paper.features import (
    Moment,
    consecutive_moments,
    features_of,
    random_moments,
    situations,
)
from prml.studies.paper.figure_setting import Drawn, FigureSetting, Numbers, hashes

if TYPE_CHECKING:
    from prml.lifting.lifter import Lifter

PERPLEXITY, ITERATIONS, QUICK_ITERATIONS = 30.0, 1000, 300
_HOW = {
    "random": "frames drawn at random",
    "consecutive": "consecutive frames",
    "situations": "frames of each action drawn at random",
}


@dataclass(frozen=True)
class Features:
    """One set of features.

    Attributes:
        kind: "2D", "depth" or "entangled".
        network: label of its network.
        values: (N, C), N being frames times joints.
        joints: names of the joints, one after the other in every frame; one empty name if a frame has one feature.
    """

    kind: str
    network: str
    values: Float[np.ndarray, "N C"]
    joints: tuple[str, ...]


def draw(figure: Figure, setting: FigureSetting) -> Drawn:
    """Draw the features of every network at the same moments.

    Raises:
        PrmlError: scikit-learn is not installed, or weights or data cannot be used.
    """
    _sklearn()
    lifters, rng = setting.lifters(figure), np.random.default_rng(setting.seed)
    own_spaces = bool(figure.options.get("own_spaces"))
    panels: list[Panel] = []
    points: list[Sequence[Any]] = []
    pairs: list[Sequence[Any]] = []
    for title, moments in _moments(figure, setting, rng).items():
        sets = _sets(lifters, moments)
        setting.say(f"{figure.name}: t-SNE of {sum(len(s.values) for s in sets):,} points{title and f', {title}'}")
        for group in ([s] for s in sets) if own_spaces else (sets,):
            planes = _planes(group, setting)
            measured = _silhouettes(group, planes) if len(group) > 1 else []
            panels.append(_panel(title, group, planes, measured))
            points += _points(title, group, planes, moments)
            pairs += [(title, *row) for row in measured]
        if own_spaces:
            pairs += [(title, *row) for row in _silhouettes(sets, None)]
        spread = {_name(s, lifters): effective_dimension(s.values) for s in sets}
    numbers = {
        "": Numbers(("panel", "features", "network", "sequence", "frame", "joint", "x", "y"), points),
        "-silhouette": Numbers(("panel", "one", "other", "in_feature_space", "in_plane"), pairs),
    }
    rules = setting.rules(figure)
    count = setting.count(figure)
    title = f"{figure.title}\n{setting.source(rules)}: {count} {_HOW[figure.options['choose']]}, seed {setting.seed}; "
    title += ", ".join(lifters)
    told = [_told(row) for row in pairs] + [f"effective dimension of {name}: {d:.1f}" for name, d in spread.items()]
    return Drawn(scatter_figure(panels, title), numbers, tuple(told), hashes(lifters))


def _moments(figure: Figure, setting: FigureSetting, rng: np.random.Generator) -> dict[str, list[Moment]]:
    """Return the moments of every panel."""
    count, choose = setting.count(figure), figure.options["choose"]
    sequences = setting.sequences(figure)
    if choose == "situations":
        number = int(figure.options["situations"])
        return situations(sequences, count, min(2, number) if setting.quick else number, rng)
    pick: Callable[..., list[Moment]] = {"random": random_moments, "consecutive": consecutive_moments}[choose]
    return {"": pick(sequences, count, rng)}


def _sets(lifters: "Mapping[str, Lifter]", moments: Sequence[Moment]) -> list[Features]:
    found = []
    for label, lifter in lifters.items():
        for kind, values in features_of(lifter, moments).items():
            names = lifter.skeleton.joints[: values.shape[1]] if values.shape[1] > 1 else ("",)
            found.append(Features(kind, label, values.reshape(-1, values.shape[-1]).astype(np.float64), names))
    return found


def _name(features: Features, lifters: Mapping[str, Any]) -> str:
    return f"{features.kind} features" + (f" of {features.network}" if len(lifters) > 1 else "")


# ---------------------------------------------------------------------- numbers
def _sklearn() -> Any:
    try:
        import sklearn.manifold
        import sklearn.metrics
    except ImportError as error:
        raise PrmlError("t-SNE needs scikit-learn: pip install 'prml-pose[paper]'") from error
    return sklearn


def joint_space(sets: Sequence[Features]) -> Float[np.ndarray, "M C"]:
    """Put sets of features into one space.

    Sets of one network have a space in common and keep it. Those of other networks have no axis in common with them,
    and often another width: narrower ones are padded with zeros, which keeps all distances within a network, and each
    network's features are divided by their root mean square. Distances between sets of different networks mean little
    then, whatever way is chosen; the paper does not say how it put 128 and 512 channels into one picture.
    """
    width = max(s.values.shape[1] for s in sets)
    scale = {
        network: float(np.sqrt(np.mean(np.concatenate([s.values.ravel() for s in sets if s.network == network]) ** 2)))
        for network in {s.network for s in sets}
    }
    return np.concatenate(
        [np.pad(s.values / (scale[s.network] or 1.0), ((0, 0), (0, width - s.values.shape[1]))) for s in sets]
    )


def tsne(values: Float[np.ndarray, "M C"], seed: int, iterations: int = ITERATIONS) -> Float[np.ndarray, "M 2"]:
    """Embed points in a plane by Barnes-Hut t-SNE from their principal components (Van der Maaten, 2014)."""
    perplexity = min(PERPLEXITY, (len(values) - 1) / 3)
    method = _sklearn().manifold.TSNE(
        perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed, max_iter=iterations
    )
    plane: Float[np.ndarray, "M 2"] = method.fit_transform(values.astype(np.float32))
    return plane


def silhouette(values: Float[np.ndarray, "M C"], labels: Int[np.ndarray, " M"]) -> float:
    """Return the mean silhouette (Rousseeuw, 1987): near 1 for sets far apart, near 0 for sets that overlap."""
    return float(_sklearn().metrics.silhouette_score(values, labels))


def effective_dimension(values: Float[np.ndarray, "N C"]) -> float:
    """Return the participation ratio of the covariance's eigenvalues: 1 for points on a line, C for a round cloud."""
    covariance = np.atleast_2d(np.cov(values, rowvar=False))
    squared = float((covariance**2).sum())
    return float(np.trace(covariance)) ** 2 / squared if squared else 0.0


def _planes(group: Sequence[Features], setting: FigureSetting) -> list[Float[np.ndarray, "N 2"]]:
    iterations = QUICK_ITERATIONS if setting.quick else ITERATIONS
    plane = tsne(joint_space(group), setting.seed, iterations)
    return np.split(plane, np.cumsum([len(s.values) for s in group])[:-1])


def _silhouettes(sets: Sequence[Features], planes: Sequence[np.ndarray] | None) -> list[tuple[Any, ...]]:
    """Return names and silhouettes of every pair: in the feature space (None across networks) and in the plane."""
    networks = dict.fromkeys(s.network for s in sets)
    rows = []
    for i, j in combinations(range(len(sets)), 2):
        one, other = sets[i], sets[j]
        labels = np.repeat([0, 1], [len(one.values), len(other.values)])
        shared = one.network == other.network
        space = silhouette(joint_space([one, other]), labels) if shared else None
        plane = None if planes is None else silhouette(np.concatenate([planes[i], planes[j]]), labels)
        if space is not None or plane is not None:
            rows.append((_name(one, networks), _name(other, networks), space, plane))
    return rows


def _told(row: Sequence[Any]) -> str:
    panel, one, other, space, plane = row
    parts = [f"{v:.3f} {where}" for v, where in ((space, "in their space"), (plane, "in the plane")) if v is not None]
    return f"{panel and f'{panel}: '}silhouette of {one} and {other}: {', '.join(parts)}"


# ---------------------------------------------------------------------- what is drawn
def _panel(
    title: str, group: Sequence[Features], planes: Sequence[np.ndarray], measured: Sequence[tuple[Any, ...]]
) -> Panel:
    networks = dict.fromkeys(s.network for s in group)
    clouds = [Cloud(_name(s, networks), s.kind, plane) for s, plane in zip(group, planes, strict=True)]
    own = f"{group[0].kind} features of {group[0].network}" if len(group) == 1 else ""
    first = next((row for row in measured if row[2] is not None), None)
    below = f"{len(group[0].values):,} points" + (
        f", effective dimension {effective_dimension(group[0].values):.1f}" if own else " a set"
    )
    if first is not None:
        below += f"; silhouette of 2D and depth: {first[2]:.2f} in their space, {first[3]:.2f} here"
    return Panel(" ".join(filter(None, (title, own))), clouds, below)


def _points(
    title: str, group: Sequence[Features], planes: Sequence[np.ndarray], moments: Sequence[Moment]
) -> list[Sequence[Any]]:
    return [
        (title, s.kind, s.network, moment.sequence.name, moment.frame, joint, float(x), float(y))
        for s, plane in zip(group, planes, strict=True)
        for (moment, joint), (x, y) in zip(((m, j) for m in moments for j in s.joints), plane, strict=True)
    ]
