"""Every kind of image that goes wrong in practice, by the rules of `feature_extraction.images`."""

import io
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
from encoder_cases import noise
from PIL import Image, PngImagePlugin

from feature_extraction import images
from feature_extraction.images import PIXELS_ONLY, decode, read_rgb

SIZE = (8, 8)


def solid(path):
    """The one colour of an image, as decoded."""
    pixels, (why,) = decode([path], SIZE, "bicubic")
    assert why is None, why
    assert (pixels[0] == pixels[0, 0, 0]).all()
    return tuple(pixels[0, 0, 0].tolist())


def why(path):
    pixels, (reason,) = decode([path], SIZE, "bicubic")
    assert not pixels.any()
    return reason


def why_or_none(path):
    if not path.is_file():
        pytest.skip(f"{path.name} is not beside this checkout")
    return decode([path], SIZE, "bicubic")[1][0]


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 100, (100, 100, 100)),
        ("1", 1, (255, 255, 255)),
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 255), (255, 0, 0)),
        ("RGBA", (255, 0, 0, 51), (255, 204, 204)),
        ("LA", (0, 0), (255, 255, 255)),
        ("I;16", 65535, (255, 255, 255)),
        ("I;16", 32768, (128, 128, 128)),
        ("I;16", 256, (1, 1, 1)),
    ],
)
def test_colours_of_png(tmp_path, mode, colour, expected):
    Image.new(mode, (20, 10), colour).save(tmp_path / "i.png")
    assert solid(tmp_path / "i.png") == expected


def test_cmyk_jpeg(tmp_path):
    Image.new("CMYK", (32, 32), (255, 0, 0, 0)).save(tmp_path / "i.jpg", quality=100)
    red, green, blue = solid(tmp_path / "i.jpg")
    assert red < 5 and green > 250 and blue > 250


def test_palette_with_and_without_transparency(tmp_path):
    image = Image.new("P", (20, 20), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.save(tmp_path / "i.png")
    assert solid(tmp_path / "i.png") == (10, 20, 30)
    image.save(tmp_path / "t.png", transparency=1)
    assert solid(tmp_path / "t.png") == (255, 255, 255)


def test_16_bit_colour_is_scaled(tmp_path):
    # Pillow writes no 16-bit colour, so the file is put together by hand: one row of two pixels, 0xFFFF and 0x8000.
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + struct.pack(">6H", *[0x8000] * 6)
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    (tmp_path / "i.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    assert solid(tmp_path / "i.png") == (128, 128, 128)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_the_first_frame_of_an_animation_counts(tmp_path, suffix):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ((0, 0, 255), (255, 0, 0))]
    lossless = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"i.{suffix}", save_all=True, append_images=frames[1:], duration=50, **lossless)
    assert solid(tmp_path / f"i.{suffix}") == (0, 0, 255)


def test_exif_rotation_is_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    noise(1, 30, 10).save(tmp_path / "i.jpg", exif=exif)
    assert read_rgb(tmp_path / "i.jpg").size == (30, 10)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
def test_thin_images_are_squashed_like_others(tmp_path, size):
    Image.new("RGB", size, (9, 8, 7)).save(tmp_path / "i.png")
    assert solid(tmp_path / "i.png") == (9, 8, 7)


def test_the_squash_is_pillows_bicubic_without_a_crop(tmp_path):
    image = noise(3, 97, 41)
    image.save(tmp_path / "i.png")
    pixels, _ = decode([tmp_path / "i.png"], (16, 24), "bicubic")
    np.testing.assert_array_equal(pixels[0], np.asarray(image.resize((24, 16), Image.Resampling.BICUBIC)))


def test_a_truncated_image_is_no_image(tmp_path):
    whole = io.BytesIO()
    noise(1, 200, 200).save(whole, "JPEG")
    (tmp_path / "i.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    assert "truncated" in why(tmp_path / "i.jpg")


@pytest.mark.parametrize("name", ["i.jpg", "i.png", "i.gif", "i.tif", "i.webp"])
def test_text_with_the_suffix_of_an_image(tmp_path, name):
    (tmp_path / name).write_text("<html>404</html>")
    assert why(tmp_path / name) == "not an image of a known format"


def test_zero_bytes(tmp_path):
    (tmp_path / "i.jpg").touch()
    assert why(tmp_path / "i.jpg") == "the file is empty"


def test_a_broken_link(tmp_path):
    (tmp_path / "i.jpg").symlink_to(tmp_path / "gone.jpg")
    assert why(tmp_path / "i.jpg") == f"broken link to {tmp_path / 'gone.jpg'}"


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "i.jpg")
    found = []
    reader = threading.Thread(target=lambda: found.append(why(tmp_path / "i.jpg")), daemon=True)
    reader.start()
    reader.join(20)
    assert found == ["not a regular file"]


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path):
    Image.new("1", (14_000, 14_000)).save(tmp_path / "i.png")
    assert (tmp_path / "i.png").stat().st_size < 50_000
    assert why(tmp_path / "i.png") == "14000 x 14000 pixels are more than 178956970; --max-pixels 0 lifts the limit"
    pixels, whys = decode([tmp_path / "i.png"], SIZE, "bicubic", most_pixels=0)
    assert whys == [None] and not pixels.any()
    assert decode([tmp_path / "i.png"], SIZE, "bicubic", most_pixels=1000)[1] != [None]


