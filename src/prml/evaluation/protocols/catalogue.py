"""The named protocols. ``prml protocols`` lists them; docs/protocols.md explains how they differ."""

from collections.abc import Mapping
from difflib import get_close_matches

from prml.errors import PrmlError
from prml.evaluation.protocols.base import ActionTable, EvaluationProtocol
from prml.evaluation.protocols.data import DatasetSource, MocapSource, ViewsSource
from prml.evaluation.protocols.mesh import Pw3dMesh
from prml.evaluation.protocols.own import OwnSource
from prml.evaluation.protocols.rules import (
    Averaging,
    CutWindows,
    FrameRule,
    ImageSpace,
    KeypointsAsRead,
    KeypointsFilled,
    KeypointsFromLabel,
    LeaveOut,
    RootRule,
)
from prml.plugins import plugin, plugin_names
from prml.skeleton import BODY28

_COLUMNS = (
    ("Directions", "Dir."),
    ("Discussion", "Disc."),
    ("Eating", "Eat"),
    ("Greeting", "Greet"),
    ("Phoning", "Phone"),
    ("Photo", "Photo"),
    ("Posing", "Pose"),
    ("Purchases", "Pur."),
    ("Sitting", "Sit"),
    ("SittingDown", "SitD."),
    ("Smoking", "Smoke"),
    ("Waiting", "Wait"),
    ("WalkDog", "WalkD."),
    ("Walking", "Walk"),
    ("WalkTogether", "WalkT."),
)
_SYNONYMS = (
    ("TakingPhoto", "Photo"),
    ("Taking photo", "Photo"),
    ("Purchasing", "Purchases"),
    ("WalkingDog", "WalkDog"),
    ("Walking dog", "WalkDog"),
    ("WalkingTogether", "WalkTogether"),
    ("Walking together", "WalkTogether"),
    ("Sitting down", "SittingDown"),
)
# Figure 3 does not name its three hard actions in the text. These three have the largest errors in all rows of Table 1.
H36M_ACTIONS = ActionTable(_COLUMNS, _SYNONYMS, hard=("Photo", "Sitting", "SittingDown"))

_MOCAP_METRICS = ("mpjpe", "p_mpjpe", "n_mpjpe", "velocity", "x", "y", "z", "reprojection")
_BENDS = tuple(f"{joint}{kind}" for joint in ("knee", "elbow") for kind in ("", "_straight", "_deep"))
_H36M_METRICS = ("mpjpe", "p_mpjpe", "n_mpjpe", "velocity", "acceleration", "x", "y", "z", "pckh", "bone")
_3DPW_JOINTS = (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16)
_DAMAGED = LeaveOut(
    ("s_09_act_05_subact_02", "s_09_act_10_subact_02", "s_09_act_13_subact_01"),
    "S9 Greeting, SittingDown and Waiting; MotionBERT and its heirs leave them out",
)
_H36M_PICKLE = DatasetSource(
    "human36m-sh",
    "Human3.6M, subjects S9 and S11 as in the Stacked-Hourglass pickle, all four cameras, 50 frames/s",
    "h36m_sh_conf_cam_source_final.pkl (MotionBERT's)",
)
_3DHP_TEST = DatasetSource(
    "3dhp",
    "MPI-INF-3DHP, test sequences TS1 to TS6, 25 frames/s, joints of the universal skeleton (univ_annot3)",
    "data_test_3dhp.npz (P-STMO's), or the official TS1 ... TS6/annot_data.mat",
)
_3DPW_TEST = DatasetSource(
    "3dpw",
    "3DPW, test split, every person of every sequence, 30 frames/s, moving camera",
    "sequenceFiles/test/*.pkl (the official files)",
)
GROUP = "prml.protocols"  # entry points of other packages
_OWN = "this project (docs/protocols.md)"


def _mocap(name: str, sets: tuple[str, ...], noisy: bool, split: str | None) -> EvaluationProtocol:
    seen = (
        "exact projections with the errors of a detector added (measured; fixed seed per clip and camera), and its "
        "confidences"
        if noisy
        else "exact projections, confidence 1"
    )
    derived = "trunk and head joints derived from limbs and head centre as at inference"
    return EvaluationProtocol(
        name,
        1,
        f"{'noisy' if noisy else 'exact'} 2D of motion capture ({', '.join(sets)})",
        MocapSource(sets, noisy, split),
        _MOCAP_METRICS,
        KeypointsAsRead(f"{seen}; {derived}"),
        origin=_OWN,
        notes=(
            ("another laboratory and other actors, floor poses among them; never trained on",)
            if split is None
            else ("subjects, not persons, are apart: CMU gives no list of who is who",)
        ),
    )


