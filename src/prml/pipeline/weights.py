"""The network of a lift, with image features if it needs them. This module imports torch only when needed."""

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from prml.errors import PrmlError
from prml.networks import registry
from prml.pipeline.settings import LiftSettings
from prml.pipeline.source import Source
from prml.weights.card import Card, find_record, read_card

if TYPE_CHECKING:
    from prml.image_features.source import FrameFeatures
    from prml.lifting.lifter import Lifter

_CHANNELS = 3  # x, y, confidence
_DEPTH_ANYTHING = "depth-anything"
_OF_IMAGES = ("backbone", "backbone_weights", "depth_weights")


def check_weights(source: Source, settings: LiftSettings) -> Card:
    """Return the card of the weights without loading them; raise PrmlError if they cannot lift this input."""
    card = read_card(find_record(settings.weights))
    card.check_joints()
    card.check_lifts()
    if not registry.entry(card.network, may_import=False).needs_images(card.arguments) and not _needs_depth(card):
        given = [name for name in _OF_IMAGES if getattr(settings, name) is not None]
        if given:
            listed = " and ".join(f"{name}=..." for name in given)
            raise PrmlError(f"{card.network} needs no image features; leave {listed} out")
        return card
    if source.video is None:
        raise PrmlError(f"{card.network} needs image features: give the video, {source.path.name} has keypoints only")
    if not _backbone(card, settings):
        name = str(card.context.get("name", ""))
        raise PrmlError(f"{card.name} needs its backbone{f' ({name})' if name else ''}; give backbone=...")
    return card


def _backbone(card: Card, settings: LiftSettings) -> str:
    """Return the name of the backbone; empty if the user must give it, since code named by a card is not run."""
    stated = str(card.context.get("name", _DEPTH_ANYTHING if _needs_depth(card) else ""))
    return settings.backbone or ("" if ":" in stated else stated)


def _needs_depth(card: Card) -> bool:
    """Whether the network takes relative depth beside x, y and confidence."""
    channels = card.arguments.get("in_channels", _CHANNELS)
    return isinstance(channels, int) and channels > _CHANNELS


def open_lifter(source: Source, settings: LiftSettings) -> "Lifter":
    """Open the lifter for the settings; raise PrmlError if it cannot lift this input."""
    card = check_weights(source, settings)
    from prml.lifting.lifter import Lifter, LiftOptions
    from prml.weights.record import load_record

    record = load_record(settings.weights)
    flip = card.imported and card.flip if settings.flip is None else settings.flip
    filmed = record.network.image_channels or _needs_depth(card)
    features = _image_features(card, source, settings) if filmed else None
    return Lifter(record, LiftOptions(flip=flip), settings.device, features, settings.engine)


def _image_features(card: Card, source: Source, settings: LiftSettings) -> "FrameFeatures":
    from prml.image_features.backbones import open_backbone
    from prml.image_features.source import FrameFeatures

    if source.video is None:
        raise PrmlError(f"{card.network} needs image features: give the video")
    name = _backbone(card, settings)
    if _needs_depth(card) and not name.endswith(_DEPTH_ANYTHING):
        raise PrmlError(f"{card.name} needs relative depth at the joints; give backbone={_DEPTH_ANYTHING}, not {name}")
    backbone = open_backbone(name, settings.backbone_weights, depth_weights=settings.depth_weights)
    return FrameFeatures(source.video, backbone, fps=settings.fps)


class LazyLifter:
    """Opens a lifter on the first call and returns the same one afterwards; thread-safe.

    Args:
        open: opens the lifter.
    """

    def __init__(self, open: "Callable[[], Lifter]") -> None:
        self._open, self._lock = open, Lock()
        self._lifter: Lifter | None = None

    def __call__(self) -> "Lifter":
        """Return the lifter; raises whatever opening it raises."""
        with self._lock:
            if self._lifter is None:
                self._lifter = self._open()
            return self._lifter
