"""Sequences of moving people, made up, in the layouts that the readers give."""

import pickle
from pathlib import Path

import numpy as np

from prml.camera import Camera
from prml.evaluation.protocols.base import EvaluationProtocol
from prml.evaluation.protocols.data import Given
from prml.evaluation.protocols.rules import KeypointsAsRead
from prml.sequence import GroundTruth, PoseSequence

CAMERA = Camera(1000, 1002, 1145.0, 1143.0, 512.0, 515.0, radial=(-0.2, 0.24, 0.0), tangential=(-0.001, -0.001))


def moving(seed: int, frames: int = 20, **labels) -> PoseSequence:
    """A person 4 to 6 m away whose joints sway."""
    rng = np.random.default_rng(seed)
    base, sway = rng.normal(0, 0.35, (17, 3)), rng.normal(0, 0.1, (17, 3))
    base[0] = sway[0] = 0
    t = np.arange(frames)[:, None, None] / 10
    joints = base + sway * np.sin(t + rng.uniform(0, 6, (17, 1))) + np.array([0.2, 0.1, rng.uniform(4, 6)])
    return PoseSequence.regular(
        frames,
        50.0,
        joints_m=joints,
        keypoints_px=CAMERA.project(joints),
        confidence=np.ones((frames, 17)),
        camera=CAMERA,
        **{"name": f"clip{seed}", "subject": "S9", "action": "Walking", "source": "made up", **labels},
    )


def image_space(sequence: PoseSequence) -> PoseSequence:
    """The same person in the layout of the Stacked-Hourglass reader."""
    joints, camera = sequence.joints_m, sequence.camera
    xy = joints[..., :2] / joints[..., 2:] * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    ratio = camera.fx / joints[:, :1, 2] / 1000 + 1 / 2000  # px per mm at the root's depth
    z = ratio * (joints[..., 2] - joints[:, :1, 2]) * 1000
    image = np.concatenate([xy, z[..., None]], -1)
    factor = 1 / ratio[:, 0]
    label = image * factor[:, None, None]
    truth = GroundTruth(joints_image_px=image, joints_25d_mm=label)
    return sequence.with_(joints_m=(label - label[:, :1]) / 1000, root_relative=True, mm_per_px=factor, truth=truth)


def given(*sequences: PoseSequence, metrics: tuple[str, ...] = ("mpjpe", "p_mpjpe"), **rules) -> EvaluationProtocol:
    """A protocol over sequences at hand."""
    rules = {"keypoints": KeypointsAsRead("exact"), **rules}
    return EvaluationProtocol("given", 1, "for tests", Given(tuple(sequences)), metrics, **rules)


class Wrong:
    """A predictor that is wrong by a fixed noise: the same prediction for the same frames under every protocol."""

    def __init__(self, *sequences: PoseSequence, size_m: float = 0.05) -> None:
        self.answers = {}
        for number, sequence in enumerate(sequences):
            joints = sequence.joints_m - sequence.joints_m[:, :1]
            noise = np.random.default_rng([7, number]).normal(0, size_m, joints.shape)
            self.answers[sequence.name] = (sequence.times_s, joints + noise)
        self.seen: list[PoseSequence] = []

    def __call__(self, sequence: PoseSequence) -> np.ndarray:
        self.seen.append(sequence)
        times, answer = self.answers[sequence.name]
        return answer[np.searchsorted(times, sequence.times_s - 1e-9)]


def body_arrays(vertices: int = 40) -> dict[str, np.ndarray]:
    """A skinned body of random numbers under SMPL's names: 24 joints, 10 shape coefficients."""
    rng = np.random.default_rng(5)
    parents = np.array([0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21])
    joints, weights = rng.random((24, vertices)), rng.random((vertices, 24))
    return {
        "v_template": rng.normal(0, 0.4, (vertices, 3)),
        "shapedirs": rng.normal(0, 0.02, (vertices, 3, 10)),
        "posedirs": rng.normal(0, 0.002, (vertices, 3, 207)),
        "J_regressor": joints / joints.sum(1, keepdims=True),
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": np.stack([parents, np.arange(24)]),
    }


def write_mesh_files(folder: Path, frames: int = 40) -> None:
    """Files in the layout of MotionBERT's 3DPW mesh data, with a body of random numbers in SMPL's place."""
    rng, arrays = np.random.default_rng(6), body_arrays()
    folder.mkdir()
    np.savez(folder / "SMPL_NEUTRAL.npz", **arrays)
    regressor = rng.random((17, 40)) ** 8
    np.save(folder / "J_regressor_h36m_correct.npy", regressor / regressor.sum(1, keepdims=True))
    test = {
        "joint_2d": rng.uniform(300, 1600, (frames, 17, 2)),
        "confidence": rng.random((frames, 17, 1)),
        "smpl_pose": rng.normal(0, 0.3, (frames, 72)),
        "smpl_shape": rng.normal(0, 1, (frames, 10)),
        "source": ["downtown_walking_000"] * (frames - 18) + ["downtown_walking_001"] * 18,
    }
    (folder / "mesh_det_pw3d.pkl").write_bytes(pickle.dumps({"train": {}, "test": test}))
