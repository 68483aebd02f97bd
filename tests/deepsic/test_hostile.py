"""Damaged files by the thousand: each gives a picture of its header's size, or the one error."""

import contextlib
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from deepsic import cli, container, limits, sections
from deepsic.codec import Codec
from deepsic.errors import CorruptFile, ModelError, TooManyPixels
from deepsic.images import BadImage, read_image, read_picture
from deepsic.labels import get_label
from deepsic.metadata import LARGEST
from deepsic.picture import Picture
from tools.robustness import mutations
from tools.robustness.small_models import photo
from tools.robustness.small_pictures import encoded, photograph, transparent

# Pictures here are smaller; what is larger must be refused in time.
MAX_PIXELS = 10_000
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "JPEG2000", "AVIF")

edits = st.lists(
    st.builds(
        mutations.Edit,
        st.sampled_from(mutations.KINDS),
        st.one_of(st.floats(0, 1), st.floats(0, 0.1)),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)
often = settings(
    max_examples=1000,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module", params=["pre", "post"])
def coded(request):
    """A codec, two of its files, and what they decode to."""
    codec = Codec(request.getfixturevalue(request.param))
    # The larger one has ranges of its channels.
    files = [codec.compress(photo(24, 40), topk=2), codec.compress(photo(272, 264))]
    files.append(codec.compress(transparent(photo(24, 40))))
    return codec, files, [codec.decompress(data)[0] for data in files]


def decode(codec, path, max_pixels):
    """What decompress.py does with a file, but for writing the picture; or its error."""
    try:
        header, payload = container.unpack(limits.read_file(path, max_pixels))
        q = codec.decode_symbols(header, payload)
        label = codec.get_label(header, q)
    except (CorruptFile, ModelError) as error:  # the latter where it says that it is of another
        return str(error)
    assert 0 <= label.probability <= 1
    x_hat = codec.reconstruct(q, header.height, header.width)
    assert x_hat.shape == (header.height, header.width, 3)
    return with_sections(path.read_bytes(), x_hat)


def with_sections(data, rgb):
    """The picture with its transparency, or its error; metadata may be damaged beside it."""
    with contextlib.suppress(CorruptFile):
        metadata = sections.read_metadata(data)
        assert max(map(len, metadata)) <= LARGEST
    try:
        return Picture(rgb, sections.read_alpha(data)).pixels
    except CorruptFile as error:
        return str(error)


def test_damaged_files_give_the_picture_or_one_error(coded, tmp_path_factory):
    codec, files, pictures = coded
    path = tmp_path_factory.mktemp("hostile") / "a.dsic"
    seen = {"exact": 0, "error": 0, "other": 0}

    @settings(often, max_examples=2000)
    @given(st.sampled_from([0] * 10 + [1] + [2] * 5), edits, st.sampled_from(mutations.REPAIRS))
    def check(which, edits, repair):
        data = mutations.mutate(files[which], edits, repair)
        path.write_bytes(data)
        found = decode(codec, path, (MAX_PIXELS, 100_000, MAX_PIXELS)[which])
        if isinstance(found, str):
            assert data != files[which]
            seen["error"] += 1
        elif np.array_equal(found, pictures[which]):
            seen["exact"] += 1
        else:
            assert repair != "none"
            seen["other"] += 1

    check()
    # The deeper layers have been reached.
    assert seen["exact"] > 5
    assert seen["other"] > 100


def test_damaged_labels_are_read_or_one_error(coded):
    codec, files, _ = coded

    @often
    @given(edits)
    def check(edits):
        data = mutations.mutate(files[0], edits, "header only")
        try:
            header, _ = container.unpack(data)
            if header.semantics is not None:
                get_label(header.semantics, codec.labels)
        except CorruptFile:
            pass

    check()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    x = photograph(1, 24, 32)
    files = [encoded(x, kind) for kind in FORMATS]
    frames = [Image.fromarray(photograph(i, 24, 32)) for i in range(3)]
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        frames[0].save(folder / kind, kind, save_all=True, append_images=frames[1:])
        files.append((folder / kind).read_bytes())
    files.append(
        encoded(x, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06")
    )
    for kind in ("PNG", "TIFF", "WEBP"):
        image = transparent(x)
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        image.save(folder / kind, kind, exif=image.info["exif"], icc_profile=profile)
        files.append((folder / kind).read_bytes())
    return folder, files


def read(path):
    """A picture, or why there is none."""
    try:
        return read_picture(path, MAX_PIXELS, lambda sentence: None).rgb
    except BadImage as error:
        return str(error)


def test_damaged_pictures_are_read_or_one_error(pictures):
    folder, files = pictures
    path, seen = folder / "a", {"read": 0, "error": 0}

    @often
    @given(st.sampled_from(files), edits)
    def check(data, edits):
        path.write_bytes(mutations.mend_png(mutations.apply(data, edits)))
        x = read(path)
        if isinstance(x, str):
            assert str(path) in x
            assert "\n" not in x
            seen["error"] += 1
            return
        assert (x.dtype, x.shape[2:]) == (np.uint8, (3,))
        assert x.shape[0] * x.shape[1] <= MAX_PIXELS
        seen["read"] += 1

    check()
    assert min(seen.values()) > 100


def png_bomb(width, height):
    """A small PNG of that many black pixels."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    press = zlib.compressobj(9)
    row = bytes(1 + width // 8)
    rows = b"".join([press.compress(row * 100) for _ in range(height // 100)] + [press.flush()])
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_bombs_are_refused_unless_they_are_asked_for(tmp_path):
    (tmp_path / "a.png").write_bytes(png_bomb(8000, 4000))
    assert (tmp_path / "a.png").stat().st_size < 10_000
    with pytest.raises(TooManyPixels, match=r"8000×4000 pixels in ") as raised:
        read_image(tmp_path / "a.png")
    assert "--max_pixels=32000000" in cli.explain(raised.value)
    assert read_image(tmp_path / "a.png", 32_000_000).shape == (4000, 8000, 3)


def test_metadata_of_gigabytes_take_no_memory():
    press = zlib.compressobj(9)
    block = press.compress(bytes(1 << 24)) + press.flush(zlib.Z_FULL_FLUSH)
    more = zlib.compressobj(9, zlib.DEFLATED, -15)
    again = more.compress(bytes(1 << 24)) + more.flush(zlib.Z_FULL_FLUSH)
    bomb = container.Section(container.EXIF, b"\1" + block + again * 127)  # 2 GB
    data = container.pack(container.Header("post", b"abcd", 8, 8), b"payload", [bomb])
    assert len(data) < 1 << 22
    tracemalloc.start()
    with pytest.raises(CorruptFile, match="larger than"):
        sections.read_metadata(data)
    assert tracemalloc.get_traced_memory()[1] < 16 * LARGEST
    tracemalloc.stop()


def test_transparency_that_is_a_bomb_is_refused_before_it_is_decoded():
    bomb = container.Section(container.ALPHA, png_bomb(8000, 4000))
    data = container.pack(container.Header("post", b"abcd", 8, 8), b"payload", [bomb])
    with pytest.raises(CorruptFile, match="size is another"):
        sections.read_alpha(data)


def test_a_heic_bomb_is_refused(tmp_path):
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    heif.register_heif_opener()
    Image.new("RGB", (400, 300)).save(tmp_path / "a.heic")
    with pytest.raises(TooManyPixels, match="400×300"):
        read_image(tmp_path / "a.heic", MAX_PIXELS)
    (tmp_path / "b.heic").write_bytes((tmp_path / "a.heic").read_bytes()[:200])
    with pytest.raises(BadImage):
        read_image(tmp_path / "b.heic")
