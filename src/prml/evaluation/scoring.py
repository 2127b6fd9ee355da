"""Accumulate scores sequence by sequence, in constant memory; shards can be merged."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prml.errors import PrmlError
from prml.evaluation import extremities as ends
from prml.evaluation import metrics as m
from prml.evaluation.protocols.base import EvaluationProtocol
from prml.evaluation.protocols.rules import AccelerationRule, VelocityRule
from prml.plugins import plugin, plugin_names
from prml.sequence import PoseSequence
from prml.skeleton import BODY28, H36M17

# The official MPI-INF-3DHP script excludes pelvis, spine and head: 14 of the 17 remain.
JOINTS_3DHP = tuple(j for j in range(17) if H36M17.joints[j] not in ("Hip", "Spine", "Nose"))


@dataclass(frozen=True)
class Scored:
    """The arrays compared in one cut of a sequence.

    Attributes:
        prediction, target: (T, J, 3) root-relative metres, after all rules.
        prediction_px, target_px: (T, J, 2) their projections; None if the data do not provide them.
        joints: joints that enter joint-wise means.
    """

    prediction: Tensor
    target: Tensor
    prediction_px: Tensor | None = None
    target_px: Tensor | None = None
    joints: tuple[int, ...] = tuple(range(17))

    def frames(self, rows: np.ndarray) -> "Scored":
        """Return a subset of the frames."""
        arrays = ("prediction", "target", "prediction_px", "target_px")
        return replace(self, **{n: v[rows] for n in arrays if (v := getattr(self, n)) is not None})

    def chosen(self) -> tuple[Tensor, Tensor]:
        """Return prediction and target of the scored joints."""
        if len(self.joints) == self.target.shape[-2]:
            return self.prediction, self.target
        rows = list(self.joints)
        return self.prediction[:, rows], self.target[:, rows]


def joined(parts: Sequence[Scored]) -> Scored:
    """The cuts of one video one after the other, without their projections."""
    return Scored(
        torch.cat([p.prediction for p in parts]), torch.cat([p.target for p in parts]), joints=parts[0].joints
    )


@dataclass(frozen=True)
class Metric:
    """One number per frame (or per step), and how to print its mean.

    Attributes:
        label, unit: for tables.
        values: computes (frames,) values; None if the data do not provide them.
        higher_is_better: True for PCK, for example.
        what: the definition as text.
    """

    label: str
    unit: str
    values: Callable[[Scored], Tensor | None]
    what: str
    higher_is_better: bool = False


def _axis(number: int) -> Callable[[Scored], Tensor]:
    return lambda s: m.axis_errors(*s.chosen())[..., number]


def _image(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Scored], Tensor | None]:
    def values(s: Scored) -> Tensor | None:
        if s.prediction_px is None or s.target_px is None:
            return None
        return function(s.prediction_px, s.target_px)

    return values


def _errors_3dhp(s: Scored) -> Tensor:
    return m.joint_errors(s.prediction, s.target)[..., list(JOINTS_3DHP)]


_LIMBS = {"knee": ("Hip", "Knee", "Ankle"), "elbow": ("Shoulder", "Elbow", "Wrist")}
STRAIGHT_DEG, DEEP_DEG = (0.0, 10.0), (90.0, 150.0)  # true bends that a bias is reported for


def _bends(joint: str) -> dict[str, Metric]:
    """Return metrics of a joint angle: its error, and its bias for straight and deeply bent limbs."""
    limb, label = _LIMBS[joint], joint.capitalize()

    def bias(between: tuple[float, float]) -> Callable[[Scored], Tensor]:
        return lambda s: m.bend_bias(s.prediction, s.target, limb, between)

    return {
        joint: Metric(
            label,
            "deg",
            lambda s: m.bend_error(s.prediction, s.target, limb),
            f"mean error of the {joint}'s angle",
        ),
        f"{joint}_straight": Metric(
            f"{label} 0-10", "deg", bias(STRAIGHT_DEG), f"predicted minus true bend of {joint}s bent by 0 to 10 degrees"
        ),
        f"{joint}_deep": Metric(
            f"{label} 90+", "deg", bias(DEEP_DEG), f"predicted minus true bend of {joint}s bent by 90 to 150 degrees"
        ),
    }


_DIGITS = 6  # of a sequence's errors: a nanometre


def _of_28(function: Callable[..., Tensor], *more: Any) -> Callable[[Scored], Tensor | None]:
    """A metric of feet, hands or face, which 17 joints do not have."""
    return lambda s: function(s.prediction, s.target, *more) if s.target.shape[-2] == len(BODY28) else None


GROUP = "prml.metrics"  # entry points of other packages
METRICS: Mapping[str, Metric] = {
    "mpjpe": Metric("MPJPE", "mm", lambda s: m.mpjpe(*s.chosen()), "mean distance of the joints from their targets"),
    "p_mpjpe": Metric(
        "P-MPJPE", "mm", lambda s: m.p_mpjpe(*s.chosen()), "MPJPE after the best similarity of each frame"
    ),
    "n_mpjpe": Metric("N-MPJPE", "mm", lambda s: m.n_mpjpe(*s.chosen()), "MPJPE after the best scale of each frame"),
    "velocity": Metric(
        "MPJVE", "mm/frame", lambda s: m.velocity_error(*s.chosen()), "mean error of the motion from frame to frame"
    ),
    "acceleration": Metric(
        "Accel", "mm/frame²", lambda s: m.acceleration_error(*s.chosen()), "mean error of the second difference"
    ),
    "x": Metric("X", "mm", _axis(0), "mean absolute error along x (right in the image)"),
    "y": Metric("Y", "mm", _axis(1), "mean absolute error along y (down in the image)"),
    "z": Metric("Z", "mm", _axis(2), "mean absolute error along z (depth)"),
    "pck": Metric(
        "PCK", "%", lambda s: m.pck(_errors_3dhp(s)), "14 joints (no pelvis, spine, head) nearer than 150 mm", True
    ),
    "auc": Metric("AUC", "%", lambda s: m.auc(_errors_3dhp(s)), "mean PCK of the thresholds 0, 5, ..., 150 mm", True),
    "pckh": Metric(
        "PCKh@0.5", "%", _image(m.pckh), "joints projected within half the Thorax-Head distance in the image", True
    ),
    "reprojection": Metric(
        "Reproj", "px", _image(m.reprojection_error), "image distance from the truth of the joints at the true root"
    ),
    "bone": Metric("Bone", "mm", lambda s: m.bone_length_error(s.prediction, s.target), "mean bone length error"),
    "bone_variation": Metric(
        "Bone var",
        "mm",
        lambda s: m.bone_length_variation(s.prediction).expand(len(s.prediction)),
        "standard deviation of the predicted bone lengths over each sequence (or window)",
    ),
    "all28": Metric(
        "MPJPE 28",
        "mm",
        _of_28(ends.group_error, BODY28.joints),
        "MPJPE of all known joints",
    ),
    "feet": Metric("Feet", "mm", _of_28(ends.group_error, ends.FEET), "MPJPE of heels and toes"),
    "hands": Metric("Hands", "mm", _of_28(ends.group_error, ends.HANDS), "MPJPE of hands and thumbs"),
    "face": Metric("Face", "mm", _of_28(ends.group_error, ends.FACE), "MPJPE of nose tip and ears"),
    "head_deg": Metric(
        "Head",
        "deg",
        _of_28(ends.head_deg),
        "angle of the head's orientation",
    ),
    "hand_deg": Metric("Hand", "deg", _of_28(ends.parts_deg, ends.HAND_FRAMES), "angle of a hand's orientation"),
    "foot_deg": Metric("Foot", "deg", _of_28(ends.parts_deg, ends.FOOT_FRAMES), "angle of a foot's orientation"),
    **_bends("knee"),
    **_bends("elbow"),
}


def metric(name: str) -> Metric:
    """Return a metric by name, ours or another package's; raise PrmlError if it is unknown."""
    found = METRICS.get(name) or plugin(GROUP, name, Metric)
    if found is None:
        raise PrmlError(f"unknown metric {name!r}; known are {', '.join((*METRICS, *plugin_names(GROUP)))}")
    return found


