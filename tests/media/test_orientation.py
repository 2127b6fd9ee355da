"""The eight orientations of an image, against the definition of a display matrix."""

import numpy as np
import pytest

from fixtures.videos import encode, turned
from prml.media.orientation import Orientation, from_matrix
from prml.media.read import probe, read_frames

MATRICES = [(a, b, c, d) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1) for d in (-1, 0, 1)]
MATRICES = [m for m in MATRICES if abs(m[0] * m[3] - m[1] * m[2]) == 1 and abs(np.array(m)).sum() == 2]


def shown(image, a, b, c, d):
    """Pixel by pixel: (x, y) goes to (a x + c y, b x + d y), and the result is moved into view."""
    height, width = image.shape[:2]
    places = {(a * x + c * y, b * x + d * y): image[y, x] for y in range(height) for x in range(width)}
    low = np.min(list(places), axis=0)
    high = np.max(list(places), axis=0)
    out = np.empty((high[1] - low[1] + 1, high[0] - low[0] + 1, 3), np.uint8)
    for (x, y), value in places.items():
        out[y - low[1], x - low[0]] = value
    return out


@pytest.mark.parametrize("matrix", MATRICES)
def test_every_orientation_is_what_its_matrix_says(matrix):
    assert len(MATRICES) == 8
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    orientation = from_matrix(*matrix)
    assert np.array_equal(orientation(image), shown(image, *matrix))
    assert orientation.size(3, 2) == orientation(image).shape[1::-1]


@pytest.mark.parametrize("degrees", [-90.01, -0.01, 0.01, 89.99, 90.4, 179.99])
def test_angles_are_rounded_to_quarter_turns(degrees):
    angle = np.deg2rad(degrees)
    given = from_matrix(np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle))
    assert given == Orientation(round(degrees / 90) % 4)


@pytest.mark.parametrize("matrix", MATRICES)
def test_a_video_is_shown_as_its_matrix_says(tmp_path, matrix):
    a, b, c, d = matrix
    image = np.full((48, 64, 3), 20, np.uint8)
    image[:24, :32] = 250
    path = turned(encode(tmp_path / "turned.mp4", images=image[None]), matrix)
    (frame,) = read_frames(path)
    expected = shown(image, a, b, c, d)
    assert frame.image.shape == expected.shape
    assert np.abs(frame.image.astype(int) - expected).mean() < 5
    info = probe(path)
    assert (info.width, info.height) == expected.shape[1::-1]
    assert info.mirrored == (a * d - b * c < 0)
