"""The trees: ImageNet's, which must never change, and those of other sets."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsic import taxonomy, treecode
from deepsic.taxonomy import Taxonomy
from deepsic.treecode import Description

SPRINGER, GOLDEN, CHURCH = 217, 207, 497
PETS = Taxonomy.of(
    ["tabby", "husky", "pug", "bus"],
    ["Tabby cat", "husky", "pug", "bus"],
    {"tabby": "animal", "husky": "dog", "pug": "dog", "dog": "animal"},
)


def called(tree, word):
    (node,) = tree.nodes_called(word)
    return node


def test_the_table_is_the_one_that_files_were_written_with():
    """Files hold paths through this very tree: whoever changes it makes them unreadable."""
    digest = hashlib.sha256(taxonomy.WORDNET.read_bytes()).hexdigest()
    assert digest == "deaabeec99c0f488f5cd46b54235acc6e9046f076d03e86e376f267ddbd78af6"


@pytest.mark.parametrize(
    ("word", "code"),
    [
        # Numbers of the 1,372 places where a path may end: those under 2048 - 1372 = 676
        # take ten bits, the others are raised by 676 and take eleven.
        ("entity", "0000000000"),  # 0
        ("church", "0000101001"),  # 41
        ("n01440764", "11110001010"),  # tench, 1254
        ("English springer", "11010011010"),  # 1014
    ],
)
def test_codes_of_imagenet_stay(word, code):
    tree = taxonomy.imagenet()
    value, count = tree.tree.code(called(tree, word))
    assert format(value, f"0{count}b") == code


def test_the_first_bits_of_a_springer_say_what_the_readme_says():
    known = taxonomy.imagenet()
    section = treecode.pack(known.tree, Description(SPRINGER, 0.8, 0.5))
    said = [known.names[known.tree.reached(section, bits)] for bits in (0, 1, 3, 5, 11)]
    assert said == ["entity", "physical entity", "vertebrate", "dog", "English springer"]


def test_imagenet_is_one_tree_whose_classes_are_leaves():
    known = taxonomy.imagenet()
    assert (len(known.ids), len(known.tree.ends)) == (1808, 1372)
    leaves = [node for node, below in enumerate(known.tree.children) if not below]
    assert leaves == list(range(1000))
    lengths = [known.tree.code(node)[1] for node in leaves]
    assert sum(lengths) / 1000 == pytest.approx(10.508)
    assert known.names_of(SPRINGER)[-4:] == [
        "sporting dog", "spaniel", "springer spaniel", "English springer",
    ]  # fmt: skip


def test_words_lead_to_nodes():
    known = taxonomy.imagenet()
    assert called(known, "english_Springer ") == SPRINGER
    assert called(known, "n02102040") == SPRINGER
    assert called(known, "dog") in known.tree.path(GOLDEN)
    assert len(known.nodes_called("crane")) == 2
    assert known.nodes_called("dogg") == []
    for spelled, name in (
        ("dogs", "dog"),
        ("golfball", "golf ball"),
        ("Golf Balls", "golf ball"),
        ("churches", "church"),
        ("wolves", "wolf"),
        ("butterflies", "butterfly"),
        ("people", "person"),
    ):
        assert known.nodes_called(spelled) == known.nodes_called(name) != []
    assert {known.names[n] for n in range(len(known.ids)) if known.is_vague(n)} == {
        "entity", "physical entity", "object", "whole",
    }  # fmt: skip
    assert "dog" in known.words_like("dogg")
    assert "golden retriever" in known.words_like("golden retreiver")


def test_a_walk_goes_as_far_down_as_the_threshold_allows():
    nodes = [SPRINGER, GOLDEN, CHURCH]
    found = [
        taxonomy.imagenet().summarise([0.5, 0.3, 0.2], nodes, t) for t in (0, 0.5, 0.75, 0.875)
    ]
    names = [taxonomy.imagenet().names[d.node] for d in found]
    assert names == ["English springer", "English springer", "sporting dog", "whole"]
    assert [d.probability for d in found] == pytest.approx([0.5, 0.5, 0.8, 1.0])


def test_sums_decide_and_not_the_likeliest_class():
    description = PETS.summarise([0.0, 0.3, 0.3, 0.4], range(4), 0.5, alternatives=2)
    assert PETS.names[description.node] == "dog"
    assert description.probability == pytest.approx(0.6)
    assert [(PETS.names[b.node], b.probability) for b in description.alternatives] == [
        ("bus", 0.4),
        ("husky", 0.3),
    ]


def test_the_label_is_no_alternative_to_itself():
    description = PETS.summarise([0.7, 0.1, 0.2, 0.0], range(4), 0.5, alternatives=2)
    assert [PETS.names[b.node] for b in (description, *description.alternatives)] == [
        "Tabby cat", "pug", "husky",
    ]  # fmt: skip


def test_a_class_with_kinds_of_its_own_can_be_the_answer():
    tree = Taxonomy.of(["dog", "pug"], ["dog", "pug"], {"pug": "dog"})
    answers = [tree.summarise(p, range(2), 0.0).node for p in ([0.9, 0.1], [0.1, 0.9])]
    assert [tree.names[n] for n in answers] == ["dog", "pug"]


@given(st.lists(st.floats(0.001, 1), min_size=4, max_size=4), st.integers(0, 15))
def test_the_answer_is_likely_enough_and_its_children_are_not(weights, steps):
    p = [w / sum(weights) for w in weights]
    description = PETS.summarise(p, range(4), steps / 16)
    below = {n for n in range(4) if description.node in PETS.tree.path(n)}
    assert description.probability == pytest.approx(sum(p[n] for n in below))
    assert description.probability >= steps / 16
    for child in PETS.tree.children[description.node]:
        assert sum(p[n] for n in range(4) if child in PETS.tree.path(n)) < steps / 16
    assert PETS.tree.may_end(description.node)


def test_a_set_without_parents_is_flat():
    flat = Taxonomy.of(["a", "b", "c"], ["A", "B", "C"], None)
    assert [flat.names_of(n) for n in range(3)] == [["anything", name] for name in "ABC"]
    assert flat.names[flat.summarise([0.4, 0.3, 0.3], range(3), 0.5).node] == "anything"
    section = treecode.pack(flat.tree, Description(2, 0.5, 0.5))
    assert len(section) == 2


@pytest.mark.parametrize(
    "parents",
    [{"a": "b", "b": "a"}, {"a": "a"}, {"a": "x", "x": "y", "y": "x"}, {"anything": "a"}],
)
def test_circles_are_refused(parents):
    with pytest.raises(ValueError, match=r"tree|name"):
        Taxonomy.of(["a", "b"], ["a", "b"], parents)
