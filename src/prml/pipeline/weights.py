"""The network that a lift uses, with the image features that it may need."""

from typing import TYPE_CHECKING

from prml.errors import PrmlError
from prml.lifting.lifter import Lifter, LiftOptions
from prml.pipeline.settings import LiftSettings
from prml.pipeline.source import Source
from prml.weights.record import Record, load_record

if TYPE_CHECKING:
    from prml.image_features.source import FrameFeatures


def open_lifter(source: Source, settings: LiftSettings) -> Lifter:
    """The lifter that the settings name; raises PrmlError where it cannot lift this input."""
    record = load_record(settings.weights)
    flip = record.card.imported and record.card.flip if settings.flip is None else settings.flip
    return Lifter(record, LiftOptions(flip=flip), settings.device, _image_features(record, source, settings))


def _image_features(record: Record, source: Source, settings: LiftSettings) -> "FrameFeatures | None":
    """Features of the video's frames, if the network needs them."""
    card, given = record.card, settings.backbone is not None or settings.backbone_weights is not None
    if not record.network.image_channels:
        if given:
            raise PrmlError(f"{card.network} needs no image features; leave backbone=... and backbone_weights=... out")
        return None
    if source.video is None:
        raise PrmlError(f"{card.network} needs image features: give the video, {source.path.name} holds keypoints only")
    from prml.image_features.backbones import open_backbone
    from prml.image_features.source import FrameFeatures

    name = settings.backbone or str(card.context.get("name", ""))
    if not name or (":" in name and settings.backbone is None):  # code is run only if the user names it
        raise PrmlError(f"{card.name} needs its backbone{f' ({name})' if name else ''}; give backbone=...")
    return FrameFeatures(source.video, open_backbone(name, settings.backbone_weights), fps=settings.fps)
