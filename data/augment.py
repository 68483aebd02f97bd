"""Random and fixed crops of encoded pictures, cut while they are decoded (section IV-A)."""

from __future__ import annotations

import tensorflow as tf


def _is_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    return tf.equal(tf.strings.substr(encoded, 0, 3), b"\xff\xd8\xff")


def _decode_crop(encoded: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Decodes rows and columns `window` = (y, x, height, width) only, where the format can."""

    def png() -> tf.Tensor:
        whole = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        return tf.slice(whole, [window[0], window[1], 0], [window[2], window[3], 3])

    return tf.cond(
        _is_jpeg(encoded),
        lambda: tf.io.decode_and_crop_jpeg(encoded, window, channels=3),
        png,
    )


def _shape(encoded: tf.Tensor) -> tf.Tensor:
    return tf.cond(
        _is_jpeg(encoded),
        lambda: tf.io.extract_jpeg_shape(encoded),
        lambda: tf.shape(tf.io.decode_image(encoded, channels=3, expand_animations=False)),
    )


def _resize(crop: tf.Tensor, side: int) -> tf.Tensor:
    crop = tf.cast(crop, tf.float32)
    # Averaging over areas avoids aliasing when it shrinks, at a tenth of antialias's time.
    shrinks = tf.reduce_all(tf.shape(crop)[:2] >= side)
    resized = tf.cond(
        shrinks,
        lambda: tf.image.resize(crop, (side, side), method="area"),
        lambda: tf.image.resize(crop, (side, side), method="bicubic"),
    )
    resized = tf.clip_by_value(resized, 0.0, 255.0)
    return tf.ensure_shape(resized, (side, side, 3))


def random_patch(encoded: tf.Tensor, seed: tf.Tensor, side: int, least_area: float) -> tf.Tensor:
    """A random resized crop, flipped half the time.

    Args:
      encoded: scalar string, a JPEG, PNG, GIF or BMP file's bytes.
      seed: int (2,): the same seed gives the same patch.
      side: of the patch, pixels.
      least_area: smallest share of the picture's area to cut.

    Returns:
      float32 (side, side, 3) in 0–255.
    """
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        _shape(encoded),
        bounding_boxes=tf.zeros((1, 0, 4)),
        seed=seed,
        aspect_ratio_range=(3 / 4, 4 / 3),
        area_range=(least_area, 1.0),
        max_attempts=10,
        use_image_if_no_bounding_boxes=True,
    )
    window = tf.concat([begin[:2], size[:2]], axis=0)
    patch = _resize(_decode_crop(encoded, window), side)
    return tf.image.stateless_random_flip_left_right(patch, seed + 1)


def plain_patch(encoded: tf.Tensor, seed: tf.Tensor, side: int) -> tf.Tensor:
    """A random crop of a picture as it is, flipped half the time.

    Only a picture with a shorter side is resized, to that side.

    Args and returns as for `random_patch`.
    """
    shape = _shape(encoded)
    edge = tf.minimum(side, tf.minimum(shape[0], shape[1]))
    room = tf.cast(shape[:2] - edge + 1, tf.float32)
    at = tf.cast(tf.random.stateless_uniform((2,), seed) * room, tf.int32)
    window = tf.stack([at[0], at[1], edge, edge])
    patch = _resize(_decode_crop(encoded, window), side)
    return tf.image.stateless_random_flip_left_right(patch, seed + 1)


def centre_patch(encoded: tf.Tensor, side: int) -> tf.Tensor:
    """The largest centred square, resized: what accuracy is measured on.

    Args and returns as for `random_patch`.
    """
    shape = _shape(encoded)
    edge = tf.minimum(shape[0], shape[1])
    window = tf.stack([(shape[0] - edge) // 2, (shape[1] - edge) // 2, edge, edge])
    return _resize(_decode_crop(encoded, window), side)
