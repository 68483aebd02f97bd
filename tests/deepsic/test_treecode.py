"""Paths as bits: cheap, most general first, and the same for ever."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsic import treecode
from deepsic.errors import CorruptFile
from deepsic.treecode import Bits, Description, NodeProbability, Tree

# thing: cat, dog; dog: spaniel, poodle.
THING, CAT, DOG, SPANIEL, POODLE = range(5)
EXAMPLE = Tree([-1, THING, THING, DOG, DOG])


def bits_of(tree, node):
    value, count = tree.code(node)
    return format(value, f"0{count}b") if count else ""


@st.composite
def trees(draw, largest=40):
    """Any tree: each node is put under one before it, then all are shuffled."""
    count = draw(st.integers(1, largest))
    above = [-1] + [draw(st.integers(0, i - 1)) for i in range(1, count)]
    place = draw(st.permutations(range(count)))
    parents = [0] * count
    for node, parent in enumerate(above):
        parents[place[node]] = place[parent] if parent >= 0 else -1
    return Tree(parents, draw(st.sets(st.integers(0, count - 1))))


def test_the_example_of_the_docstring():
    codes = [bits_of(EXAMPLE, node) for node in range(5)]
    assert codes == ["00", "01", "10", "110", "111"]


def test_a_section_worked_out_by_hand():
    description = Description(SPANIEL, 0.87, 0.5, (NodeProbability(CAT, 0.1),))
    # 0.87 is 111 of 128 and a bit, 0.1 is 12 of 128 and a bit, 0.5 is 8 of 16.
    expected = "110" + "1101111" + "1000" + "1" + "01" + "0001100" + "00000000"
    section = treecode.pack(EXAMPLE, description)
    assert section == int(expected[:24], 2).to_bytes(3, "big")
    found = treecode.unpack(EXAMPLE, section)
    assert found == Description(SPANIEL, 111.5 / 128, 0.5, (NodeProbability(CAT, 12.5 / 128),))


def test_an_only_child_costs_nothing_and_its_parent_ends_no_path():
    tree = Tree([-1, 0, 1, 2, 2])
    assert [bits_of(tree, node) for node in (2, 3, 4)] == ["0", "10", "11"]
    with pytest.raises(ValueError, match="single child"):
        tree.code(0)
    assert tree.path(3) == [0, 1, 2, 3]


def test_a_class_may_have_kinds_of_its_own():
    tree = Tree([-1, 0, 1], classes=[1, 2])
    assert [bits_of(tree, node) for node in (1, 2)] == ["0", "1"]


@pytest.mark.parametrize("parents", [[], [0], [-1, -1], [-1, 2, 1], [-1, 1]])
def test_what_is_no_tree_is_refused(parents):
    with pytest.raises(ValueError, match="tree"):
        Tree(parents)


@given(trees())
def test_codes_are_a_complete_prefix_code_within_a_bit_of_the_least(tree):
    codes = [bits_of(tree, node) for node in range(len(tree.parents)) if tree.may_end(node)]
    assert sum(2.0 ** -len(code) for code in codes) == 1
    assert len({code[:k] for code in codes for k in range(len(code))} & set(codes)) == 0
    assert max(map(len, codes)) <= math.floor(math.log2(len(codes))) + 1


@given(trees(), st.data())
def test_the_first_bits_of_a_path_lead_to_a_node_above_it(tree, data):
    node = data.draw(st.sampled_from(tree.ends))
    section = treecode.pack(tree, Description(node, 0.5, 0.5))
    _, length = tree.code(node)
    depths = []
    for count in range(8 * len(section) + 1):
        reached = tree.reached(section, count)
        assert reached in tree.path(node)
        depths.append(len(tree.path(reached)))
    assert depths == sorted(depths)
    assert tree.reached(section, length) == node


@given(trees(), st.data())
def test_what_is_packed_is_unpacked(tree, data):
    probability = st.floats(0, 1)
    likely = st.builds(NodeProbability, st.sampled_from(tree.ends), probability)
    threshold = data.draw(st.integers(0, 15)) / 16
    others = tuple(data.draw(st.lists(likely, max_size=treecode.MOST_ALTERNATIVES)))
    whole = Description(*data.draw(likely), threshold, others)
    found = treecode.unpack(tree, treecode.pack(tree, whole))
    assert (found.node, found.threshold) == (whole.node, threshold)
    assert found.probability == pytest.approx(whole.probability, abs=1 / 256)
    assert [b.node for b in found.alternatives] == [b.node for b in others]
    for a, b in zip(found.alternatives, others, strict=True):
        assert a.probability == pytest.approx(b.probability, abs=1 / 256)


@given(trees(), st.binary(max_size=63))
def test_any_bytes_are_one_description_or_damaged(tree, section):
    try:
        found = treecode.unpack(tree, section)
    except CorruptFile:
        return
    assert treecode.pack(tree, found) == section


def test_no_zeros_may_follow_beyond_the_byte():
    section = treecode.pack(EXAMPLE, Description(CAT, 0.5, 0.5))
    for damaged in (section[:-1], section + b"\0", section[:-1] + bytes([section[-1] | 1])):
        with pytest.raises(CorruptFile):
            treecode.unpack(EXAMPLE, damaged)


@pytest.mark.parametrize(
    ("given_", "kept"), [(0, 0), (0.5, 0.5), (0.53, 0.5), (0.7, 11 / 16), (0.99, 15 / 16)]
)
def test_thresholds_are_rounded_to_sixteenths(given_, kept):
    assert treecode.round_threshold(given_) == kept


@pytest.mark.parametrize("threshold", [-0.1, 1, float("nan")])
def test_impossible_thresholds_are_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        treecode.round_threshold(threshold)


def test_bits_come_highest_first_and_end():
    bits = Bits(b"\xa5")
    assert [bits.take(3), bits.take(0), bits.take(5)] == [0b101, 0, 0b00101]
    with pytest.raises(CorruptFile):
        bits.take(1)