def test_a_photograph_up_to_pillows_own_limit_is_read(tmp_path):
    """12000 x 9000 is what telephones take."""
    Image.new("RGB", (12_000, 9_000), (10, 200, 30)).save(tmp_path / "i.png", compress_level=1)
    assert solid(tmp_path / "i.png") == (10, 200, 30)
    # What other code asks of Pillow is as it was.
    assert Image.MAX_IMAGE_PIXELS == 89478485


def test_threads_leave_pillow_as_it_was():
    """The first one to begin is not the last one to end: what the second found is not what was there."""
    before = Image.MAX_IMAGE_PIXELS, warnings.filters[:]
    first, second = ExitStack(), ExitStack()
    first.enter_context(PIXELS_ONLY)
    second.enter_context(PIXELS_ONLY)
    first.close()
    assert Image.MAX_IMAGE_PIXELS is None
    second.close()
    assert (Image.MAX_IMAGE_PIXELS, warnings.filters[:]) == before


def test_many_threads_read_at_the_same_time(tmp_path):
    before = Image.MAX_IMAGE_PIXELS, PngImagePlugin.PngStream
    Image.new("RGB", (9, 9), (10, 200, 30)).save(tmp_path / "i.png")
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(solid, [tmp_path / "i.png"] * 400)) == {(10, 200, 30)}
    assert (Image.MAX_IMAGE_PIXELS, PngImagePlugin.PngStream) == before


@pytest.mark.parametrize("kind", ["text", "compressed text", "international text", "colour profile"])
def test_a_large_text_does_not_spoil_the_pixels(tmp_path, kind):
    info, large = PngImagePlugin.PngInfo(), "x" * 3_000_000
    options = {}
    if kind == "colour profile":
        options = {"icc_profile": large.encode()}
    elif kind == "international text":
        info.add_itxt("comment", large, zip=True)
    else:
        info.add_text("comment", large, zip=kind == "compressed text")
    Image.new("RGB", (20, 10), (1, 2, 3)).save(tmp_path / "i.png", pnginfo=info, **options)
    assert solid(tmp_path / "i.png") == (1, 2, 3)


def test_the_case_of_a_large_text_chunk(shared):
    assert why_or_none(shared.parent / "cases" / "12" / "big_text.png") is None


def test_postscript_is_never_run(tmp_path):
    (tmp_path / "i.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EOF\n")
    assert why(tmp_path / "i.jpg") == "not an image of a known format"


def test_floating_point_has_no_range(tmp_path):
    Image.new("F", (4, 4), 0.5).save(tmp_path / "i.tif")
    assert "floating-point" in why(tmp_path / "i.tif")


def test_one_bad_image_leaves_its_neighbours_alone(tmp_path):
    noise(1).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n garbage")
    noise(2).save(tmp_path / "c.png")
    pixels, whys = decode([tmp_path / f"{name}.png" for name in "abc"], SIZE, "bicubic")
    assert [reason is None for reason in whys] == [True, False, True]
    assert pixels[0].any() and not pixels[1].any() and pixels[2].any()


def test_the_rules_are_written_into_the_file():
    for word in ("16-bit", "alpha", "first frame", "EXIF"):
        assert word in images.RULES


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg"])
def test_exif_rotation_of_tiff_is_not_applied_either(tmp_path, compression):
    """Pillow turns TIFF as it loads it, and no other format."""
    picture = Image.new("RGB", (50, 40), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.tif", exif=exif, compression=compression)
    with Image.open(tmp_path / "turned.tif") as opened:
        opened.load()
        assert opened.size == (40, 50)
    assert read_rgb(tmp_path / "turned.tif").size == (50, 40)
