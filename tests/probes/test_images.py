"""Every format and trap of a picture file, against an independent expectation."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from audit.inputs import InputSpec
from audit.probes._geometry import place
from audit.probes._images import Preprocess, Unreadable, decode, quiet_pillow, read_bytes
from audit.probes._quality import measure
from tests.support.pictures import noise


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        quiet_pillow()
        yield


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(decode(data))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_give_the_pixels_back(kind) -> None:
    image = noise(13, 9)
    options = {"lossless": True} if kind == "WEBP" else {}

    assert np.array_equal(pixels(encoded(image, kind, **options)), np.asarray(image))


def test_a_jpeg_is_decoded_in_full() -> None:
    data = encoded(noise(64, 48), "JPEG", quality=90)

    assert np.array_equal(pixels(data), np.asarray(Image.open(io.BytesIO(data))))


def test_grey_palette_and_black_and_white_keep_their_colors() -> None:
    image = noise(13, 9)
    grey, palette, binary = image.convert("L"), image.quantize(7), image.convert("1")

    assert np.array_equal(pixels(encoded(grey, "PNG")), np.asarray(grey))
    assert np.array_equal(
        pixels(encoded(palette, "PNG")), np.asarray(palette.getpalette()).reshape(-1, 3)[np.asarray(palette)]
    )
    assert np.array_equal(pixels(encoded(binary, "PNG")), np.asarray(binary) * np.uint8(255))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_dropped_not_blended(kind) -> None:
    image = noise(13, 9).convert("RGBA")
    image.putalpha(Image.fromarray((np.arange(117, dtype=np.uint8) * 2 + 1).reshape(9, 13)))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}

    assert np.array_equal(pixels(encoded(image, kind, **options)), np.asarray(image)[:, :, :3])


def test_a_palette_with_transparent_entries_gives_its_colors() -> None:
    palette = noise(13, 9).quantize(5)
    data = encoded(palette, "PNG", transparency=b"\x00\x80\xff\x10\x00")

    assert np.array_equal(pixels(data), np.asarray(palette.getpalette()).reshape(-1, 3)[np.asarray(palette)])


def test_grey_with_alpha_is_grey() -> None:
    image = noise(13, 9).convert("LA")

    assert np.array_equal(pixels(encoded(image, "PNG")), np.asarray(image)[:, :, 0])


def test_cmyk_is_the_light_that_the_inks_leave() -> None:
    inks = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
    light = (255.0 - inks[:, :, :3]) * (255.0 - inks[:, :, 3:]) / 255

    seen = pixels(encoded(Image.fromarray(inks, "CMYK"), "TIFF"))

    assert np.abs(seen - light).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_divided_by_257(kind) -> None:
    deep = np.array([[0, 128, 129, 257, 32_768, 65_535]], dtype=np.uint16)

    seen = pixels(encoded(Image.fromarray(deep), kind))

    assert seen.tolist() == [[0, 0, 1, 1, 128, 255]]


def test_big_endian_16_bit_grey_reads_the_same() -> None:
    deep = np.array([[1, 1000, 40_000]], dtype=">u2")
    ifd = [
        (256, 4, 3),
        (257, 4, 1),
        (258, 3, 16),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, 1),
        (279, 4, 6),
    ]
    head = b"MM\0*" + struct.pack(">I", 14) + deep.tobytes() + struct.pack(">H", len(ifd))
    for tag, kind, value in ifd:
        head += struct.pack(">HHI", tag, kind, 1) + (
            struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value)
        )

    assert pixels(head + b"\0\0\0\0").tolist() == [[0, 4, 156]]


TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", TURNS)
def test_all_eight_orientations_are_turned_upright(kind, orientation) -> None:
    """The tag says what to do with the stored rows and columns to see the picture (TIFF 6.0, Orientation)."""
    stored = noise(7, 4)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}

    seen = pixels(encoded(stored, kind, exif=exif, **options))

    assert np.array_equal(seen, TURNS[orientation](np.asarray(stored)))


@pytest.mark.parametrize("orientation", TURNS)
def test_jpegs_are_turned_upright(orientation) -> None:
    stored = noise(24, 16)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored, "JPEG", exif=exif)

    assert np.array_equal(pixels(data), TURNS[orientation](np.asarray(Image.open(io.BytesIO(data)))))


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_is_no_turn(orientation) -> None:
    stored = noise(7, 4)
    exif = Image.Exif()
    exif[0x0112] = orientation

    assert np.array_equal(pixels(encoded(stored, "PNG", exif=exif)), np.asarray(stored))


def test_broken_exif_does_not_make_a_picture_unreadable() -> None:
    data = encoded(noise(24, 16), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff\xff\xff")

    assert pixels(data).shape == (16, 24, 3)


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header says this size; its pixels are a few bytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    )


def broken() -> dict[str, tuple[bytes, str]]:
    jpeg, png, tiff = (encoded(noise(200, 150, smooth=2), k) for k in ("JPEG", "PNG", "TIFF"))
    packed = encoded(noise(200, 150, smooth=2), "TIFF", compression="tiff_lzw")
    return {
        "nothing": (b"", "the file is empty"),
        "text": (b"this is no picture", "this is no JPEG, PNG, WebP, BMP or TIFF picture"),
        "a GIF": (encoded(noise(4, 4).quantize(4), "GIF"), "this is no JPEG"),
        "half a JPEG": (jpeg[: len(jpeg) // 2], "the file ends early"),
        "half a PNG": (png[: len(png) // 2], "the file ends early|the picture is damaged"),
        "half a TIFF": (tiff[: len(tiff) // 2], "the file ends early|the picture is damaged|this is no"),
        "half a packed TIFF": (packed[: len(packed) // 2], "the file ends early|the picture is damaged|this is no"),
        "30,000 x 30,000": (png_of(30_000, 30_000), "more than the limit of 64 million pixels"),
        "10,000 x 10,000": (png_of(10_000, 10_000), "10000 x 10000 pixels: more than the limit of 64 million"),
        "floating point": (
            encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"),
            "floating-point pixels have no",
        ),
        "32 bit": (encoded(Image.fromarray(np.ones((4, 4), np.int32)), "TIFF"), "32-bit integer pixels have no"),
    }


@pytest.mark.parametrize("case", broken())
def test_a_picture_that_cannot_be_used_says_why(case) -> None:
    data, words = broken()[case]

    with pytest.raises(Unreadable, match=words):
        decode(data)


def test_damaged_pictures_never_end_in_another_error() -> None:
    rng = np.random.default_rng(1)
    for kind in ("JPEG", "PNG", "TIFF", "WEBP", "BMP"):
        whole = np.frombuffer(encoded(noise(40, 30, smooth=2), kind), np.uint8)
        for _ in range(40):
            data = whole.copy()
            data[rng.integers(0, len(data), 6)] = rng.integers(0, 256, 6)
            with contextlib.suppress(Unreadable):
                assert decode(data.tobytes()).mode in ("L", "RGB")


def test_nothing_is_written_to_the_terminal(tmp_path) -> None:
    """In a process of its own: what libraries print from C can't be caught inside this one."""
    for name, (data, _) in broken().items():
        (tmp_path / name.replace(" ", "_")).write_bytes(data)
    (tmp_path / "palette").write_bytes(encoded(noise(13, 9).quantize(5), "PNG", transparency=b"\x00\x80\xff"))
    program = (
        "import sys, pathlib\n"
        "from audit.probes._images import *\n"
        "quiet_pillow()\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try: decode(read_bytes(path))\n"
        "    except Unreadable: pass\n"
    )

    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_no_plain_file_is_not_opened(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")

    with pytest.raises(Unreadable, match="this is not a file"):
        read_bytes(tmp_path / "pipe.jpg")
    with pytest.raises(Unreadable, match="this is not a file"):
        read_bytes(tmp_path)
    with pytest.raises(Unreadable, match="there is no such file"):
        read_bytes(tmp_path / "none.jpg")


def prepared(image: Image.Image, **spec: object) -> np.ndarray:
    wanted = InputSpec(**spec)
    out = np.empty(wanted.shape(1), wanted.dtype)[0]
    Preprocess(wanted)(image, place(image.size, wanted), out)
    return out


def test_pixels_are_scaled_then_normalized_by_channel() -> None:
    image = noise(30, 20)
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)

    seen = prepared(image, size=(8, 10), mean=mean, std=std)

    small = np.asarray(image.resize((10, 8), Image.Resampling.BILINEAR)).astype(np.float64)
    assert seen.dtype == np.float32
    assert np.allclose(seen, ((small / 255 - mean) / std).transpose(2, 0, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("resize", "filter_"),
    [("bilinear", 2), ("nearest", 0), ("bicubic", 3), ("area", 4)],
)
def test_resizing_is_pillows_own(resize, filter_) -> None:
    image = noise(30, 20)

    seen = prepared(image, size=(8, 10), resize=resize, dtype="uint8", scale=1.0, layout="NHWC")

    assert np.array_equal(seen, np.asarray(image.resize((10, 8), Image.Resampling(filter_))))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("color", ["rgb", "bgr", "gray"])
def test_layout_type_and_color_are_the_models(layout, dtype, color) -> None:
    image = noise(10, 8)
    plain = np.asarray(image.convert("L"))[:, :, None] if color == "gray" else np.asarray(image)
    plain = plain[:, :, ::-1] if color == "bgr" else plain

    seen = prepared(image, size=(8, 10), layout=layout, dtype=dtype, color=color, scale=1.0)

    assert seen.dtype == dtype
    assert np.array_equal(seen, (plain if layout == "NHWC" else plain.transpose(2, 0, 1)).astype(dtype))


def test_a_grey_picture_fills_all_three_channels() -> None:
    image = noise(10, 8).convert("L")

    assert np.array_equal(prepared(image, size=(8, 10), scale=1.0), np.stack([np.asarray(image)] * 3))


def test_crop_cuts_the_middle_in_the_inputs_proportions() -> None:
    image = noise(40, 20)

    seen = prepared(image, size=(20, 20), fit="crop", scale=1.0, layout="NHWC")

    assert np.array_equal(seen, np.asarray(image)[:, 10:30])


def test_pad_keeps_the_whole_picture_in_the_middle_of_fill() -> None:
    image = noise(40, 20)

    seen = prepared(image, size=(40, 40), fit="pad", scale=1.0, layout="NHWC", fill=(10, 20, 30), color="bgr")

    assert np.array_equal(seen[10:30], np.asarray(image)[:, :, ::-1])
    assert (seen[:10] == (30, 20, 10)).all()
    assert (seen[30:] == (30, 20, 10)).all()


def test_margin_is_added_on_each_side_as_a_share_of_that_side() -> None:
    image = noise(40, 20).convert("L")

    seen = prepared(image, size=(40, 80), margin=0.5, scale=1.0, layout="NHWC", fill=(127, 127, 127))

    assert np.array_equal(seen[10:30, 20:60], np.stack([np.asarray(image)] * 3, axis=2))
    assert (seen[:10] == 127).all()
    assert (seen[:, :20] == 127).all()


def slow_quality(image: Image.Image) -> tuple[float, ...]:
    """From the definition, pixel by pixel."""
    luma = np.asarray(image.convert("L")).astype(float)
    height, width = luma.shape
    second = [
        4 * luma[y, x] - luma[y - 1, x] - luma[y + 1, x] - luma[y, x - 1] - luma[y, x + 1]
        for y in range(1, height - 1)
        for x in range(1, width - 1)
    ]
    return luma.mean(), luma.std(), float(np.var(second)) if second else 0.0, float(width * height)


@pytest.mark.parametrize("size", [(61, 47), (3, 3), (3, 50), (50, 3), (2, 9), (9, 2), (1, 1), (1, 7)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_quality_is_that_of_its_definition(size, mode) -> None:
    image = noise(*size, smooth=2).convert(mode)

    assert measure(image) == pytest.approx(slow_quality(image), rel=1e-5, abs=1e-6)


def test_quality_of_a_large_picture_is_the_same_in_strips(monkeypatch) -> None:
    image = noise(61, 47, smooth=2)
    monkeypatch.setattr("audit.probes._quality._STRIP", 61 * 5)

    assert measure(image) == pytest.approx(slow_quality(image), rel=1e-5)


def test_a_dim_flat_picture_keeps_its_small_contrast() -> None:
    levels = np.full((700, 900), 3, dtype=np.uint8)
    levels[::2, ::2] = 4

    brightness, contrast, _, _ = measure(Image.fromarray(levels))

    assert (brightness, contrast) == pytest.approx((3.25, np.sqrt(0.1875)), rel=1e-3)
