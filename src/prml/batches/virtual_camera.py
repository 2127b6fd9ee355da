"""Virtual cameras around a moving person: random ones for training, fixed ones per clip for the benchmarks."""

import zlib
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from prml.batches.options import CameraRanges, VideoOptions, WideRanges
from prml.camera import Camera, look_at

Array = np.ndarray

# View -> elevation in degrees of the camera as the person sees it: a range that each clip draws from.
VIEWS = {"low": (-30.0, -15.0), "level": (-5.0, 5.0), "high": (20.0, 35.0), "overhead": (50.0, 60.0)}
VIEW_CAMERAS_VERSION = 1  # as BENCHMARK_CAMERAS_VERSION
# Raise it when anything below changes what the benchmark's cameras are; result files record it.
BENCHMARK_CAMERAS_VERSION = 1
BENCHMARK_SEED = 20261123
ASSUMED_FOV_DEG = 55.0  # what inference assumes over the longer side (prml.pipeline.camera.DEFAULT_FOV_DEG)
MIN_DEPTH_M = 0.5  # nearest that a joint comes to a wide camera, along its optical axis
_ANKLE_M = 0.08  # height of an ankle's centre over the floor
_SIZES = ((1920, 1080), (1080, 1920), (1000, 1000), (1280, 720))


@dataclass(frozen=True)
class CameraBatch:
    """Extrinsics of one camera per window (world z up to camera) and the unknown errors of its assumed lens."""

    R_world_to_camera: Float[Array, "B 3 3"]
    t_m: Float[Array, "B 3"]
    focal_ratio: Float[Array, " B"]
    k1: Float[Array, " B"]

    def to_camera(self, points_world_m: Float[Array, "B T J 3"]) -> Float[Array, "B T J 3"]:
        """World metres to camera metres."""
        R = np.swapaxes(self.R_world_to_camera, 1, 2).astype(points_world_m.dtype)
        return np.asarray(points_world_m @ R[:, None] + self.t_m[:, None, None].astype(points_world_m.dtype))

    def plane(self, points_cam_m: Float[Array, "B T J 3"]) -> Float[Array, "B T J 2"]:
        """Image-plane points as the user's assumed camera would report them."""
        xy = points_cam_m[..., :2] / np.maximum(points_cam_m[..., 2:], 0.1)
        r2 = np.minimum((xy**2).sum(-1, keepdims=True), 1.0)
        gain = (1 + self.k1[:, None, None, None] * r2) / self.focal_ratio[:, None, None, None]
        return np.asarray(xy * gain.astype(xy.dtype))


def sample_cameras(
    rng: np.random.Generator, hip_m: Float[Array, "B T 3"], ranges: CameraRanges | None = None
) -> CameraBatch:
    """One random camera per window, at least 1.2 m away from the person's path.

    Args:
        rng: source of randomness.
        hip_m: world path of the hip in every window.
        ranges: where cameras may stand.
    """
    r = ranges or CameraRanges()
    B = len(hip_m)
    centre = hip_m.mean(1)
    reach = np.linalg.norm((hip_m - centre[:, None])[..., :2], axis=-1).max(1)
    distance = np.maximum(rng.uniform(*r.distance_m, B), reach + 1.2)
    yaw = rng.uniform(0, 2 * np.pi, B)
    height = rng.uniform(*r.height_m, B)
    flat = np.stack([np.cos(yaw), np.sin(yaw)], 1) * distance[:, None]
    position = np.concatenate([centre[:, :2] + flat, height[:, None]], 1)
    # aim beside the person: an offset of at most off_centre x half the field of view, in a random direction
    half = np.tan(np.radians(rng.uniform(*r.fov_deg, B)) / 2) * r.off_centre * rng.uniform(0, 1, B)
    side = np.stack([-np.sin(yaw), np.cos(yaw)], 1)
    angle = rng.uniform(0, 2 * np.pi, B)
    shift = (half * distance)[:, None]
    aim = centre.copy()
    aim[:, :2] += side * np.cos(angle)[:, None] * shift
    aim[:, 2] += np.sin(angle) * shift[:, 0] * 0.6
    R, t = look_at(position, aim, np.radians(rng.normal(0, r.roll_deg, B)))
    return CameraBatch(R, t, np.exp(rng.normal(0, r.misjudged_focal, B)), rng.normal(0, r.distortion_k1, B))


