"""Metrics, reference codecs, deltas, plots and the report."""

import os

# Current TensorFlows have Keras 2, which the networks are of, in a package of its own.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
