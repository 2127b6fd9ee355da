"""Evaluation protocols: all rules that determine a score, as a named, versioned, printable object."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from prml.errors import PrmlError
from prml.evaluation.protocols.rules import (
    AccelerationKind,
    AccelerationRule,
    Averaging,
    CameraSpace,
    CentreWindows,
    CutWindows,
    FrameRule,
    KeypointRule,
    LeaveOut,
    RootKind,
    RootRule,
    SpaceRule,
    VelocityKind,
    VelocityRule,
    WholeVideo,
    WindowKind,
    WindowRule,
)
from prml.sequence import PoseSequence
from prml.skeleton import H36M17, Skeleton


@runtime_checkable
class Source(Protocol):
    """The sequences that a protocol reads."""

    @property
    def description(self) -> str:
        """Which sequences, as text."""
        ...

    @property
    def files(self) -> str:
        """Which files the user must have."""
        ...

    def read(self, data: Path | None, limit: int | None) -> Iterator[PoseSequence]:
        """Yield the sequences of ``data`` (at most ``limit`` clips); raises PrmlError if they cannot be read."""
        ...

    def stamp(self, data: Path | None) -> dict[str, str]:
        """Return what identifies the data: results with different stamps were measured on different data."""
        ...


@dataclass(frozen=True)
class ActionTable:
    """Rows per action.

    Attributes:
        columns: action -> column name in the paper, in the paper's order.
        synonyms: other spelling -> action.
        hard: actions that are also reported separately (the paper's Figure 3).
    """

    columns: tuple[tuple[str, str], ...]
    synonyms: tuple[tuple[str, str], ...] = ()
    hard: tuple[str, ...] = ()

    def canonical(self, action: str) -> str:
        """Return the name of an action in this table."""
        return dict(self.synonyms).get(action, action)


@dataclass(frozen=True)
class EvaluationProtocol:
    """A named set of rules.

    Attributes:
        name: the name for users.
        version: increased whenever a rule changes, so that old results are not compared with new ones.
        title: one line.
        source: which sequences, from which files.
        metrics: names for ``prml.evaluation.scoring.metric``, the main metric first.
        keypoints, leave_out, frames, windows, space, root, averaging, velocity, acceleration: the rules.
        skeleton: joints of prediction and target: H36M17, or BODY28, whose target is NaN where it is not known.
        joints: those that enter joint-wise means.
        flip: whether to average with the mirrored input.
        actions: rows per action, if they are usually reported.
        origin: source of the rules.
        notes: what the score does and does not mean.
        changed: rules that differ from those of the named protocol.
    """

    name: str
    version: int
    title: str
    source: Source
    metrics: tuple[str, ...]
    keypoints: KeypointRule
    leave_out: LeaveOut = field(default_factory=LeaveOut)
    frames: FrameRule = field(default_factory=FrameRule)
    windows: WindowRule = field(default_factory=WholeVideo)
    space: SpaceRule = field(default_factory=CameraSpace)
    root: RootRule = field(default_factory=RootRule)
    averaging: Averaging = field(default_factory=Averaging)
    velocity: VelocityRule = field(default_factory=VelocityRule)
    acceleration: AccelerationRule = field(default_factory=AccelerationRule)
    skeleton: Skeleton = H36M17
    joints: tuple[int, ...] = tuple(range(17))
    flip: bool = True
    actions: ActionTable | None = None
    origin: str = ""
    notes: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Name, version and changed rules; results are comparable if their ids are equal."""
        mark = f"+{'+'.join(self.changed)}" if self.changed else ""
        return f"{self.name}/{self.version}{mark}"

    def with_(self, **rules: Any) -> "EvaluationProtocol":
        """Return the protocol with some rules replaced; its ``id`` shows this."""
        return replace(self, **rules, changed=tuple(sorted({*self.changed, *rules})))

    def with_kinds(
        self,
        root: RootKind | None = None,
        windows: WindowKind | None = None,
        velocity: VelocityKind | None = None,
        acceleration: AccelerationKind | None = None,
    ) -> "EvaluationProtocol":
        """Return the protocol with rules of other kinds; unchanged for None or its own kinds.

        Raises:
            PrmlError: a rule of a metric that the protocol does not report.
        """
        rules: dict[str, Any] = {}
        for name, kind in (("velocity", velocity), ("acceleration", acceleration)):
            if kind is not None and name not in self.metrics:
                raise PrmlError(f"{self.name} does not report {name}; leave {name}=... out")
        if velocity not in (None, self.velocity.kind):
            rules["velocity"] = VelocityRule(velocity)
        if acceleration not in (None, self.acceleration.kind):
            rules["acceleration"] = AccelerationRule(acceleration)
        if root not in (None, self.root.kind):
            rules["root"] = RootRule(root)
        if windows not in (None, self.windows.kind):
            length = self.windows.length if isinstance(self.windows, CutWindows) else None
            rules["windows"] = (
                WholeVideo()
                if windows == "whole"
                else CentreWindows()
                if windows == "centre"
                else CutWindows(windows, length)
            )
        return self.with_(**rules)

    def sequences(self, data: Path | None = None, limit: int | None = None) -> Iterator[PoseSequence]:
        """Yield the sequences to score, in the protocol's joints."""
        for sequence in self.leave_out.keep(self.source.read(data, limit)):
            own = sequence.skeleton == self.skeleton
            yield self.frames.select(sequence if own else sequence.to_skeleton(self.skeleton))

    def describe(self) -> dict[str, str]:
        """Return the rules as text, in the order in which they apply."""
        if len(self.joints) == len(H36M17):
            joints = "all 17, the root among them"
            if self.skeleton != H36M17:
                joints += f"; the other {len(self.skeleton) - len(H36M17)} by metrics of their own"
        else:
            joints = f"{len(self.joints)}: {', '.join(H36M17.joints[j] for j in self.joints)}"
        return {
            "sequences": self.source.description,
            "files": self.source.files,
            "left out": self.leave_out.description,
            "frames": self.frames.description,
            "2D source": self.keypoints.description,
            "windows": self.windows.description,
            "flip": "mean of the prediction and of the mirrored input's, mirrored back" if self.flip else "none",
            "output space": self.space.description,
            "root": self.root.description,
            "joints": joints,
            "metrics": ", ".join(self.metrics),
            "averaging": self.averaging.description,
            **{name: getattr(self, name).description for name in ("velocity", "acceleration") if name in self.changed},
            "source of the rules": self.origin,
        }
