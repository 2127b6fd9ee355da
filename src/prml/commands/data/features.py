"""``prml data features``: compute image features of videos with known poses."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from prml.image_features.options import CacheOptions
from prml.options import option


@dataclass(frozen=True)
class Options(CacheOptions):
    """Run a backbone over videos once and cache its feature maps, for 'prml fit' with data.kind features.

    Nothing is done if the cache exists and was made with the same backbone, weights, crops, videos and poses. A run
    that was stopped is continued.

    Attributes:
        images: video or image folder of one clip, or a folder with a video (NAME.mp4) or an image folder (NAME) per
            clip; for Human3.6M the folder with the release's S1 to S11.
        poses: poses.npz of 'prml lift', a file in the schema of prml.io.sequences, or the folder with Human3.6M's npz
            pair; keypoint files have no 3D to train on.
        out: folder of the cache.
        backbone: hrnet_w32 or another HRNet of timm (needs prml-pose[backbone]), sdxl-vae for latents of SDXL's VAE
            (needs prml-pose[vae]), depth-anything (needs prml-pose[depth]), or a custom FILE.py:FUNCTION.
        weights: weights of the backbone, as safetensors or a torch checkpoint (also a whole CA-PF checkpoint); for
            sdxl-vae and depth-anything a folder, or hf:OWNER/NAME to download it. Nothing else is downloaded.
        depth_weights: folder of Depth Anything, or hf:OWNER/NAME: its features become one more map.
        keypoints: 2D file of Human3.6M.
        split: part of the data, for files that do not state it.
        device: device of the backbone: cpu, cuda, cuda:1, mps, ...
        overwrite: rebuild a stale cache.
    """

    images: Path = option(positional=True)
    poses: Path = option(positional=True)
    _: KW_ONLY
    out: Path
    backbone: str = option("hrnet_w32", local=True)
    weights: Path | None = None
    depth_weights: Path | None = None
    keypoints: str = "cpn_ft_h36m_dbb"
    split: Literal["train", "val"] = "train"
    device: str = "cpu"
    overwrite: bool = False


def run(options: Options) -> int:
    """Build the cache, or report that it is up to date."""
    from rich.progress import Progress

    from prml.commands._console import plain_console
    from prml.commands._parser import part_of
    from prml.device import device_name
    from prml.image_features.backbones import open_backbone
    from prml.image_features.build import build_cache
    from prml.image_features.cache import FeatureCache
    from prml.image_features.clips import clips_of
    from prml.io.files import check_folder

    o = options
    check_folder(o.out)
    clips = clips_of(o.images, o.poses, split=o.split, keypoints=o.keypoints)
    opened = open_backbone(o.backbone, o.weights, o.device, depth_weights=o.depth_weights)
    console = plain_console()
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("features", total=None)
        made = build_cache(
            o.out,
            clips,
            opened,
            part_of(o, CacheOptions),
            overwrite=o.overwrite,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    size = sum(p.stat().st_size for p in o.out.iterdir()) / 1e9
    text = f"{'wrote' if made else 'up to date:'} {o.out}: {FeatureCache(o.out).frames} frames, {size:.2f} GB"
    console.print(
        f"{text}, backbone {opened.name} {opened.fingerprint[:12]} on {device_name(opened.device)}", soft_wrap=True
    )
    return 0
