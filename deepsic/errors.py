"""Errors that need no TensorFlow to be caught."""


class ModelError(Exception):
    """A model folder is missing, damaged or of another kind; the message is one sentence."""
