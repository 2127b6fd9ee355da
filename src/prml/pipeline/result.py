"""The result of a lift, and how well it fits the 2D input."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from prml.errors import PrmlError
from prml.filters.root import Placement
from prml.io.registry import save_file, writer_for
from prml.motion import Motion
from prml.scene import Scene
from prml.sequence import PoseSequence

Warn = Callable[[str], None]


@dataclass(frozen=True)
class LiftResult:
    """The result of a lift.

    Attributes:
        scene: all lifted people, with the video and its events.
        residual_px: mean distance between the input 2D and the projection of the lifted pose of the most prominent
            person, over frames with a person.
        seconds: wall time per stage.
        files: written files, by name.
        warnings: one line each.
        motion: the most prominent person in a room; None if it was not wanted or there can be none.
        other_motions: the other people in the same room, where there is a motion of them; their sequences have the
            people's numbers.
        provenance: version, weights, detector, settings and so on.
    """

    scene: Scene
    residual_px: float
    seconds: dict[str, float]
    files: dict[str, Path] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    motion: Motion | None = None
    other_motions: tuple[Motion, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def sequence(self) -> PoseSequence:
        """The most prominent person on H36M17.

        ``joints_m`` are root-relative camera-frame metres, with ``std_m``, 2D, confidence, times and flags.
        """
        return self.scene.prominent

    @property
    def motions(self) -> tuple[Motion, ...]:
        """All people in the room, the most prominent first; empty if there is no motion."""
        return () if self.motion is None else (self.motion, *self.other_motions)

    @property
    def room(self) -> Scene | None:
        """All people in the room, as files for other programs hold them; None if there is no motion."""
        people = tuple(motion.sequence for motion in self.motions)
        return (Scene.of(people[0]) if len(people) == 1 else Scene(people)) if people else None

    @property
    def shown(self) -> PoseSequence:
        """What page and overlay draw: a single person in a room if there is a motion, else ``sequence``."""
        return self.sequence if self.motion is None or len(self.scene) > 1 else self.motion.sequence

    def provenance_of(self, person: PoseSequence) -> dict[str, Any]:
        """Return the provenance of one person's file; of several, ``person`` is the number, and events are theirs."""
        if len(self.scene) == 1:
            chosen = person.track_id and person.detection is not None
            return {**self.provenance, "person": person.track_id} if chosen else self.provenance
        events = [event.record() for event in self.scene.events if event.track_id in (None, person.track_id)]
        return {**self.provenance, "person": person.track_id, "people": len(self.scene), "events": events}

    def save(self, path: str | Path, format: str | None = None, *, overwrite: bool = False) -> None:
        """Write the scene with its provenance, in the format given by the suffix of ``path``.

        Formats of motion (``.bvh``, ``.glb``, ``.trc``, ``.c3d``, ``.csv``, ...) get the motion in the room.

        Raises:
            PrmlError: as for :func:`prml.save_file`, or there is no motion.
        """
        if writer_for(self.scene, path, format).wants == "world":
            if self.room is None:
                raise PrmlError(f"{Path(path).name} holds a motion, and this result has none; its warnings say why")
            save_file(self.room, path, format, overwrite=overwrite)
            return
        scene = self.scene.map(lambda person: person.with_(provenance=self.provenance_of(person)))
        save_file(scene, path, format, overwrite=overwrite)


def residual_px(sequence: PoseSequence) -> float:
    """Return the mean distance in pixels between 2D keypoints and the lifted pose, projected from its best position."""
    posed = sequence.relative_to_root()
    joints, points = posed.joints_m, posed.keypoints_px
    if joints is None or points is None or posed.camera is None:
        raise PrmlError("a residual needs 2D, 3D and a camera")
    distance = np.linalg.norm(Placement.of(posed).project(joints) - points, axis=-1)
    known = distance[np.isfinite(distance)]
    return float(known.mean()) if len(known) else float("nan")


def doubtful_residual(residual: float, image_size: tuple[int, int]) -> str | None:
    """Return a warning if the residual exceeds a tenth of the longer image side or is not finite, else None.

    On the test clips of ``data/mocap`` the residual stays below a twentieth of the person's height.
    """
    if residual <= 0.1 * max(image_size):
        return None
    found = f"{residual:.3g} px away from" if np.isfinite(residual) else "nowhere near"
    return f"the lifted pose projects {found} the 2D it came from: check the keypoints, the camera and the weights"
