"""Image folders: order, orientation, bit depth, and one-line errors."""

import numpy as np
import pytest
from PIL import Image

from prml.errors import PrmlError
from prml.media import image_folder
from prml.media.read import probe, read_frames

GREY = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8) + 50  # 50 to 160


def read(path, **options):
    return [f.image for f in read_frames(path, **options)]


def save(folder, name, values, **options):
    folder.mkdir(exist_ok=True)
    Image.fromarray(values).save(folder / name, **options)
    return folder / name


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("f1.png", GREY.astype(np.uint16) * 257),
        ("f1.tif", GREY.astype(np.uint16) * 257),
        ("f1.tif", GREY.astype(np.uint16) * 16),
        ("f1.png", GREY.astype(np.uint16) * 16),
        ("f1.png", GREY.astype(np.uint16) * 4),
        ("f1.tif", GREY.astype(np.uint16)),
        ("f1.tif", GREY.astype(np.int32) * 257),
        ("f1.tiff", GREY / np.float32(255)),
        ("f1.tiff", GREY.astype(np.float32)),
        ("f1.tiff", GREY.astype(np.float32) * 257),
    ],
)
def test_every_depth_looks_like_eight_bits(tmp_path, name, values):
    values = values.copy()
    values[0, 0] = values.max() / GREY.max() * 255  # something is white
    save(tmp_path / "deep", name, values)
    (image,) = read(tmp_path / "deep")
    assert image.shape == (48, 64, 3)
    assert np.abs(image[1:].astype(int) - GREY[1:, :, None]).max() <= 1
    assert image[0, 0].tolist() == [255] * 3 or values.dtype == np.uint16


def test_white_is_the_same_in_the_whole_folder(tmp_path):
    for number, share in enumerate([0.01, 0.2, 1.0]):
        save(tmp_path / "f", f"{number}.png", np.full((8, 8), round(4095 * share), np.uint16))
    assert [int(image.mean()) for image in read(tmp_path / "f")] == pytest.approx([3, 51, 255], abs=1)


def test_not_a_number_is_black_and_infinity_does_not_hide_the_rest(tmp_path):
    values = np.full((8, 8), 0.5, np.float32)
    values[0], values[1], values[2] = np.nan, np.inf, -3
    save(tmp_path / "f", "a.tif", values)
    (image,) = read(tmp_path / "f")
    assert image[:3].max() == 0
    assert image[3:].min() == image[3:].max() == 128


def test_grey_tiff_whose_zero_is_white(tmp_path):
    path = save(tmp_path / "f", "a.tif", GREY.astype(np.uint16) * 257, tiffinfo={262: 0})
    with Image.open(path) as image:
        assert image.tag_v2[262] == 0
    (image,) = read(tmp_path / "f")
    assert np.abs(255 - image.astype(int) - GREY[..., None]).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_images_are_upright_too(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    values = GREY.copy()
    values[0, 0] = 255
    save(tmp_path / "shallow", "a.png", values, exif=exif)
    save(tmp_path / "deep", "a.png", values.astype(np.uint16) * 257, exif=exif)
    assert np.array_equal(read(tmp_path / "deep")[0], read(tmp_path / "shallow")[0])


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    for number in (1, 2):
        save(tmp_path / "f", f"f{number}.jpg", GREY)
    (tmp_path / "f" / "._f1.jpg").write_bytes(b"\x00\x05\x16\x07AppleDouble")
    (tmp_path / "f" / ".thumb.png").write_bytes(b"")
    (tmp_path / "f" / "f3.jpg").mkdir()
    (tmp_path / "f" / "Thumbs.db").write_bytes(b"x")
    assert probe(tmp_path / "f").frames == 2
    assert len(read(tmp_path / "f")) == 2


def test_one_image_is_a_video_of_one_frame(tmp_path):
    path = save(tmp_path / "f", "a.jpg", GREY, quality=95)
    assert probe(path).frames == 1
    (frame,) = read_frames(path)
    assert np.abs(frame.image.astype(int) - GREY[..., None]).max() < 12


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("f2.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\nshowpage\n"),
        ("f2.png", b"GIF89a" + bytes(30)),
        ("f2.jpg", b"\xff\xd8\xff\xe0" + bytes(40)),
        ("f2.webp", b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(8)),
        ("f2.bmp", b"BM" + bytes(60)),
        ("f2.tif", b"II*\x00\x08\x00\x00\x00\x01\x00" + bytes(12)),
        ("f2.png", b""),
    ],
)
def test_an_unreadable_image_is_named_in_one_line(tmp_path, name, data):
    save(tmp_path / "f", "f1.png", GREY)
    (tmp_path / "f" / name).write_bytes(data)
    with pytest.raises(PrmlError) as caught:
        read(tmp_path / "f")
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_eps_file_starts_no_program(tmp_path, monkeypatch):
    import subprocess

    def started(*args, **kwargs):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", started)
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n%%EndComments\nshowpage\n")
    with pytest.raises(PrmlError, match="none of JPEG, PNG"):
        probe(path)


@pytest.mark.parametrize(
    "failure", [NotImplementedError("a kind\nof file"), SyntaxError("x"), KeyError(3), MemoryError()]
)
def test_whatever_pillow_raises_is_one_line(tmp_path, monkeypatch, failure):
    save(tmp_path / "f", "f1.png", GREY)

    def fail(*args, **kwargs):
        raise failure

    monkeypatch.setattr(Image.Image, "convert", fail)
    with pytest.raises(PrmlError, match=r"f1\.png is not an image that can be read") as caught:
        probe(tmp_path / "f")
    assert "\n" not in str(caught.value)


def test_large_images_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.new("1", (8000, 6251)).save(path)  # 8 x 6.251 = 50.008 million pixels

    def decoded(*args):
        raise AssertionError("decoded")

    monkeypatch.setattr(image_folder, "_grey", decoded)
    monkeypatch.setattr(Image.Image, "convert", decoded)
    with pytest.raises(PrmlError, match=r"8000 x 6251 pixels large; at most 50 million"):
        probe(path)
