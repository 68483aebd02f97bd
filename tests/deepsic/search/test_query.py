"""What is a hit, and in which order."""

import os

import pytest

from deepsic.registry import Registry
from deepsic.search import query, reading
from tests.deepsic.search.files import write_archive


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = write_archive(tmp_path_factory.mktemp("archive") / "a")
    return reading.read([str(folder)], Registry(), 10**6, pytest.fail)


def found(archive, word, least=0.0, without=()):
    hits = query.search(archive, query.Wanted((word,), without), least)
    return [os.path.basename(h.file.path).removesuffix(".dsic") for h in hits]


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("English springer", ["dog", "perhaps"]),
        ("n02102040", ["dog", "perhaps"]),
        ("DOG", ["dog", "perhaps"]),
        ("teleost_fish", ["fish", "perhaps"]),
        ("vertebrate", ["fish", "dog", "vertebrate", "perhaps"]),
        ("building", ["church", "perhaps"]),
        ("entity", ["church", "fish", "dog", "vertebrate", "perhaps"]),
        ("cat", []),
    ],
)
def test_a_word_finds_its_kinds_most_probable_first(archive, word, names):
    assert found(archive, word) == names


def test_several_words_find_what_shows_one_of_them(archive):
    """Of the file that says church, tench and springer besides, the meant ones add up."""
    hits = query.search(archive, query.Wanted(("dog", "church")))
    names = [os.path.basename(h.file.path).removesuffix(".dsic") for h in hits]
    assert names == ["church", "dog", "perhaps"]
    assert hits[-1].probability > max(
        h.probability
        for word in ("dog", "church")
        for h in query.search(archive, query.Wanted((word,)))
        if h.perhaps
    )


def test_what_is_not_meant_is_left_out(archive):
    assert found(archive, "vertebrate", without=("dog",)) == ["fish", "vertebrate", "perhaps"]
    assert found(archive, "vertebrate", without=("dog", "fish")) == ["vertebrate", "perhaps"]
    assert found(archive, "dog", without=("English springer",)) == []
    assert found(archive, "church", without=("building",)) == []


def test_probabilities_of_alternatives_add_up(archive):
    """The file says vertebrate (70%), and tench, springer and church besides."""
    for word, probability in (("vertebrate", 0.7), ("fish", 0.3), ("artifact", 0.3)):
        (hit,) = [
            h for h in query.search(archive, query.Wanted((word,))) if "perhaps" in h.file.path
        ]
        assert hit.probability == pytest.approx(probability, abs=1 / 128)
    assert "perhaps church (30%); vertebrate (70%)" in str(hit)


def test_a_least_probability_leaves_the_rest_out(archive):
    assert found(archive, "entity", 0.78) == ["church", "fish", "dog"]


def test_bad_files_are_counted_and_do_not_stop_the_others(archive):
    assert archive.count == 8
    assert [os.path.basename(f.path) for f in archive.failed] == [
        "broken.dsic", "empty.dsic", "damaged.dsic",
    ]  # fmt: skip


def test_unknown_words_get_the_nearest_known_ones():
    query.check_words(query.Wanted(("crane", "dog"), ("heron",)), Registry())
    for wanted in (("dog", "english springr"), ()), (("dog",), ("english springr",)):
        with pytest.raises(query.UnknownWord, match="English springer"):
            query.check_words(query.Wanted(*wanted), Registry())
    with pytest.raises(query.UnknownWord, match="nothing is near"):
        query.check_words(query.Wanted(("\u65e5\u672c",)), Registry())
