"""The networks by name, with what their papers and the PrML paper say of them: data only, no torch.

A network is one file (a subclass of ``prml.networks.base.Network``) and one :class:`NetworkEntry` here. Other packages
add an entry point of the group ``prml.networks`` that leads to a :class:`NetworkEntry` of theirs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class NetworkEntry:
    """A named network.

    Attributes:
        name: registry name.
        builder: "module:Class"; imported when the network is built.
        arguments: constructor arguments of this named size.
        window: T that the named size is meant for.
        output: "sequence" (one pose per frame), "middle" (one for the window's middle frame), "last" (its last frame).
        any_length: whether windows of other lengths than the one it was built for are accepted.
        paper, year, venue: reference.
        code_licence: licence of the authors' code ("none" = no licence file; read for facts only).
        paper_parameters_m, paper_macs_g, paper_macs_per_frame_m: as the PrML paper prints them (Table 2).
        notes: known oddities.
        windows: window lengths that the authors publish, or write of.
        dilation: every how many frames of the video the authors' window takes one.
        space: of the authors' labels: "camera_m" (root-relative metres, camera frame), "image" (MotionBERT's 2.5D).
        scoring: by dataset ("h36m", "3dhp"), how the authors' own script scores, where it differs from the protocol's
            rules or adds to them: ``root``, ``windows`` (kinds of those rules), ``short_videos`` (as text).
        published: whether the authors' state_dict can be read (``from_published``).
        image_features: whether it needs them beside the 2D pose.
        image_argument: constructor argument with which it needs them, unless that is "none"; empty if there is none.
        small: arguments that make it quick to build, train and run, its window too: for tests.
    """

    name: str
    builder: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    window: int = 243
    output: Literal["sequence", "middle", "last"] = "sequence"
    any_length: bool = True
    paper: str = ""
    year: int = 0
    venue: str = ""
    code_licence: str = ""
    paper_parameters_m: float | None = None
    paper_macs_g: float | None = None
    paper_macs_per_frame_m: float | None = None
    notes: str = ""
    windows: tuple[int, ...] = ()
    dilation: int = 1
    space: Literal["camera_m", "image"] = "camera_m"
    scoring: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    published: bool = False
    image_features: bool = False
    image_argument: str = ""
    small: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fixed_window(self) -> bool:
        """Whether windows must have the length that the network was built for; shorter ones will do otherwise."""
        return not self.any_length or self.output != "sequence"

    def needs_images(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a network of these arguments needs image features beside the 2D pose."""
        given = {**self.arguments, **arguments}.get(self.image_argument, "none")
        return self.image_features or given != "none"


_PRML = "prml.networks.prml.network:PrML"
_OWN: dict[str, Any] = {
    "builder": _PRML,
    "paper": "PrML: progressive multi-task learning for monocular 3D human pose estimation",
    "code_licence": "Apache-2.0",
    "image_argument": "image_features",
    "small": {"frames": 9, "width": 16, "heads": 2, "branch_blocks": 1},
}


_OWN_ROOT = {"root": "own"}  # VideoPose3D: the label's root is set to 0, the prediction's is not
_LAST_WINDOW = {"root": "own", "windows": "last", "short_videos": "their last frame is repeated up to T"}
_RESAMPLED = {"short_videos": "frames are repeated at random up to T; here the last one is"}


def _peer(builder: str, paper: str, year: int, venue: str, licence: str, **rest: Any) -> dict[str, Any]:
    return {
        "builder": f"prml.networks.peers.{builder}",
        "paper": paper,
        "year": year,
        "venue": venue,
        "code_licence": licence,
        "published": True,
        **rest,
    }