def floor_m(world_m: Float[Array, "B T J 3"]) -> Float[Array, " B"]:
    """Height of the floor that each person stands on: an ankle's height under its lowest limb or trunk joint."""
    return np.asarray(world_m[:, :, :17, 2].min((1, 2)) - _ANKLE_M)


def sample_wide_cameras(
    rng: np.random.Generator,
    world_m: Float[Array, "B T J 3"],
    wide: WideRanges | None = None,
    usual: CameraRanges | None = None,
) -> CameraBatch:
    """One random camera per window as real video has them, at least ``MIN_DEPTH_M`` in front of every joint.

    Distance and height are drawn first; then the camera looks at the person's mean place, off centre and rolled.

    Args:
        rng: source of randomness.
        world_m: joints of every window, the 17 of H36M17 first, those beyond them ignored.
        wide: where cameras may stand.
        usual: how the lens is misjudged.
    """
    w, u, B = wide or WideRanges(), usual or CameraRanges(), len(world_m)
    joints = world_m[:, :, :17].astype(np.float64)
    centre, steepest = joints[:, :, 0].mean(1), np.radians(w.pitch_deg)
    near, far = np.log(w.distance_m)
    distance = np.exp(rng.uniform(near, far, B))
    reach, floor = distance * np.sin(steepest), floor_m(joints) - centre[:, 2]
    lowest, highest = (np.clip(floor + height, -reach, reach) for height in w.height_m)
    above = rng.uniform(lowest, highest)  # of the camera over the person's mean place
    heading, pitch = rng.uniform(-np.pi, np.pi, B), np.arcsin(above / distance)
    # the optical axis, beside the person
    lens = np.tan(np.radians(rng.uniform(*w.fov_deg, B)) / 2)
    beside, angle = lens * w.off_centre * rng.uniform(0, 1, B), rng.uniform(0, 2 * np.pi, B)
    axis_heading = heading + np.arctan(beside * np.cos(angle))
    axis_pitch = np.clip(pitch + np.arctan(beside * np.sin(angle) * 0.6), -steepest, steepest)
    axis = _direction(axis_heading, axis_pitch)
    back = _direction(heading, np.zeros(B))
    position = centre - back * (distance * np.cos(pitch))[:, None]
    position[:, 2] += above
    nearest = np.einsum("btji,bi->btj", joints - position[:, None, None], axis).min((1, 2))
    position -= back * (np.maximum(MIN_DEPTH_M - nearest, 0) / (axis * back).sum(-1))[:, None]
    roll = np.radians(rng.triangular(-1, 0, 1, B) * w.roll_deg)
    R, t = look_at(position, position + axis, roll)
    unknown = rng.random(B) < w.assumed_lens
    ratio = np.exp(rng.normal(0, u.misjudged_focal, B))
    ratio = np.where(unknown, lens / np.tan(np.radians(ASSUMED_FOV_DEG) / 2), ratio)  # assumed over true focal length
    return CameraBatch(R, t, ratio, rng.normal(0, u.distortion_k1, B))


def _direction(heading: Float[Array, " B"], pitch: Float[Array, " B"]) -> Float[Array, "B 3"]:
    """Unit vectors that point down by ``pitch`` radians."""
    return np.stack([np.cos(pitch) * np.cos(heading), np.cos(pitch) * np.sin(heading), -np.sin(pitch)], -1)


