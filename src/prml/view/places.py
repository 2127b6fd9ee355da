"""Where several people stand in one drawing: root-relative poses are placed side by side as the camera saw them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from prml.filters.root import Placement
from prml.sequence import PoseSequence
from prml.view.stage import MAX_RADIUS_M, Stage

Array = np.ndarray
NOTE = "people stand where the camera saw them; how far away is known only roughly"
ACROSS_S, DEPTH_S = 0.25, 1.0  # standard deviations of the smoothing in time; depth from one camera is noisy


def offsets(people: Sequence[PoseSequence], up: Float[Array, "3"] | None = None) -> list[Float[Array, "T 3"]]:
    """Return for every person where the root-relative pose is drawn, metres in the view frame.

    One person stays where the hip is fixed. Of several, each moves over the floor along a smoothed path, relative to
    the first one's median place; feet are put on the same floor. People with a path of their own, and those without 2D
    or a camera, are not moved.

    Args:
        people: lifted, on one clock.
        up: as for :meth:`Stage.of`.
    """
    still = [np.zeros((len(one), 3)) for one in people]
    if len(people) < 2 or not all(_can_be_placed(one) for one in people):
        return still
    stages = [Stage.of(one, up) for one in people]
    paths = [_path(one) @ stage.R_view.T for one, stage in zip(people, stages, strict=True)]
    home = np.median(paths[0], axis=0)
    for path, stage in zip(paths, stages, strict=True):
        path -= home
        path[:, 1] = stages[0].floor_m - stage.floor_m
    return paths


def stage_of(people: Sequence[PoseSequence], up: Float[Array, "3"] | None = None) -> Stage:
    """Return a stage that holds all people where :func:`offsets` puts them; raises PrmlError as :meth:`Stage.of`."""
    stages = [Stage.of(one, up) for one in people]
    if len(people) < 2:
        return stages[0]
    places = [(s.centre_m + o)[:, [0, 2]] for s, o in zip(stages, offsets(people, up), strict=True)]
    low = np.min(
        [np.percentile(place, 2, axis=0) - s.radius_m for place, s in zip(places, stages, strict=True)], axis=0
    )
    high = np.max(
        [np.percentile(place, 98, axis=0) + s.radius_m for place, s in zip(places, stages, strict=True)], axis=0
    )
    floor = stages[0].floor_m
    top = max(floor + s.top_m - s.floor_m for s in stages)
    middle = (low + high) / 2
    radius = min(float(np.max(high - low)) / 2, MAX_RADIUS_M)
    centre = np.array([middle[0], (floor + top) / 2, middle[1]])
    return replace(stages[0], centre_m=centre, top_m=top, radius_m=radius)


def _can_be_placed(one: PoseSequence) -> bool:
    return one.root_relative and one.camera is not None and one.keypoints_px is not None and one.frame == "camera"


def _path(one: PoseSequence) -> Float[Array, "T 3"]:
    """The smoothed position of the root before the camera, metres, held at the ends and bridged in gaps."""
    origins = Placement.of(one).origins_m
    known = np.flatnonzero(np.isfinite(origins).all(axis=1))
    if not len(known):
        return np.zeros((len(one), 3))
    frames = np.arange(len(one))
    path = np.stack([np.interp(frames, known, origins[known, axis]) for axis in range(3)], axis=-1)
    for axis, sigma_s in enumerate((ACROSS_S, ACROSS_S, DEPTH_S)):
        path[:, axis] = _smooth(path[:, axis], sigma_s * one.fps)
    return path


def _smooth(values: Float[Array, " T"], sigma: float) -> Float[Array, " T"]:
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-6)) ** 2)
    padded = np.pad(values, reach, mode="edge")
    return np.asarray(np.convolve(padded, kernel / kernel.sum(), mode="valid"))
