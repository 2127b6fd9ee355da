"""``Rig`` and ``RigMotion``: bones with a rest pose, their rotations over time, and the joints that follow from them.

Axes are those of animation files: metres, Y up, right-handed; in the rest pose the person faces +Z and has the left
side at +X. World joints (Z up) are turned by :func:`y_up`. In the rest pose every bone's own axes are those of the
file, so a rotation of the identity is the rest pose.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from prml.errors import PrmlError
from prml.rotations import IDENTITY, continuous, to_matrix, to_quaternion, unit
from prml.skeleton import Skeleton

Array = np.ndarray
Rest = Literal["t", "a"]
_EVEN = 1e-4  # seconds by which frames may be off a regular grid


def y_up(points: Float[Array, "*n 3"]) -> Float[Array, "*n 3"]:
    """Turn points of the world (Z up) to Y up: (x, z, -y)."""
    return np.asarray(points[..., [0, 2, 1]] * np.array([1.0, 1.0, -1.0]))


def z_up(points: Float[Array, "*n 3"]) -> Float[Array, "*n 3"]:
    """Turn points from Y up to the world (Z up): (x, -z, y)."""
    return np.asarray(points[..., [0, 2, 1]] * np.array([1.0, -1.0, 1.0]))


@dataclass(frozen=True)
class Rig:
    """Bones in their rest pose.

    Attributes:
        names: of the bones, parents first; the root is ``Hips``.
        parents: index of each bone's parent, -1 for the root.
        offsets_m: (B, 3) start of a bone relative to the start of its parent in the rest pose, Y up; zero for the root.
        ends_m: bone -> (3,) its end relative to its start, for bones at the end of a chain.
        points: joint of ``skeleton`` -> bone, and (3,) place relative to the start of that bone in the rest pose.
        skeleton: the joint set that the rig was made from.
        rest: "t": arms level; "a": arms 45 degrees down.
        hip_height_m: height of the hips above the soles in the rest pose.
        inferred: bones that follow their parent, since no joint shows how they turn.
        notes: what was estimated, one sentence each.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets_m: Float[Array, "B 3"]
    ends_m: Mapping[str, Float[Array, "3"]]
    points: Mapping[str, tuple[str, Float[Array, "3"]]]
    skeleton: Skeleton
    rest: Rest = "t"
    hip_height_m: float = 0.0
    inferred: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.names)

    def index(self, bone: str) -> int:
        """Return the index of a bone; raise PrmlError with the known names."""
        if bone not in self.names:
            raise PrmlError(f"the rig has no bone {bone!r}; it has {', '.join(self.names)}")
        return self.names.index(bone)

    def children(self, bone: int) -> tuple[int, ...]:
        """Return the bones that start from a bone."""
        return tuple(child for child, parent in enumerate(self.parents) if parent == bone)

    @cached_property
    def walk(self) -> tuple[int, ...]:
        """The bones from the root into every branch, parents first."""
        out, todo = list[int](), [0]
        while todo:
            bone = todo.pop()
            out.append(bone)
            todo += reversed(self.children(bone))
        return tuple(out)

    def sorted(self) -> "Rig":
        """Return the rig with its bones in the order of ``walk``."""
        order = self.walk
        return replace(
            self,
            names=tuple(self.names[bone] for bone in order),
            parents=tuple(-1 if self.parents[bone] < 0 else order.index(self.parents[bone]) for bone in order),
            offsets_m=self.offsets_m[list(order)],
        )

    @cached_property
    def heads_m(self) -> Float[Array, "B 3"]:
        """(B, 3) starts of the bones in the rest pose, relative to the hips."""
        heads = np.zeros((len(self), 3))
        for bone, parent in enumerate(self.parents):
            heads[bone] = self.offsets_m[bone] + (heads[parent] if parent >= 0 else 0)
        return heads


