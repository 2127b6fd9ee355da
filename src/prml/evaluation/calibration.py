"""Calibration of predicted standard deviations: their coverage of errors, and the factors that correct it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.sequence import PoseSequence
from prml.skeleton import Skeleton, joint_groups

Array = np.ndarray
NORMAL = (0.6827, 0.9545)  # shares of a normal distribution within one and two standard deviations
AXES = ("x", "y", "z")


@dataclass(frozen=True)
class Ratios:
    """Absolute errors in units of their predicted standard deviation.

    Attributes:
        groups: joint group -> (n, 3) ratios along x, y, z.
    """

    groups: Mapping[str, Float[Array, "n 3"]]

    @classmethod
    def of(cls, pairs: Iterable[tuple[PoseSequence, PoseSequence]]) -> "Ratios":
        """Collect ratios from pairs of a lifted sequence with ``std_m`` and the truth on the same joints.

        Both are taken relative to the root, which itself has no error and does not count. Joints without a truth or
        without a pose do not count either.

        Raises:
            PrmlError: a sequence without ``std_m`` or ``joints_m``, or other joints.
        """
        found: dict[str, list[Array]] = {}
        for lifted, truth in pairs:
            ratios = _ratios(lifted, truth)
            for group, joints in groups_without_root(lifted.skeleton).items():
                values = ratios[:, joints].reshape(-1, 3)
                found.setdefault(group, []).append(values[np.isfinite(values).all(-1)])
        if not found:
            raise PrmlError("expected at least one lifted sequence to calibrate with, got none")
        return cls({group: np.concatenate(parts) for group, parts in found.items()})

    def coverage(self, factors: Mapping[str, Iterable[float]] | None = None) -> dict[str, dict[str, list[float]]]:
        """Shares of errors within one and two standard deviations: group -> axis -> [share, share].

        Args:
            factors: group -> factors on the standard deviations along x, y, z; 1 for groups left out.
        """
        given = {group: np.array(list(values)) for group, values in (factors or {}).items()}
        return {
            group: {
                axis: [round(float((scaled[:, a] <= k).mean()), 4) for k in (1, 2)]
                for a, axis in enumerate(AXES)
                for scaled in (ratios / given.get(group, np.ones(3)),)
            }
            for group, ratios in self.groups.items()
            if len(ratios)
        }

    def temperature(self) -> dict[str, list[float]]:
        """Smallest factors per group and axis whose coverage is at least a normal distribution's, at one and at two."""
        return {
            group: [round(_least_factor(ratios[:, a]), 3) for a in range(3)]
            for group, ratios in self.groups.items()
            if len(ratios)
        }


def groups_without_root(skeleton: Skeleton) -> dict[str, list[int]]:
    """Joint groups without the root, whose error is zero by definition."""
    return {group: [j for j in joints if j != skeleton.root] for group, joints in joint_groups(skeleton).items()}


def _ratios(lifted: PoseSequence, truth: PoseSequence) -> Float[Array, "T J 3"]:
    if lifted.std_m is None or lifted.joints_m is None or truth.joints_m is None:
        raise PrmlError(
            "calibration needs joints_m and std_m of a network with an uncertainty head, and the true joints"
        )
    if lifted.skeleton != truth.skeleton or len(lifted) != len(truth):
        raise PrmlError(
            f"expected the truth of {len(lifted)} frames of {lifted.skeleton.name}, got {len(truth)} frames of "
            f"{truth.skeleton.name}"
        )
    root = lifted.skeleton.root
    error = (lifted.joints_m - lifted.joints_m[:, [root]]) - (truth.joints_m - truth.joints_m[:, [root]])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.abs(error) / lifted.std_m)


def _least_factor(ratios: Float[Array, " n"]) -> float:
    return max(float(np.quantile(ratios, share)) / k for k, share in zip((1, 2), NORMAL, strict=True))