@dataclass
class Tally:
    """Sums and counts per group and metric.

    Attributes:
        sums: group -> metric -> sum over frames; a vector per joint for "joints".
        counts: group -> metric -> number of frames in the sum, for each joint of "joints".
        frames, sequences: numbers of scored frames and sequences.
        labels: of every sequence, by the name of its group.
    """

    sums: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    frames: int = 0
    sequences: int = 0
    labels: dict[str, dict[str, str]] = field(default_factory=dict)

    def new_sequence(self, sequence: PoseSequence) -> str:
        """Note a sequence; return the group of its own, which no other has."""
        name, count = sequence.name or "without a name", 1
        while f"sequence:{name}" in self.labels:
            count += 1
            name = f"{sequence.name or 'without a name'} #{count}"
        labels = {"action": sequence.action, "subject": sequence.subject, "source": sequence.source}
        self.labels[f"sequence:{name}"] = {k: v for k, v in labels.items() if v}
        return f"sequence:{name}"

    def add(self, groups: Iterable[str], values: Mapping[str, Tensor]) -> None:
        """Add the frames of one cut to several groups; NaN marks a frame, or a joint of it, that cannot be scored."""
        for name, tensor in values.items():
            if not len(tensor):
                continue  # a single frame has no step
            judged = tensor[~torch.isnan(tensor.reshape(len(tensor), -1)).all(1)]
            known = ~torch.isnan(judged)
            total, each = torch.where(known, judged, 0.0).sum(0).numpy(), known.sum(0).numpy()
            count: Any = int(each.flat[0]) if (each == each.flat[0]).all() else each
            for group in groups:
                sums, counts = self.sums.setdefault(group, {}), self.counts.setdefault(group, {})
                sums[name] = np.asarray(sums[name] + total) if name in sums else total.copy()
                counts[name] = counts.get(name, 0) + count

    def merge(self, other: "Tally") -> None:
        """Add the tally of another process."""
        self.frames += other.frames
        self.sequences += other.sequences
        self.labels |= other.labels
        for group, sums in other.sums.items():
            for name, total in sums.items():
                mine, counts = self.sums.setdefault(group, {}), self.counts.setdefault(group, {})
                mine[name] = np.asarray(mine[name] + total) if name in mine else total.copy()
                counts[name] = counts.get(name, 0) + other.counts[group][name]

    def groups(self, kind: str) -> list[str]:
        """Return the sorted names of the groups of a kind ("action", "source", "subject")."""
        return sorted(g.removeprefix(f"{kind}:") for g in self.sums if g.startswith(f"{kind}:"))

    def mean(self, group: str, metric: str) -> np.ndarray | None:
        """Return the mean over the frames of a group; None if no frame could be scored."""
        count = np.asarray(self.counts.get(group, {}).get(metric, 0))
        if not count.any():
            return None
        return np.asarray(self.sums[group][metric] / np.where(count, count, np.nan))


