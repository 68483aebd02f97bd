"""The networks of section III, one part of the paper a file."""

import os

# Current TensorFlows have Keras 2, which the networks are of, in a package of its own.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
