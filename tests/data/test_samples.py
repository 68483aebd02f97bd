"""The photographs that installed packages bring along."""

import numpy as np

from data.samples import SKIMAGE, SKLEARN, sample_images, write_samples
from deepsic.images import read_image


def test_samples_are_colour_photographs():
    samples = sample_images()
    assert set(samples) == {*SKIMAGE, *SKLEARN}
    for name, x in samples.items():
        assert x.dtype == np.uint8, name
        assert x.ndim == 3, name
        assert x.shape[2] == 3, name
        assert min(x.shape[:2]) >= 256, name
        assert x.std() > 20, name


def test_samples_are_written_losslessly(tmp_path):
    write_samples(tmp_path / "in")
    for name, x in sample_images().items():
        np.testing.assert_array_equal(read_image(tmp_path / "in" / f"{name}.png"), x)