_MHFORMER = _peer(
    "mhformer:MHFormer",
    "MHFormer: Multi-Hypothesis Transformer for 3D Human Pose Estimation",
    2022,
    "CVPR",
    "MIT",
    output="middle",
    any_length=False,
    windows=(9, 27, 81, 243, 351),
    small={"frames": 9, "width": 24, "hidden": 16, "heads": 2},
)
_MIXSTE = _peer(
    "mixste:MixSTE",
    "MixSTE: Seq2seq Mixed Spatio-Temporal Encoder for 3D Human Pose Estimation in Video",
    2022,
    "CVPR",
    "none",
    any_length=False,
    windows=(27, 81, 243),
    small={"frames": 9, "width": 16, "heads": 2, "depth": 2},
    scoring={"h36m": _LAST_WINDOW},
)
_PSTMO = _peer(
    "pstmo:PSTMO",
    "P-STMO: Pre-trained Spatial Temporal Many-to-One Model for 3D Human Pose Estimation",
    2022,
    "ECCV",
    "MIT",
    output="middle",
    any_length=False,
    windows=(9, 27, 81, 243, 351),
    dilation=2,
    small={"frames": 9, "width": 16, "heads": 2, "depth": 1, "hidden": 16},
)
_POSEFORMERV2 = _peer(
    "poseformerv2:PoseFormerV2",
    "PoseFormerV2: Exploring Frequency Domain for Efficient and Robust 3D Human Pose Estimation",
    2023,
    "CVPR",
    "MIT",
    output="middle",
    any_length=False,
    windows=(27, 81, 243),
    small={"frames": 9, "kept_frames": 3, "width": 8, "heads": 2, "depth": 1},
    scoring={"h36m": _OWN_ROOT},
)
_STCFORMER = _peer(
    "stcformer:STCFormer",
    "3D Human Pose Estimation with Spatio-Temporal Criss-cross Attention",
    2023,
    "CVPR",
    "none",
    windows=(27, 81, 243),
    dilation=3,
    small={"frames": 9, "width": 32, "depth": 2},
    scoring={"h36m": {"windows": "centre"}},
)
_GLAGCN = _peer(
    "glagcn:GLAGCN",
    "GLA-GCN: Global-local Adaptive Graph Convolutional Network for 3D Human Pose Estimation",
    2023,
    "ICCV",
    "none",
    output="middle",
    any_length=False,
    windows=(27, 81, 243),
    small={"frames": 9, "width": 8},
    scoring={"h36m": _OWN_ROOT},
)
_MOTIONBERT = _peer(
    "motionbert:MotionBERT",
    "MotionBERT: A Unified Perspective on Learning Human Motion Representations",
    2023,
    "ICCV",
    "Apache-2.0",
    windows=(243,),
    space="image",
    small={"frames": 9, "width": 16, "heads": 2, "depth": 2, "representation": 16},
    scoring={"h36m": _RESAMPLED},
)
_KTPFORMER = _peer(
    "ktpformer:KTPFormer",
    "KTPFormer: Kinematics and Trajectory Prior Knowledge-Enhanced Transformer",
    2024,
    "CVPR",
    "none",
    any_length=False,
    windows=(27, 81, 243),
    small={"frames": 9, "width": 16, "heads": 2, "depth": 1},
    scoring={"h36m": _LAST_WINDOW},
)
_MOTIONAGFORMER = _peer(
    "motionagformer:MotionAGFormer",
    "MotionAGFormer: Enhancing 3D Pose Estimation with a Transformer-GCNFormer Network",
    2024,
    "WACV",
    "Apache-2.0",
    any_length=False,
    space="image",
    small={"frames": 9, "width": 16, "heads": 2, "depth": 2, "representation": 16},
    scoring={"h36m": _RESAMPLED, "3dhp": {"windows": "centre"}},
)
_TCPFORMER = _peer(
    "tcpformer:TCPFormer",
    "TCPFormer: Learning Temporal Correlation with Implicit Pose Proxy for 3D Human Pose Estimation",
    2025,
    "AAAI",
    "MIT",
    any_length=False,
    windows=(9, 27, 81, 243),
    space="image",
    small={"frames": 9, "width": 16, "heads": 2, "depth": 2, "representation": 16},
    scoring={"h36m": _RESAMPLED, "3dhp": {"windows": "centre"}},
)
_CAPF = _peer(
    "capf:CAPF",
    "A Single 2D Pose with Context is Worth Hundreds for 3D Human Pose Estimation",
    2023,
    "NeurIPS",
    "none",
    window=1,
    windows=(1,),
    image_features=True,
    small={"frames": 2, "width": 16, "heads": 2, "features": (4, 6, 8, 10)},
)
_VIDEOPOSE3D = _peer(
    "videopose3d:VideoPose3D",
    "3D Human Pose Estimation in Video with Temporal Convolutions and Semi-supervised Training",
    2019,
    "CVPR",
    "CC BY-NC 4.0",
    output="middle",
    windows=(27, 81, 243),
    small={"frames": 9, "width": 16},
    scoring={"h36m": _OWN_ROOT},
)


def _printed(parameters_m: float, macs_g: float, per_frame_m: float) -> dict[str, Any]:
    """A row of the PrML paper's Table 2."""
    return {"paper_parameters_m": parameters_m, "paper_macs_g": macs_g, "paper_macs_per_frame_m": per_frame_m}


