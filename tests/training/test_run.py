"""What a run checks before it begins."""

import pytest

from tests.models.tiny import tiny_config
from training.run import check_patches
from training.settings import ContextSettings


@pytest.mark.parametrize(
    ("patch", "context_patch", "flag"),
    [(20, 256, "--patch"), (64, 100, "--context_patch"), (64, 32, "--context_patch")],
)
def test_sides_that_do_not_fit_the_stride_are_refused_by_their_flag(patch, context_patch, flag):
    config = tiny_config()
    assert config.stride == 8
    check_patches(ContextSettings(), config, 64)
    with pytest.raises(ValueError, match=f"{flag} must be"):
        check_patches(ContextSettings(patch=context_patch), config, patch)