def values_of(scored: Scored, names: Iterable[str]) -> dict[str, Tensor]:
    """Return the named metrics of one cut, and the error of every joint as "joints"; all float64 on the CPU."""
    found = {"joints": m.joint_errors(scored.prediction, scored.target)}
    for name in names:
        values = metric(name).values(scored)
        if values is not None:
            found[name] = values
    return {name: v.cpu() for name, v in found.items()}


def with_motion_rules(
    values: Mapping[str, Tensor], frames: int, velocity: VelocityRule, acceleration: AccelerationRule
) -> dict[str, Tensor]:
    """The values of one cut of so many frames, those of steps as the rules for motion weigh them."""
    found = dict(values)
    if velocity.kind != "steps" and "velocity" in found and len(found["velocity"]):
        found["velocity"] = found["velocity"].mean().expand(frames)
    if acceleration.kind == "as-motionagformer" and "acceleration" in found:
        steps = found["acceleration"]
        found["acceleration"] = torch.cat([steps, steps.new_zeros(frames - len(steps))])
    return found


@dataclass(frozen=True)
class Scores:
    """Means as reported.

    Attributes:
        overall: metric -> mean under the protocol's rule.
        per_action, per_source, per_subject: group -> metric -> mean over its frames; actions in the paper's order.
        per_sequence: sequence -> its labels, its frames, and metric -> mean over them.
        per_joint: joint -> MPJPE in mm.
        per_axis: "all" and the hard actions -> x, y, z in mm.
        frames, sequences: numbers of scored frames and sequences.
    """

    overall: dict[str, float]
    per_action: dict[str, dict[str, float]]
    per_source: dict[str, dict[str, float]]
    per_subject: dict[str, dict[str, float]]
    per_sequence: dict[str, dict[str, Any]]
    per_joint: dict[str, float]
    per_axis: dict[str, dict[str, float]]
    frames: int
    sequences: int


