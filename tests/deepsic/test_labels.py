"""What a label in a file means, for ImageNet's classes and for others."""

import pytest

from deepsic.container import Semantics
from deepsic.errors import CorruptFile
from deepsic.labels import Labels, get_label

CLASSES = ["n01440764", "n02102040", "n03028079"]


def test_synsets_get_their_names_and_tree():
    labels = Labels.of(CLASSES)
    assert labels.names == ["tench", "English springer", "church"]
    assert labels.imagenet == [0, 217, 497]
    label = get_label(labels.semantics([0.1, 0.8, 0.1], alternatives=1), None)
    assert str(label) == "English springer (80%)"
    assert label.levels[0] == "entity"
    assert label.in_full().startswith("entity > physical entity > ")
    assert label.in_full().endswith(" > English springer (80%); or tench (10%)")


def test_a_general_label_comes_with_the_class_that_it_is_perhaps():
    labels = Labels.of(CLASSES)
    label = get_label(labels.semantics([0.3, 0.4, 0.3], 0.5, alternatives=1), None)
    assert label.in_short() == "vertebrate (70%), perhaps English springer (40%)"
    label = get_label(labels.semantics([0.1, 0.8, 0.1], 0.5, alternatives=1), None)
    assert label.in_short() == "English springer (80%)"


def test_a_label_is_as_special_as_the_threshold_allows():
    labels = Labels.of(CLASSES)
    said = [get_label(labels.semantics([0.3, 0.4, 0.3], t), None) for t in (0.25, 0.5, 0.875)]
    assert list(map(str, said)) == ["English springer (40%)", "vertebrate (70%)", "unknown"]
    assert said[2].in_full() == "entity > physical entity > object > whole (100%)"


def test_other_classes_are_read_with_their_models_labels():
    labels = Labels.of(["a", "b"], names={"a": "Ape"}, parents={"a": "animal", "b": "animal"})
    assert (labels.names, labels.imagenet) == (["Ape", "b"], None)
    label = get_label(labels.semantics([0.9, 0.1]), labels)
    assert label.levels == ("anything", "animal", "Ape")


def test_parents_of_ones_own_replace_wordnets():
    labels = Labels.of(CLASSES, parents={c: "picture" for c in CLASSES})
    assert labels.imagenet is None
    assert labels.taxonomy.names_of(1) == ["anything", "picture", "n02102040"]


@pytest.mark.parametrize("section", [b"\xff", bytes(4), b"\0\0\1"])
def test_damaged_labels_are_noticed(section):
    with pytest.raises(CorruptFile):
        get_label(Semantics(section, True), None)