ENTRIES: dict[str, NetworkEntry] = {
    entry.name: entry
    for entry in (
        NetworkEntry(
            "prml",
            **_OWN,
            **_printed(13.0, 49.3, 203),
            notes="K = 1 and N = 13 are not printed in the paper; they reproduce its cost.",
        ),
        NetworkEntry(
            "prml-s",
            **_OWN,
            arguments={"frames": 81, "width": 64, "heads": 4, "branch_blocks": 2},
            window=81,
            notes="for CPUs; bundled weights",
        ),
        NetworkEntry(
            "prml-xs",
            **_OWN,
            arguments={"frames": 27, "width": 64, "heads": 4, "branch_blocks": 2},
            window=27,
            notes="for live use; bundled weights",
        ),
        NetworkEntry(
            "prml-m",
            **_OWN,
            arguments={"frames": 81, "width": 128, "branch_blocks": 5},
            window=81,
            notes="for GPUs and patient CPUs",
        ),
        NetworkEntry(
            "mhformer",
            **_MHFORMER,
            **_printed(30.9, 7.1, 7096),
            window=351,
            notes="the printed parameters leave the position embeddings out (full count 31.52 M)",
        ),
        NetworkEntry(
            "mixste",
            **_MIXSTE,
            **_printed(33.6, 139.0, 572),
            notes="the printed parameters leave the position embeddings out",
        ),
        NetworkEntry(
            "pstmo",
            **_PSTMO,
            **_printed(6.2, 0.7, 740),
            notes="the printed size and cost are of P-STMO-S (3 layers), the printed accuracy is of P-STMO (4 layers)",
        ),
        NetworkEntry(
            "pstmo-s",
            **_PSTMO,
            arguments={"depth": 3},
            notes="its size and cost stand in the paper's row of P-STMO (6.2 M, 0.7 G)",
        ),
        NetworkEntry(
            "poseformerv2",
            **_POSEFORMERV2,
            **_printed(14.3, 0.5, 528),
            notes="27 frames and 27 cosine coefficients of a window of 243",
        ),
        NetworkEntry(
            "poseformerv2-81",
            **_POSEFORMERV2,
            arguments={"frames": 81, "kept_frames": 9},
            window=81,
            notes="9 frames and 9 cosine coefficients of a window of 81",
        ),
        NetworkEntry(
            "stcformer",
            **_STCFORMER,
            **_printed(4.7, 19.6, 80),
            notes="sequence to sequence, but its published scores slide by a frame and keep the centre: 19.6 G a frame",
        ),
        NetworkEntry("stcformer-l", **_STCFORMER, arguments={"width": 512}),
        NetworkEntry("glagcn", **_GLAGCN, **_printed(1.3, 1.5, 1556)),
        NetworkEntry("motionbert", **_MOTIONBERT, **_printed(42.5, 174.7, 719)),
        NetworkEntry("motionbert-lite", **_MOTIONBERT, arguments={"width": 256, "mlp_ratio": 4.0}),
        NetworkEntry(
            "ktpformer",
            **_KTPFORMER,
            **_printed(33.7, 69.5, 286),
            notes="the printed multiply-adds are half of what the released model takes (139.1 G by the same counter); "
            "the printed parameters leave W, M and the adjacency offsets out (full count 35.21 M)",
        ),
        NetworkEntry(
            "motionagformer", **_MOTIONAGFORMER, **_printed(19.0, 78.3, 322), windows=(81, 243), notes="size L"
        ),
        NetworkEntry("motionagformer-b", **_MOTIONAGFORMER, arguments={"depth": 16}, windows=(81, 243)),
        NetworkEntry(
            "motionagformer-s", **_MOTIONAGFORMER, arguments={"frames": 81, "width": 64}, window=81, windows=(81,)
        ),
        NetworkEntry(
            "motionagformer-xs",
            **_MOTIONAGFORMER,
            arguments={"frames": 27, "width": 64, "depth": 12},
            window=27,
            windows=(27,),
        ),
        NetworkEntry(
            "tcpformer",
            **_TCPFORMER,
            notes="newer than the PrML paper; its attention within thirds of the window has a fixed factor of 1e-5",
        ),
        NetworkEntry("capf", **_CAPF, notes="lifter alone, fed by HRNet-W32; single frame"),
        NetworkEntry(
            "capf-hrnet48", **_CAPF, arguments={"features": "hrnet_48"}, notes="lifter alone, fed by HRNet-W48"
        ),
        NetworkEntry("capf-cpn", **_CAPF, arguments={"features": "cpn"}, notes="lifter alone, fed by CPN"),
        NetworkEntry("videopose3d", **_VIDEOPOSE3D, notes="dilated: gives all frames of a longer sequence in one pass"),
        NetworkEntry(
            "videopose3d-window",
            **{**_VIDEOPOSE3D, "any_length": False},
            arguments={"strided": True},
            notes="strided: the same function of one window at a fifteenth of the cost",
        ),
        NetworkEntry(
            "videopose3d-causal",
            **{**_VIDEOPOSE3D, "any_length": False, "output": "last"},
            arguments={"strided": True, "causal": True},
            notes="sees only the past: for live use",
        ),
    )
}

# other names that people know a size by
ALIASES = {
    "p-stmo": "pstmo",
    "p-stmo-s": "pstmo-s",
    "motionagformer-l": "motionagformer",
    "gla-gcn": "glagcn",
    "ca-pf": "capf",
    "capf-hrnet-32": "capf",
    "capf-hrnet32": "capf",
    "capf-hrnet-48": "capf-hrnet48",
}