def _h36m_pair(keypoints: str) -> DatasetSource:
    return DatasetSource(
        "human36m",
        "Human3.6M, subjects S9 and S11, all 15 actions, both takes, all four cameras, 50 frames/s (S11 Directions, "
        "take one, is not in the files: its video is damaged)",
        f"data_3d_h36m.npz and data_2d_h36m_{keypoints}.npz (VideoPose3D's), and the calibration",
        options=(("keypoints", keypoints),),
    )


def _h36m_camera(name: str, keypoints: str, what: str, title: str, notes: tuple[str, ...]) -> EvaluationProtocol:
    return EvaluationProtocol(
        name,
        1,
        title,
        _h36m_pair(keypoints),
        _H36M_METRICS,
        KeypointsAsRead(what),
        averaging=Averaging("actions"),
        actions=H36M_ACTIONS,
        origin="VideoPose3D (Pavllo et al. 2019), as MHFormer, P-STMO and STCFormer score it",
        notes=notes,
    )


def _h36m_image(
    name: str, title: str, origin: str, notes: tuple[str, ...], truth: bool = True, paste: bool = False
) -> EvaluationProtocol:
    detected = KeypointsAsRead("Stacked-Hourglass detections with confidence")
    return EvaluationProtocol(
        name,
        1,
        title,
        _H36M_PICKLE,
        _H36M_METRICS,
        KeypointsFromLabel() if truth else detected,
        leave_out=_DAMAGED,
        windows=CutWindows("drop"),
        space=ImageSpace(paste),
        averaging=Averaging("actions"),
        actions=H36M_ACTIONS,
        origin=origin,
        notes=notes,
    )