def training_cameras(
    rng: np.random.Generator, world_m: Float[Array, "B T J 3"], usual: CameraRanges, video: VideoOptions
) -> CameraBatch:
    """The camera of every window: of the usual ranges, or a wide one with the probability that ``video`` states."""
    cameras = sample_cameras(rng, world_m[:, :, 0], usual)
    if not video.wide:
        return cameras
    wide = sample_wide_cameras(rng, world_m, video.cameras, usual)
    which = rng.random(len(world_m)) < video.wide

    def chosen(name: str) -> Array:
        a, b = getattr(wide, name), getattr(cameras, name)
        return np.asarray(np.where(which.reshape(-1, *[1] * (a.ndim - 1)), a, b))

    return replace(cameras, **{name: chosen(name) for name in CameraBatch.__dataclass_fields__})


def _keeps_in_view(camera: Camera, joints_world_m: Array) -> bool:
    cam = camera.to_camera(joints_world_m)
    if cam[..., 2].min() < 1.2:
        return False
    px = camera.project(cam)
    return bool((px >= 0).all() and (px[..., 0] < camera.width).all() and (px[..., 1] < camera.height).all())


def benchmark_cameras(clip_name: str, joints_world_m: Float[Array, "T 17 3"]) -> list[Camera]:
    """The four fixed cameras of a clip, always the same (seed: clip name and ``BENCHMARK_SEED``).

    They stand a quarter turn apart at random height, lens and image format, and step back until the clip is in view.
    """
    rng = np.random.default_rng([BENCHMARK_SEED, zlib.crc32(clip_name.encode())])
    low, high = joints_world_m.min((0, 1)).astype(np.float64), joints_world_m.max((0, 1)).astype(np.float64)
    centre, first_yaw = (low + high) / 2, rng.uniform(0, 2 * np.pi)
    cameras = []
    for quarter in range(4):
        width, height = _SIZES[rng.integers(len(_SIZES))]
        lens = Camera.from_fov(width, height, rng.uniform(40, 75))
        yaw = first_yaw + quarter * np.pi / 2 + rng.uniform(-0.3, 0.3)
        distance, above = rng.uniform(2.5, 5.0), rng.uniform(0.4, 2.4)
        aim = centre + rng.uniform(-0.3, 0.3, 3)
        roll = np.radians(rng.normal(0, 2.0))
        for _ in range(60):
            position = np.array([*(centre[:2] + distance * np.array([np.cos(yaw), np.sin(yaw)])), above])
            R, t = look_at(position, aim, roll)
            camera = Camera(
                width, height, lens.fx, lens.fy, lens.cx, lens.cy, R_world_to_camera=R, t_m=t, source="virtual"
            )
            if _keeps_in_view(camera, joints_world_m.astype(np.float64)):
                break
            distance *= 1.1
        cameras.append(camera)
    return cameras


def view_cameras(clip_name: str, joints_world_m: Float[Array, "T J 3"]) -> dict[str, Camera]:
    """The camera of every view of a clip, always the same (seed: clip name and ``BENCHMARK_SEED``).

    All four look at the middle of the clip's path from one side, at one distance or further, through one lens: they
    differ in elevation. Each steps back along its line of sight until the clip is in view.
    """
    rng = np.random.default_rng([BENCHMARK_SEED, VIEW_CAMERAS_VERSION, zlib.crc32(clip_name.encode())])
    joints = joints_world_m.astype(np.float64)
    centre, yaw = (joints.min((0, 1)) + joints.max((0, 1))) / 2, rng.uniform(0, 2 * np.pi)
    width, height = _SIZES[rng.integers(len(_SIZES))]
    lens, nearest = Camera.from_fov(width, height, rng.uniform(40, 75)), rng.uniform(2.5, 5.0)
    found = {}
    for name, elevation in VIEWS.items():
        up = np.radians(rng.uniform(*elevation))
        towards = np.array([np.cos(up) * np.cos(yaw), np.cos(up) * np.sin(yaw), np.sin(up)])
        for step in range(80):
            R, t = look_at(centre + nearest * 1.1**step * towards, centre)
            camera = Camera(
                width, height, lens.fx, lens.fy, lens.cx, lens.cy, R_world_to_camera=R, t_m=t, source=f"virtual, {name}"
            )
            if _keeps_in_view(camera, joints):
                break
        found[name] = camera
    return found
