"""Poses for avatars: the Virtual Motion Capture protocol over UDP, https://protocol.vmc.info/english.

Unity's axes: metres, left-handed, Y up, the person faces +Z and has the right side at +X; quaternions are x y z w. Our
rigs are right-handed with the left side at +X (:mod:`prml.rig.rig`), so x is mirrored: a place (x, y, z) becomes
(-x, y, z), and a rotation (x, y, z, w) becomes (x, -y, -z, w). Bones are those of Unity's humanoids, and rotate from
the T pose.
"""

import socket
from collections import deque
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.filters.smooth import OneEuro
from prml.io.vrma import HUMAN_BONES
from prml.live.frame import LiveFrame, LiveRun
from prml.live.osc import bundles, message
from prml.rig import RigMotion, to_rig
from prml.sequence import PoseSequence
from prml.skeleton import Skeleton
from prml.view.stage import lowest_height_m

Array = np.ndarray
BONES = {ours: theirs[0].upper() + theirs[1:] for ours, theirs in HUMAN_BONES.items()}  # rig -> HumanBodyBones
REACH_S = 0.5  # of the past, from which the sizes of bones and the twist of hands and head follow
_MIN_FRAMES = 2


def to_unity(place: Float[Array, "3"]) -> tuple[float, float, float]:
    """Turn a place of a rig's axes to Unity's."""
    return -float(place[0]), float(place[1]), float(place[2])


def to_unity_quaternion(turn: Float[Array, "4"]) -> tuple[float, float, float, float]:
    """Turn a rotation w x y z in a rig's axes to x y z w in Unity's."""
    w, x, y, z = (float(v) for v in turn)
    return x, -y, -z, w


class RigStream:
    """Makes rotations of joints that come one by one.

    The camera is taken to be level. The hips stay over one place, as high as the lowest joint asks for.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._recent: deque[tuple[float, Array]] = deque()
        self._height = OneEuro(2.0)

    def __call__(self, joints_m: Float[Array, "J 3"], time_s: float) -> RigMotion:
        """Return the pose as a motion of one frame.

        Args:
            joints_m: relative to the hip, metres, camera frame.
            time_s: later than the last one.
        """
        if self._recent and time_s - self._recent[-1][0] > REACH_S:
            self._recent.clear()
            self._height.reset()
        world = np.stack([joints_m[:, 0], joints_m[:, 2], -joints_m[:, 1]], -1).astype(np.float64)
        sole = lowest_height_m(self._skeleton) - world[:, 2].min()
        world[:, 2] += self._height(np.array(sole), time_s)
        self._recent.append((time_s, world))
        while self._recent[0][0] < time_s - REACH_S:
            self._recent.popleft()
        times = np.array([at for at, _ in self._recent])
        joints = np.stack([one for _, one in self._recent])
        if len(times) < _MIN_FRAMES:  # a rig needs no motion, but a clock
            times, joints = np.array([times[0] - 0.04, times[0]]), np.repeat(joints, 2, 0)
        rate = float(np.clip(1 / np.median(np.diff(times)), 1, 1000))
        motion = to_rig(PoseSequence(self._skeleton, times, joints_m=joints, frame="world", fps=rate))
        last = slice(len(times) - 1, None)
        return replace(
            motion,
            rotations=motion.rotations[last],
            root_m=motion.root_m[last],
            times_s=times[last],
            present=motion.present[last],
        )


def messages(motion: RigMotion | None, time_s: float) -> list[bytes]:
    """Return the messages of a frame: the state, the time, and, if there is a person, the root and all bones."""
    there = motion is not None
    out = [message("/VMC/Ext/OK", 1, 3, 0, int(there)), message("/VMC/Ext/T", float(time_s))]
    if motion is None:
        return out
    out.append(message("/VMC/Ext/Root/Pos", "root", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    rig = motion.rig
    for ours, theirs in BONES.items():
        bone = rig.index(ours)
        place = motion.root_m[-1] if rig.parents[bone] < 0 else rig.offsets_m[bone]
        turn = motion.rotations[-1, bone]
        out.append(message("/VMC/Ext/Bone/Pos", theirs, *to_unity(place), *to_unity_quaternion(turn)))
    return out


class Vmc:
    """Sends every frame to one receiver.

    Args:
        target: HOST:PORT; receivers listen at port 39539 as a rule.

    Raises:
        PrmlError: the target is no host and port, or the host is not known.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        host = host.strip("[]")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise PrmlError(f"vmc=... must be HOST:PORT such as 127.0.0.1:39539, got {target!r}")
        try:
            family, kind, _, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0]
        except OSError as error:
            raise PrmlError(f"{host} is not a host that can be reached ({error.strerror}); check vmc=...") from None
        self._target, self._address, self._count = target, address, 0
        self._socket = socket.socket(family, kind)
        self._socket.setblocking(False)
        self._rig: RigStream | None = None

    def start(self, run: LiveRun) -> None:
        """Begin with the joints of a run."""
        self._rig = RigStream(run.skeleton)

    def send(self, frame: LiveFrame) -> None:
        """Send a frame; a receiver that is not there misses it."""
        motion = None
        if self._rig is not None and frame.joints_m is not None:
            motion = self._rig(frame.joints_m, frame.time_s)
        for packet in bundles(messages(motion, frame.time_s)):
            try:
                self._socket.sendto(packet, self._address)
            except OSError:  # nobody listens, or the buffer is full
                return
        self._count += 1

    def close(self) -> str:
        """Close the socket."""
        self._socket.close()
        return f"sent {self._count} frames as VMC to {self._target}" if self._count else ""