_ALL = (
    _mocap("mocap-gt", ("cmu", "ui_prmd"), False, "test"),
    _mocap("mocap-noisy", ("cmu", "ui_prmd"), True, "test"),
    _mocap("hdm05-gt", ("hdm05",), False, None),
    _mocap("hdm05-noisy", ("hdm05",), True, None),
    EvaluationProtocol(
        "mocap28-noisy",
        1,
        "noisy 2D of motion capture (cmu, ui_prmd) on 28 joints: feet, hands and head apart",
        MocapSource(("cmu", "ui_prmd"), True, "test", BODY28),
        (*_MOCAP_METRICS[:7], "all28", "feet", "hands", "face", "head_deg", "hand_deg", "foot_deg", *_BENDS),
        KeypointsAsRead(
            "exact projections with the errors of a detector added (measured; fixed seed per clip and camera), and its "
            "confidences; trunk and head joints derived from limbs and ears as at inference; "
            "joints that a clip lacks are absent"
        ),
        skeleton=BODY28,
        origin=_OWN,
        notes=(
            "the cameras and clips of mocap-noisy; MPJPE, P-MPJPE, velocity and axes are of the first 17 joints",
            "joints that a clip lacks are left out",
            "figures of straight limbs and deep bends are biases: predicted minus true bend, positive if too bent",
        ),
    ),
    EvaluationProtocol(
        "mocap-views",
        1,
        "noisy 2D of motion capture (cmu, ui_prmd) from below, level, above and overhead, each view apart",
        ViewsSource(("cmu", "ui_prmd")),
        ("mpjpe", "p_mpjpe", *_BENDS),
        KeypointsAsRead(
            "exact projections with the errors of a detector added (measured; fixed seed per clip, the same in all "
            "views), and its confidences; trunk and head joints derived from limbs and head centre as at inference"
        ),
        origin=_OWN,
        notes=(
            "rows per source are views; they differ by the camera's elevation alone",
            "figures of straight limbs and deep bends are biases: predicted minus true bend, positive if too bent",
        ),
    ),
    _h36m_camera(
        "h36m-cpn",
        "cpn_ft_h36m_dbb",
        "CPN detections, fine-tuned on Human3.6M (no confidence in the file)",
        "Human3.6M, CPN 2D, camera-frame metres",
        (
            "MixSTE, KTPFormer, PoseFormerV2 and GLA-GCN let the predicted root's own error count; "
            "MixSTE and KTPFormer score the last window's overlap twice",
            "Table 1 of the paper prints rows measured under this rule beside rows of h36m-sh-2.5d",
        ),
    ),
    _h36m_image(
        "h36m-sh-2.5d",
        "Human3.6M, Stacked-Hourglass 2D, MotionBERT's 2.5D (the paper's Table 1 and 12)",
        "MotionBERT (Zhu et al. 2023), followed by MotionAGFormer and PrML",
        ("the label is 14 to 20 mm (mean, by distance) away from the camera-frame pose: do not compare with h36m-cpn",),
        truth=False,
    ),
    _h36m_camera(
        "h36m-gt-projected",
        "gt",
        "ground truth projected by the calibrated camera, lens distortion included",
        "Human3.6M, ground-truth 2D by true projection",
        ("the rule of the rows of 19 to 30 mm in the paper's Table 2 (all but MotionBERT, MotionAGFormer and PrML)",),
    ),
    _h36m_image(
        "h36m-gt-orthographic",
        "Human3.6M, ground-truth 2D = x, y of the 2.5D label",
        "MotionAGFormer (use_proj_as_2d)",
        (
            "only depth is unknown: a network that copies its input has no error in x and y",
            "the rule of MotionAGFormer's 17.3 mm in Table 2",
        ),
    ),
    _h36m_image(
        "h36m-gt-pasted",
        "Human3.6M, ground-truth 2D, predicted x, y overwritten: an error of DEPTH ALONE",
        "MotionBERT (gt_2d: True)",
        (
            "measures depth alone: x and y of the prediction are replaced by the input's, which are the label's",
            "the rule of MotionBERT's 17.8 mm in Table 2; PrML's 17.2 mm follows MotionBERT or MotionAGFormer, "
            "the paper does not say which",
        ),
        paste=True,
    ),
    EvaluationProtocol(
        "3dhp-gt",
        2,
        "MPI-INF-3DHP, ground-truth 2D (the paper's Table 3)",
        _3DHP_TEST,
        ("pck", "auc", "mpjpe", "p_mpjpe", "x", "y", "z"),
        KeypointsAsRead("ground-truth annotations in the image"),
        frames=FrameRule("score-valid", "with the file's valid flag (2,929 of the six sequences)"),
        origin="P-STMO (Shan et al. 2022), reused by all later lifters; PCK and AUC as in the official script",
        notes=(
            "MPJPE is of 17 joints; PCK (below 150 mm) and AUC (0, 5, ..., 150 mm) of 14: no pelvis, spine, head",
            "AUC cannot exceed 96.8 %: the threshold of 0 mm never counts",
            "version 1 removed the frames that are not valid before lifting; its results do not compare with these",
        ),
    ),
    EvaluationProtocol(
        "own",
        1,
        "data of your own: prml-sequences, an imported set, or any dataset that is known here",
        OwnSource(),
        ("mpjpe", "p_mpjpe", "n_mpjpe", "velocity", "acceleration", "x", "y", "z", "bone"),
        KeypointsFilled(
            "the 2D of the files, or the projection of their 3D if they have none; of motion capture, projections with "
            "the errors of a detector added (measured; fixed seed per clip and camera)"
        ),
        frames=FrameRule("score-valid", "that the data flag as valid"),
        origin=_OWN,
        notes=("results compare if their data stamps are equal: the same files, splits and subjects",),
    ),
    EvaluationProtocol(
        "3dpw",
        1,
        "3DPW, official joints: what a joint lifter can claim without the SMPL files",
        _3DPW_TEST,
        ("mpjpe", "p_mpjpe", "x", "y", "z"),
        KeypointsFilled("the OpenPose detections of the files, in H36M17"),
        frames=FrameRule("score-valid", "with an aligned camera and a person detected"),
        root=RootRule("subtract"),
        joints=_3DPW_JOINTS,
        flip=True,
        origin="the 14 joints of MotionBERT's mesh evaluation; targets: SMPL's 24 joints of the official files",
        notes=(
            "NOT the rule of the paper's Table 15 (see 3dpw-mesh): that regresses 14 joints from SMPL's mesh, and its "
            "figures are MotionBERT's mesh task on other detections",
            "SMPL's limb joints lie a few centimetres from Human3.6M's; Thorax and Head are approximated",
        ),
    ),
    EvaluationProtocol(
        "3dpw-mesh",
        1,
        "3DPW, 14 joints of SMPL's mesh: the paper's Table 15, given the SMPL files",
        Pw3dMesh(),
        ("mpjpe", "p_mpjpe", "x", "y", "z"),
        KeypointsAsRead("the detections of mesh_det_pw3d.pkl, with confidence"),
        windows=CutWindows("last", length=16),
        root=RootRule("subtract"),
        joints=_3DPW_JOINTS,
        flip=True,
        origin="MotionBERT's mesh evaluation (Zhu et al. 2023), without vertices",
        notes=(
            "the published figures are of networks with an SMPL head, trained on 3DPW; a joint lifter is scored on the "
            "same joints, frames and 2D, and has no MPVE",
            "MotionBERT drops or resamples clips shorter than 16 frames; here no frame is left out, and the overlap of "
            "a video's last clip counts twice",
        ),
    ),
)
_PROTOCOLS: Mapping[str, EvaluationProtocol] = {p.name: p for p in _ALL}


def names() -> tuple[str, ...]:
    """Return the names of the protocols, those of other packages last."""
    return tuple(dict.fromkeys((*_PROTOCOLS, *plugin_names(GROUP))))


def get(name: str) -> EvaluationProtocol:
    """Return a protocol by name; raise PrmlError with the nearest known name if it is unknown."""
    found = _PROTOCOLS.get(name) or plugin(GROUP, name, EvaluationProtocol)
    if found is None:
        near = get_close_matches(name, names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names())}"
        raise PrmlError(f"unknown protocol {name!r}; {hint}")
    return found
