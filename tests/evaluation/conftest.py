"""A small study of rate and distortion that the tests share."""

import pytest
from PIL import Image

from evaluation import study
from evaluation.references import choose
from tools.robustness.small_models import photo

SIZES = {"a": (170, 180), "b": (100, 90)}
REFERENCES = choose(["jpeg420", "jpeg2000"])[0]


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Paths of two photographs; the second is too small for MS-SSIM."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, size in SIZES.items():
        Image.fromarray(photo(*size)).save(folder / f"{name}.png")
    return sorted(map(str, folder.glob("*.png")))


@pytest.fixture(scope="session")
def results(pre, post, pictures, tmp_path_factory):
    """Folder of the study's results."""
    out = tmp_path_factory.mktemp("results")
    models = study.named([pre, post])
    assert study.run(pictures, models, REFERENCES, out, jobs=1, published=True) == 0
    return out