def _row(tally: Tally, group: str, names: Iterable[str]) -> dict[str, float]:
    means = {name: tally.mean(group, name) for name in names}
    return {name: float(value) for name, value in means.items() if value is not None}


def _sequence(tally: Tally, group: str, protocol: EvaluationProtocol) -> dict[str, Any]:
    labels = dict(tally.labels.get(group, {}))
    if protocol.actions and "action" in labels:
        labels["action"] = protocol.actions.canonical(labels["action"])
    means = {name: round(value, _DIGITS) for name, value in _row(tally, group, protocol.metrics).items()}
    return {**labels, "frames": int(np.max(tally.counts[group]["joints"])), **means}


def _mean_of(rows: Iterable[Mapping[str, float]], names: Iterable[str]) -> dict[str, float]:
    rows = list(rows)
    return {n: float(np.mean([r[n] for r in rows if n in r])) for n in names if any(n in r for r in rows)}


def _action_order(tally: Tally, protocol: EvaluationProtocol) -> list[str]:
    found = tally.groups("action")
    if protocol.actions is None:
        return found
    order = [name for name, _ in protocol.actions.columns]
    return [a for a in order if a in found] + [a for a in found if a not in order]


def _joint_means(tally: Tally, protocol: EvaluationProtocol) -> dict[str, float]:
    by_action = protocol.averaging.over == "actions"
    groups = [f"action:{a}" for a in tally.groups("action")] if by_action else ["all"]
    means = [mean for g in groups if (mean := tally.mean(g, "joints")) is not None]
    return dict(zip(protocol.skeleton.joints, np.mean(means, axis=0).tolist(), strict=True))


def scores(tally: Tally, protocol: EvaluationProtocol) -> Scores:
    """Turn sums into the protocol's averages; raise PrmlError if nothing was scored."""
    if not tally.frames:
        raise PrmlError(f"protocol {protocol.name} found no frame to score; check data=... and the files in it")
    names = tuple(dict.fromkeys((*protocol.metrics, "x", "y", "z")))

    def rows(kind: str, order: list[str]) -> dict[str, dict[str, float]]:
        return {g: _row(tally, f"{kind}:{g}", names) for g in order}

    actions = rows("action", _action_order(tally, protocol))
    whole = _row(tally, "all", names) if protocol.averaging.over == "frames" else _mean_of(actions.values(), names)
    hard = protocol.actions.hard if protocol.actions else ()
    axes = {"all": whole, **{a: actions[a] for a in hard if a in actions}}
    return Scores(
        overall={n: whole[n] for n in protocol.metrics if n in whole},
        per_action=actions,
        per_source=rows("source", tally.groups("source")),
        per_subject=rows("subject", tally.groups("subject")),
        per_sequence={g: _sequence(tally, f"sequence:{g}", protocol) for g in tally.groups("sequence")},
        per_joint=_joint_means(tally, protocol),
        per_axis={k: {a: v[a] for a in ("x", "y", "z")} for k, v in axes.items()},
        frames=tally.frames,
        sequences=tally.sequences,
    )


def plain(values: Scores) -> dict[str, Any]:
    """Return the scores as plain JSON values."""
    return {name: getattr(values, name) for name in values.__dataclass_fields__}
