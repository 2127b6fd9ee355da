"""From lifted joints to a motion: every stage in order, with its assumption and figures."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from prml.camera import Camera, normalise
from prml.errors import PrmlError
from prml.filters import bones, floor, gates, legs, smooth, trajectory
from prml.filters.contacts import find_contacts, foot_points
from prml.filters.gait import gait_of
from prml.filters.gravity import LEVEL, Gravity, estimate_gravity, mean_gravity, stated_gravity
from prml.filters.resample import stretches
from prml.motion import Motion, Stage
from prml.options import check
from prml.pipeline.motion_settings import MotionSettings
from prml.sequence import CONTACTS, PoseSequence
from prml.skeleton import Skeleton

Array = np.ndarray
_CORRECTION_HZ = 3.0  # of what the fit changes in a pose: detectors tremble, networks do not
_LONG_S, _RARELY = 2.0, 0.03  # a clip this long in which feet stand in a smaller share of the frames is doubtful
_UNSURE_DEG = 12.0
_ROUNDS = 2  # path and contacts depend on each other


def to_motion(sequence: PoseSequence, settings: MotionSettings | None = None) -> Motion:
    """Place a lifted person in a room: steady bones, a path, gravity, a floor, feet that stand.

    Args:
        sequence: root-relative joints in the camera's frame with 2D keypoints and camera, as lifting returns; BODY28
            or H36M17. Frames without a person (NaN) stay gaps.
        settings: None for the defaults.

    Raises:
        PrmlError: the sequence lacks joints, 2D or camera, has no frame with a person, or the camera moves.
    """
    settings = _checked(settings)
    work = _placed(sequence, settings)
    return work.motion(work.room(settings), settings)


def to_motions(people: Sequence[PoseSequence], settings: MotionSettings | None = None) -> list[Motion]:
    """Place several people of one camera in one room.

    Everybody is placed alone; then the directions of gravity are averaged, weighted by how well each is known, and all
    are placed again with that. They share the room's axes and origin, which are those of the first person. Each stands
    on the floor at z = 0: whose network takes the size of somebody wrongly, takes the distance wrongly too, and the
    floor with it; the stage "floor" says by how much, ``moved_m``.

    Args:
        people: as for :func:`to_motion`, one at least.
        settings: for all of them; None for the defaults. A ``height`` is that of everybody.

    Raises:
        PrmlError: as for :func:`to_motion`, with any of them.
    """
    settings = _checked(settings)
    works = [_placed(person, settings) for person in people]
    if len(works) > 1 and not any(work.known_gravity().source in ("extrinsics", "given") for work in works):
        common = mean_gravity([work.known_gravity() for work in works])
        works = [_placed(person, settings, common) for person in people]
    room = works[0].room(settings)
    return [work.motion(room, settings) for work in works]


def _checked(settings: MotionSettings | None) -> MotionSettings:
    settings = MotionSettings() if settings is None else settings
    check(settings)
    if not settings.static_camera:
        raise PrmlError(
            "a motion needs a camera that stands still, got static_camera=False; use the root-relative joints"
        )
    return settings


def _placed(sequence: PoseSequence, settings: MotionSettings, gravity: Gravity | None = None) -> "_Work":
    """Run the stages up to the room; ``gravity`` replaces its estimate."""
    work = _Work.of(sequence)
    work.set_size(settings.height)
    work.fit_skeleton(settings.refine)
    work.smooth(settings.smooth, settings.cutoff)
    work.find_room(settings, gravity)
    return work


def doubts_of(motion: Motion) -> list[str]:
    """What a user should know of a motion before using it, one line each."""
    found, figures = [], motion.stage("path").figures
    clock, inferred = motion.sequence.times_s, motion.sequence.inferred
    columns, _ = foot_points(motion.sequence.skeleton, motion.sequence.detected)
    seen = inferred is None or not inferred[:, list(columns)].mean() > 0.5
    if seen and clock[-1] - clock[0] > _LONG_S and figures["standing_share"] < _RARELY:
        found.append(
            "no foot stands still in the picture: if the camera moves, the motion is wrong, and static_camera=False "
            "leaves it out"
        )
    if motion.stage("gravity").figures["std_deg"] > _UNSURE_DEG:
        found.append("nobody is seen to stand upright: which way is up is taken from the camera, as if held level")
    return found


def motion_of_folder(path: Path) -> Motion:
    """Read the motion of a result folder, or of a motion file; raise PrmlError if there is none."""
    from prml.io.motion_file import read_motion

    if not path.is_dir():
        return read_motion(path)
    file = path / "motion.npz"
    if not file.is_file():
        raise PrmlError(f"{path} has no motion.npz; lift its input again, or its poses.npz, which takes a moment")
    return read_motion(file)


@dataclass(frozen=True)
class _Room:
    """The world in the camera's frame.

    Attributes:
        axes: x, y and z of the world, as rows.
        origin_m: of the world, on the floor.
    """

    axes: Float[Array, "3 3"]
    origin_m: Float[Array, "3"]


@dataclass
class _Work:
    """Joints on their way to a motion; arrays have all frames, NaN in gaps.

    Attributes:
        sequence: what came in.
        camera: its camera.
        joints_m: (T, J, 3) root-relative, camera frame.
        std_m: (T, J, 3) or None.
        plane: (T, J, 2) the 2D on the undistorted image plane.
        weight: (T, J) its confidence.
        present: (T,) frames with a pose.
    """

    sequence: PoseSequence
    camera: Camera
    joints_m: Float[Array, "T J 3"]
    std_m: Float[Array, "T J 3"] | None
    plane: Float[Array, "T J 2"]
    weight: Float[Array, "T J"]
    present: Bool[Array, " T"]
    feet: tuple[int, int, int, int]
    sole_m: float
    stages: list[Stage] = field(default_factory=list)
    root_m: Float[Array, "T 3"] = field(default_factory=lambda: np.zeros((0, 3)))
    contacts: Bool[Array, "T 4"] = field(default_factory=lambda: np.zeros((0, 4), bool))
    gravity: Gravity | None = None
    level_m: float = 0.0

    @classmethod
    def of(cls, sequence: PoseSequence) -> "_Work":
        joints, points, camera = sequence.joints_m, sequence.keypoints_px, sequence.camera
        if joints is None or points is None or camera is None or sequence.frame != "camera":
            raise PrmlError("a motion needs lifted joints in the camera's frame, their 2D keypoints and the camera")
        relative = sequence.relative_to_root().joints_m
        present = np.isfinite(joints).all((1, 2))
        if not present.any():
            raise PrmlError("a motion needs at least one frame with a person, got none")
        plane = camera.unproject(np.asarray(points, np.float64))
        weight = np.ones(plane.shape[:2]) if sequence.confidence is None else np.asarray(sequence.confidence, float)
        if sequence.inferred is not None:
            weight = np.where(sequence.inferred, 0.1 * weight, weight)
        weight = np.where(np.isfinite(plane).all(-1), np.nan_to_num(weight), 0.0)
        feet, sole = foot_points(sequence.skeleton, sequence.detected)
        std = None if sequence.std_m is None else np.asarray(sequence.std_m, np.float64)
        return cls(sequence, camera, np.array(relative, np.float64), std, plane, weight, present, feet, sole)

    @property
    def skeleton(self) -> Skeleton:
        return self.sequence.skeleton

    @property
    def times_s(self) -> Float[Array, " T"]:
        return self.sequence.times_s

    def tell(self, name: str, on: bool, assumption: str, **figures: float) -> None:
        """Add a stage to the record."""
        self.stages.append(Stage(name, on, assumption, {key: float(value) for key, value in figures.items()}))

    def set_size(self, height_cm: float | None) -> None:
        """Scale the person to a stated height."""
        stature = bones.stature_m(bones.bone_lengths(self.joints_m[self.present], self.skeleton), self.skeleton)
        if height_cm is None:
            told = "the person is as tall as the network says, which is near an average adult"
            self.tell("size", False, told, stature_m=stature)
            return
        factor = height_cm / 100 / stature
        self.joints_m = self.joints_m * factor
        self.std_m = None if self.std_m is None else self.std_m * factor
        self.tell(
            "size", True, "the stated height is that of the standing person", stature_m=height_cm / 100, factor=factor
        )

    def fit_skeleton(self, on: bool) -> None:
        """Pose the joints on bones of constant length."""
        before = bones.bone_spread_m(self.joints_m, self.skeleton) * gates.MM_PER_M
        if not on:
            self.tell("skeleton", False, "the network's joints are kept: bones change length", spread_before_mm=before)
            return
        at, given = self.present, self.joints_m[self.present]
        std = np.full(given.shape, bones.UNKNOWN_STD_M) if self.std_m is None else self.std_m[at]
        points = np.asarray(self.sequence.keypoints_px, np.float64)[at]
        lengths = bones.seen_lengths(given, std, self.skeleton, self.camera, points, self.weight[at])
        change = np.full(self.joints_m.shape, np.nan)
        change[at] = bones.fit_pose(given, std, lengths, self.skeleton, self.camera, points, self.weight[at]) - given
        steady = smooth.smoothed(change, self.times_s, _CORRECTION_HZ)[at]
        fitted = bones.with_lengths(given + steady, lengths, self.skeleton)
        moved = np.linalg.norm(fitted - given, axis=-1).mean() * gates.MM_PER_M
        self.joints_m[at] = fitted
        told = "bones keep their length through the clip, and left and right are equally long"
        self.tell("skeleton", True, told, spread_before_mm=before, moved_mm=moved)

    def smooth(self, kind: Literal["off"] | smooth.Kind, cutoff_hz: float) -> None:
        """Smooth the root-relative joints; bones keep their lengths if the skeleton was fitted."""
        before = gates.MM_PER_M * smooth.jitter_m(self.joints_m, self.times_s)
        if kind == "off":
            self.tell("smoothing", False, "off: jitter of the network stays", jitter_before_mm=before)
            return
        steady = smooth.smoothed(self.joints_m, self.times_s, cutoff_hz, kind)
        if any(stage.name == "skeleton" and stage.on for stage in self.stages):
            lengths = bones.bone_lengths(self.joints_m[self.present], self.skeleton)
            steady[self.present] = bones.with_lengths(steady[self.present], lengths, self.skeleton)
        self.joints_m = steady
        after = gates.MM_PER_M * smooth.jitter_m(steady, self.times_s)
        told = f"the body does not move faster than {cutoff_hz:g} Hz"
        self.tell("smoothing", True, told, jitter_before_mm=before, jitter_after_mm=after, cutoff_hz=cutoff_hz)

    def find_room(self, settings: MotionSettings, gravity: Gravity | None = None) -> None:
        """Find path, contacts, gravity (unless given) and floor, which depend on each other."""
        at, clock = self.present, self.times_s
        self.root_m = np.full((len(clock), 3), np.nan)
        self.contacts = np.zeros((len(clock), len(CONTACTS)), bool)
        support = None
        for _ in range(_ROUNDS + 1):
            spread = bones.point_std_m(self.skeleton)
            solved = trajectory.solve_path(
                self.joints_m[at], self.plane[at], self.weight[at], clock[at], support, spread
            )
            self.root_m[at] = solved
            self._find_contacts()
            self._find_gravity(settings.gravity, gravity)
            heights = self._feet() @ self._up()
            found = floor.floor_level(heights, self.contacts)
            everything = (self.joints_m + self.root_m[:, None]) @ self._up()
            self.level_m = floor.lowest_level(everything[at]) if found is None else found
            ground = floor.standing_heights(heights, self.contacts, self.level_m)
            feet = self.joints_m[:, list(self.feet)]
            support = trajectory.Support(feet[at], self.contacts[at], self._up(), ground[at])
        self._tell_of_room(found is not None)

    def _feet(self) -> Float[Array, "T 4 3"]:
        return np.asarray(self.joints_m[:, list(self.feet)] + self.root_m[:, None])

    def _up(self) -> Float[Array, "3"]:
        return self.known_gravity().up

    def known_gravity(self) -> Gravity:
        """Which way is up, once the room was found."""
        if self.gravity is None:
            raise RuntimeError("gravity is found in every round before it is used")
        return self.gravity

    def _find_contacts(self) -> None:
        sight = normalise(self.root_m)
        up = None if self.gravity is None else self.gravity.up
        lowest = None if up is None else ((self.joints_m + self.root_m[:, None]) @ up).min(1)
        found = find_contacts(self._feet(), self.times_s, sight, up, lowest)
        if self.sequence.inferred is not None:
            found &= ~self.sequence.inferred[:, list(self.feet)]
        self.contacts = found

    def _find_gravity(self, kind: str, known: Gravity | None) -> None:
        stated = known if known is not None else stated_gravity(self.camera) if kind == "auto" else None
        if stated is not None:
            self.gravity = stated
        elif kind == "level":
            self.gravity = Gravity(LEVEL, 0.0, "given")
        else:
            at = self.present
            whole = self.joints_m[at] + self.root_m[at, None]
            self.gravity = estimate_gravity(whole, self._feet()[at], self.contacts[at], self.skeleton)

    def _tell_of_room(self, stands: bool) -> None:
        at, found = self.present, self.known_gravity()
        path = self.root_m[at]
        self.tell(
            "path",
            True,
            "the camera stands still, and the person's size is right: twice the size is twice as far away",
            length_m=float(np.linalg.norm(np.diff(path, axis=0), axis=-1).sum()),
            distance_m=float(np.linalg.norm(path, axis=-1).mean()),
            standing_share=float(self.contacts[at].any(1).mean()),
        )
        self.tell("gravity", True, _GRAVITY[found.source], std_deg=found.std_deg, upright_frames=found.upright_frames)
        told = (
            "the floor is level, and where feet stand most of the time"
            if stands
            else ("no foot is seen to stand: the floor lies under the lowest joint")
        )
        ground = floor.standing_heights(self._feet() @ found.up, self.contacts, self.level_m)
        raised = np.isfinite(ground) & (ground != self.level_m)
        share = raised.sum() / max(1, int(self.contacts.sum()))
        self.tell("floor", stands, told, raised_share=share)

    def room(self, settings: MotionSettings) -> _Room:
        """The room whose origin is under this person's first frame."""
        axes = self._axes(settings)
        first = axes @ self.root_m[self.present][0]
        return _Room(axes, np.array([first[0], first[1], self.level_m - self.sole_m]))

    def motion(self, room: _Room, settings: MotionSettings) -> Motion:
        """The motion in a room: on its floor, with feet held."""
        origin = np.array([*room.origin_m[:2], self.level_m - self.sole_m])
        moved = float(room.origin_m[2] - origin[2])
        if moved:
            at = next(index for index, stage in enumerate(self.stages) if stage.name == "floor")
            figures = {**self.stages[at].figures, "moved_m": moved}
            self.stages[at] = replace(self.stages[at], figures=figures)
        joints = (self.joints_m + self.root_m[:, None]) @ room.axes.T - origin
        held = self.hold_feet(joints, settings.hold_feet)
        world = self.sequence.with_(
            joints_m=held,
            std_m=self.std_m,
            frame="world",
            root_relative=False,
            camera=replace(self.camera, R_world_to_camera=room.axes.T, t_m=room.axes.T @ origin),
            contacts=self.contacts,
        )
        self.tell_of_gait(world)
        return Motion(world, self.contacts, tuple(self.stages), gates.gates_of(world, self.contacts))

    def _axes(self, settings: MotionSettings) -> Float[Array, "3 3"]:
        """Axes of the world in the camera's frame, as rows."""
        up = self._up()
        if self.gravity is not None and self.gravity.source == "extrinsics" and not settings.facing:
            return np.asarray(self.camera.R_world_to_camera, np.float64).T
        ahead = np.array([0.0, 0.0, 1.0])
        if settings.facing:
            pose = self.joints_m[self.present][0]
            left = pose[self.skeleton.index("LHip")] - pose[self.skeleton.index("RHip")]
            ahead = np.cross(left, up)
        elif abs(up[2]) > 0.99:  # it looks straight down or up
            ahead = np.array([0.0, -1.0, 0.0]) * -np.sign(up[2])
        ahead = normalise(ahead - (ahead @ up) * up)
        right = np.cross(ahead, up)
        return np.stack([ahead, -right, up]) if settings.facing else np.stack([right, ahead, up])

    def hold_feet(self, joints: Float[Array, "T J 3"], on: bool) -> Float[Array, "T J 3"]:
        """Keep standing feet in place."""
        feet = joints[:, list(self.feet)]
        before = gates.slides_m(feet, self.contacts)
        figures = {
            "contacts": float(len(before)),
            "slide_before_mm": gates.MM_PER_M * float(np.mean(before)) if before else float("nan"),
        }
        if not on:
            self.tell("feet", False, "off: standing feet may slide and sink", **figures)
            return joints
        out = self._held(joints)
        self.contacts = legs.reached(out[:, list(self.feet)], self.contacts)
        out = self._held(joints)
        after = gates.slides_m(out[:, list(self.feet)], self.contacts)
        figures["slide_after_mm"] = gates.MM_PER_M * float(np.mean(after)) if after else float("nan")
        self.tell("feet", True, "a foot that is slow and low stands still; its leg bends to keep it there", **figures)
        return out

    def tell_of_gait(self, world: PoseSequence) -> None:
        """Record steps where the person walks."""
        gait = gait_of(world)
        if not gait.events:
            self.tell("gait", False, "nobody walks for a second or longer", walking_s=gait.walking_s)
            return
        strikes = sum(event.kind == "strike" for event in gait.events)
        figures = {"cadence_per_min": gait.cadence, "step_length_m": gait.step_length_m, "speed_m_s": gait.speed_m_s}
        told = "heels strike where they are furthest ahead of the pelvis (Zeni et al. 2008)"
        self.tell("gait", True, told, walking_s=gait.walking_s, strikes=strikes, **figures)

    def _held(self, joints: Float[Array, "T J 3"]) -> Float[Array, "T J 3"]:
        """The joints with feet held where they stand."""
        out = joints.copy()
        ground = floor.standing_heights(joints[:, list(self.feet), 2], self.contacts, self.sole_m)
        for part in stretches(self.present, self.times_s):
            given = (joints[part], self.contacts[part], ground[part], self.times_s[part])
            out[part] = legs.hold_feet(*given, self.skeleton, self.feet, self.sole_m)
        return out


_GRAVITY = {
    "extrinsics": "the camera's extrinsics, or the video's metadata, say which way is up",
    "given": "the camera is held level",
    "person": "an upright body is balanced over its feet on average, and feet stand on level ground",
    "camera": "nobody stands upright: the camera is held about level",
}
