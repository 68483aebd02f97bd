"""One temperature for a head, so that what it says with 70% is true in 70 of 100 pictures."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from deepsic.codec import Codec

LEAST, MOST = 0.1, 10.0
# From one picture's step to the next one's: prime to every model's number of steps.
_STRIDE = 41


def log_probabilities(codec: Codec, pictures: Iterable[np.ndarray]) -> np.ndarray:
    """What a model's head says of pictures, float64 (N, classes), seen as files are labelled.

    In models with gains, each picture is seen at another step, so that all of them count.
    """
    answers = []
    for number, x in enumerate(pictures):
        codec = codec.at(_STRIDE * number % len(codec.config.trained_steps))
        f = codec.features(x)
        if codec.config.arch == "post":
            f = codec.restore(codec.symbols(f))
        answers.append(codec.classify(f).astype(float))
    return np.log(np.maximum(np.array(answers), 1e-30))


def fit_temperature(log_p: np.ndarray, truth: np.ndarray) -> float:
    """The T that makes softmax(log_p / T) likeliest to have said the truth.

    Args:
      log_p: float (N, classes), logits or logarithms of probabilities.
      truth: int (N,).
    """
    from scipy.optimize import minimize_scalar

    def loss(log_t: float) -> float:
        z = log_p / np.exp(log_t)
        z -= z.max(axis=1, keepdims=True)
        chosen = z[np.arange(len(z)), truth]
        return float(np.mean(np.log(np.exp(z).sum(axis=1)) - chosen))

    found = minimize_scalar(loss, bounds=(np.log(LEAST), np.log(MOST)), method="bounded")
    return float(np.exp(found.x))
