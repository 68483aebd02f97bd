"""The smallest network that has every part."""

from deepsic.config import ModelConfig


def tiny_config(**changes):
    """A configuration that builds in a moment."""
    values = {"filters": 8, "latents": 8, "head_width": 8, "classes": 3}
    return ModelConfig(**(values | changes))
