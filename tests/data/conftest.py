"""A folder of tiny pictures."""

import pytest

from tools.robustness.small_pictures import write_class_folders


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory):
    """PATH/train/CLASS/*.jpg and PATH/val/CLASS/*.jpg."""
    return write_class_folders(tmp_path_factory.mktemp("pictures"))
