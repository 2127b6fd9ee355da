"""Image-space predictions scored in camera metres, the depth of the root being known."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.evaluation.protocols.base import EvaluationProtocol
from prml.evaluation.protocols.rules import MM_PER_M, CameraSpace
from prml.sequence import PoseSequence

Array = np.ndarray


@dataclass(frozen=True)
class KnownFactorSpace:
    """Camera-frame metres for networks that predict in image space.

    The true depth Z of the root gives the factor Z / f (millimetres per pixel), as ``2.5d_factor`` does in MotionBERT's
    file, and the perspective: a joint at pixel u and at Z + dz lies at (u - c) / f (Z + dz). The root's pixel is the
    input's.
    """

    description: str = (
        "camera-frame metres, root-relative, scored in mm; predicted in image space and converted by the true depth of "
        "the root (known factor), perspective included"
    )

    def prepare(self, sequence: PoseSequence) -> PoseSequence:
        """The sequence with the factor of every frame; PrmlError without a camera or the true depth of its root."""
        joints, camera = sequence.joints_m, sequence.camera
        if joints is None or camera is None or sequence.frame != "camera" or sequence.root_relative:
            raise PrmlError(
                f"{sequence.name or 'the sequence'}: a known factor needs a camera and the root's true depth"
            )
        depth = np.asarray(joints[:, sequence.skeleton.root, 2], np.float64)
        return sequence.with_(mm_per_px=MM_PER_M * depth / camera.fx)

    def target(self, sequence: PoseSequence) -> Float[Array, "T J 3"]:
        """Return camera-frame joints minus the root joint, in metres."""
        return CameraSpace().target(sequence)

    def prediction(self, joints_m: Float[Array, "T J 3"], seen: PoseSequence) -> Float[Array, "T J 3"]:
        """Return the camera-frame pose of 2.5D metres, from the pixel of the input's root."""
        if seen.camera is None or seen.keypoints_px is None or seen.mm_per_px is None:
            raise PrmlError(
                f"{seen.name or 'the sequence'}: a known factor needs a camera, 2D keypoints and the factor"
            )
        factor = np.asarray(seen.mm_per_px, np.float64)[:, None, None]
        root = seen.camera.unproject(np.asarray(seen.keypoints_px, np.float64)[:, seen.skeleton.root, None])
        focal = np.array([seen.camera.fx, seen.camera.fy])
        rays = root + joints_m[..., :2] * MM_PER_M / factor / focal  # the image of the label has no distortion
        at = factor * seen.camera.fx / MM_PER_M
        depth = at + joints_m[..., 2:]
        relative: Array = np.concatenate([rays * depth - root * at, depth - at], -1)
        return relative

    def image(self, joints_m: Float[Array, "T J 3"], sequence: PoseSequence) -> Float[Array, "T J 2"] | None:
        """Project with the sequence's camera."""
        return CameraSpace().image(joints_m, sequence)


def converted(rules: EvaluationProtocol) -> EvaluationProtocol:
    """Return a protocol in camera metres for networks that predict in image space; PrmlError for another space."""
    if not isinstance(rules.space, CameraSpace):
        raise PrmlError(f"{rules.name} scores in image space itself; leave convert=True out")
    return rules.with_(space=KnownFactorSpace())