@dataclass(frozen=True)
class RigMotion:
    """Rotations of a rig over time.

    Attributes:
        rig: the bones.
        rotations: (T, B, 4) unit quaternions w x y z relative to the parent's axes, without jumps of sign; NaN where
            nobody is present.
        root_m: (T, 3) place of the hips, metres, Y up; NaN where nobody is present.
        times_s: (T,) seconds.
        fps: nominal frame rate.
        present: (T,) whether the person is there.
        name: of the person or take; empty if unknown.
    """

    rig: Rig
    rotations: Float[Array, "T B 4"]
    root_m: Float[Array, "T 3"]
    times_s: Float[Array, " T"]
    fps: float
    present: Bool[Array, " T"]
    name: str = ""

    def __len__(self) -> int:
        return len(self.times_s)

    def pose(self) -> tuple[Float[Array, "T B 3 3"], Float[Array, "T B 3"]]:
        """Return every bone's rotation and the place of its start, both in the axes of the file."""
        turns = to_matrix(self.rotations)
        heads = np.empty((*turns.shape[:2], 3))
        for bone, parent in enumerate(self.rig.parents):
            if parent < 0:
                heads[:, bone] = self.root_m
                continue
            heads[:, bone] = heads[:, parent] + turns[:, parent] @ self.rig.offsets_m[bone]
            turns[:, bone] = turns[:, parent] @ turns[:, bone]
        return turns, heads

    def held(self) -> "RigMotion":
        """Return the motion without gaps: a person who is absent stays in the last pose seen, at first in the first.

        Animation files have no gaps. ``present`` still tells where they were.
        """
        if self.present.all():
            return self
        seen = np.flatnonzero(self.present)
        last = seen[np.maximum(np.searchsorted(seen, np.arange(len(self)), side="right") - 1, 0)]
        return replace(self, rotations=continuous(self.rotations[last]), root_m=self.root_m[last])

    def regular(self) -> "RigMotion":
        """Return the held motion with a frame every 1 / fps seconds from the first frame on.

        Frames that are not on this grid, as in a video of varying rate, are interpolated.
        """
        held, times = self.held(), self.times_s - self.times_s[0]
        count = int(np.floor(times[-1] * self.fps + 0.5)) + 1
        grid = np.arange(count) / self.fps
        if count == len(self) and np.abs(times - grid).max() < _EVEN:
            return replace(held, times_s=grid)
        grid = grid[grid <= times[-1] + _EVEN]
        after = np.clip(np.searchsorted(times, grid), 1, max(len(times) - 1, 1)) if len(times) > 1 else np.zeros(1, int)
        before = np.maximum(after - 1, 0)
        span = np.where(after > before, times[after] - times[before], 1.0)
        share = np.clip((grid - times[before]) / span, 0, 1)[:, None]
        mixed = (1 - share[..., None]) * held.rotations[before] + share[..., None] * held.rotations[after]
        root = (1 - share) * held.root_m[before] + share * held.root_m[after]
        nearest = np.where(share[:, 0] < 0.5, before, after)
        return replace(held, rotations=unit(mixed), root_m=root, times_s=grid, present=self.present[nearest])

    def split(self, bone: str, new: str, share: float = 0.5) -> "RigMotion":
        """Return the motion on a rig in which another bone, that never turns, follows at a share of a bone's length.

        The bone's children, which must start from one place, start from the new one.
        """
        rig = self.rig
        at, parents = rig.index(bone), list(rig.parents)
        children = rig.children(at)
        way, offsets = rig.offsets_m[children[0]], rig.offsets_m.copy()
        for child in children:
            offsets[child] = (1 - share) * way
            parents[child] = len(rig)
        made = replace(
            rig,
            names=(*rig.names, new),
            parents=(*parents, at),
            offsets_m=np.concatenate([offsets, share * way[None]]),
        )
        known = np.isfinite(self.rotations[:, :1, :1])
        still = np.where(known, np.array(IDENTITY), np.nan)
        return replace(self, rig=made.sorted(), rotations=np.concatenate([self.rotations, still], 1)[:, made.walk])

    def with_rest(self, turns: Mapping[str, Float[Array, "3 3"]], rest: Rest | None = None) -> "RigMotion":
        """Return the same motion on a rig whose rest pose, or whose bones' own axes, are turned.

        Args:
            turns: bone -> what turns the bone in the present rest pose into the new one; other bones stay.
            rest: name of the new rest pose; None to keep the name.
        """
        rig = self.rig
        Q = np.stack([turns.get(name, np.eye(3)) for name in rig.names])
        above = np.stack([np.eye(3) if parent < 0 else Q[parent] for parent in rig.parents])
        local = above @ to_matrix(self.rotations) @ np.swapaxes(Q, -1, -2)
        turned = replace(
            rig,
            offsets_m=np.einsum("bij,bj->bi", above, rig.offsets_m),
            ends_m={name: Q[rig.index(name)] @ end for name, end in rig.ends_m.items()},
            points={joint: (bone, Q[rig.index(bone)] @ at) for joint, (bone, at) in rig.points.items()},
            rest=rest or rig.rest,
        )
        quaternions = np.full_like(self.rotations, np.nan)
        known = np.isfinite(self.rotations[:, 0, 0])
        quaternions[known] = continuous(to_quaternion(local[known]))
        return replace(self, rig=turned, rotations=quaternions)


def forward(motion: RigMotion) -> Float[Array, "T J 3"]:
    """Return the joints of the rig's skeleton in the world: metres, Z up, NaN where nobody is present."""
    turns, heads = motion.pose()
    rig = motion.rig
    joints = np.full((len(motion), len(rig.skeleton), 3), np.nan)
    for joint, (name, at) in rig.points.items():
        bone = rig.index(name)
        joints[:, rig.skeleton.index(joint)] = heads[:, bone] + turns[:, bone] @ at
    return z_up(joints)
