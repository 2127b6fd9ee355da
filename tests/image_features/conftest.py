"""What the tests of this folder share: the first frames of the example clip, lifted, and a cache of their features."""

from itertools import islice
from pathlib import Path

import pytest

from fixtures import backbone as small_backbone
from prml.image_features.backbones import open_backbone
from prml.image_features.build import Clip, build_cache
from prml.image_features.cache import FeatureCache
from prml.image_features.options import CacheOptions
from prml.media.read import probe, read_frames
from prml.media.write import VideoWriter
from prml.pipeline.lift import lift

EXAMPLE = Path(__file__).parents[2] / "examples" / "jump.mp4"
FRAMES = 80


@pytest.fixture(scope="session")
def backbone():
    return open_backbone(f"{small_backbone.__file__}:small")


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """The first frames of the example clip."""
    path = tmp_path_factory.mktemp("film") / "jump.mp4"
    info = probe(EXAMPLE)
    with VideoWriter(path, info.width, info.height, info.fps) as writer:
        for frame in islice(read_frames(EXAMPLE), FRAMES):
            writer.write(frame.image, frame.time_s)
    return path


@pytest.fixture(scope="session")
def lifted(film):
    """The example clip's 2D, and the 3D of the bundled network as labels."""
    return lift(film, weights="prml-xs", model="lite", overlay=False, viewer=False).sequence


@pytest.fixture(scope="session")
def clip(film, lifted):
    return Clip(lifted, film)


@pytest.fixture(scope="session")
def cache(tmp_path_factory, clip, backbone):
    out = tmp_path_factory.mktemp("features") / "jump"
    assert build_cache(out, [clip], backbone, CacheOptions(half=False, every=2, licence="BSD-3"))
    return FeatureCache(out)
