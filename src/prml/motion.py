"""Motion: a person who moves through a room, and the stages that led from lifted joints to there.

World frame: metres, Z up, right-handed, the floor at z = 0, the pelvis of the first frame above the origin.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float

from prml.errors import PrmlError
from prml.scene import Scene
from prml.sequence import CONTACTS, PoseSequence

Array = np.ndarray


@dataclass(frozen=True)
class Stage:
    """A step from lifted joints to a motion.

    Attributes:
        name: such as "smooth" or "floor".
        on: whether it changed or estimated anything.
        assumption: what it takes for granted, one sentence; where it is off, why.
        figures: what it measured, by name with the unit as suffix, such as ``jitter_after_mm``.
    """

    name: str
    on: bool
    assumption: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Motion:
    """A person in the world.

    Attributes:
        sequence: (T, J, 3) absolute joints in the world frame on BODY28 or H36M17, NaN in gaps; its ``camera`` has its
            pose in that world, so that ``camera.project(camera.to_camera(joints_m))`` meets the picture.
        contacts: (T, 4) left heel, left toe, right heel, right toe on the ground; all False if unknown.
        stages: in the order in which they ran.
        gates: figures of quality by name with the unit as suffix; NaN where one cannot be measured.

    Raises:
        PrmlError: the sequence has no absolute joints in the world frame, or contacts of another shape.
    """

    sequence: PoseSequence
    contacts: Bool[Array, "T 4"]
    stages: tuple[Stage, ...] = ()
    gates: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sequence = self.sequence
        if sequence.joints_m is None or sequence.frame != "world" or sequence.root_relative:
            raise PrmlError("a motion needs absolute joints in the world frame; prml.lift(...).motion has them")
        if np.shape(self.contacts) != (len(sequence), len(CONTACTS)):
            raise PrmlError(f"contacts must be {(len(sequence), len(CONTACTS))}, got {np.shape(self.contacts)}")
        object.__setattr__(self, "stages", tuple(self.stages))
        if sequence.contacts is None:
            object.__setattr__(self, "sequence", sequence.with_(contacts=np.asarray(self.contacts, bool)))

    def __len__(self) -> int:
        return len(self.sequence)

    @property
    def scene(self) -> Scene:
        """The motion as a scene of one person, which the writers of files take."""
        return Scene.of(self.sequence)

    @property
    def root_m(self) -> Float[Array, "T 3"]:
        """Path of the pelvis in the world, metres; NaN in gaps."""
        return np.asarray(self.sequence.joints_m)[:, self.sequence.skeleton.root]

    def with_number(self, track_id: int) -> "Motion":
        """Return the motion with the number of its person in a scene."""
        return replace(self, sequence=self.sequence.with_(track_id=track_id))

    def stage(self, name: str) -> Stage:
        """Return a stage by name; raise PrmlError that lists the names if there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise PrmlError(f"no stage {name!r}; the motion has {', '.join(s.name for s in self.stages) or 'none'}")
