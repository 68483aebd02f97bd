"""Small synthetic pictures, as arrays, as files and as folders of classes."""

import io

import numpy as np
from PIL import Image

CLASSES = ("cat", "dog")
TRAIN, VAL = 5, 3


def photograph(seed, height=48, width=64):
    """A smooth coloured picture, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:height, :width] / 32.0
    waves = [
        np.sin(u * rng.uniform(-3, 3) + v * rng.uniform(-3, 3) + rng.uniform(0, 6))
        for _ in range(9)
    ]
    x = np.stack(waves, axis=-1).reshape(height, width, 3, 3).sum(axis=-1)
    return np.clip(127.5 + 45 * x, 0, 255).astype(np.uint8)


def encoded(x, kind="PNG", **options):
    """The bytes of a picture's file."""
    file = io.BytesIO()
    Image.fromarray(x).save(file, kind, **options)
    return file.getvalue()


def transparent(x):
    """A Pillow image of x with a soft hole in it, EXIF and XMP."""
    hole = Image.radial_gradient("L").resize((x.shape[1], x.shape[0]))
    image = Image.fromarray(x)
    image.putalpha(hole.point(lambda v: min(255, 4 * max(0, v - 60))))
    exif = Image.Exif()
    exif[0x010F], exif[0x8825] = "Maker", {1: "N", 2: (48.0, 8.0, 30.0)}
    image.info |= {"exif": exif.tobytes(), "xmp": b"<x:xmpmeta>some words</x:xmpmeta>" * 9}
    return image


def write_class_folders(root):
    """Fills root/train/CLASS/*.jpg and root/val/CLASS/*.jpg."""
    for split, count in (("train", TRAIN), ("val", VAL)):
        for number, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                x = photograph(100 * number + 10 * i + count)
                (folder / f"{i}.jpg").write_bytes(encoded(x, "JPEG", quality=95))
    return root
