"""Batches: the same for a seed, wherever a run starts again, and in the right mixture."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from data.pipeline import training_batches
from data.sources import Source, open_extra, open_source
from tools.robustness.small_pictures import encoded, photograph

SIDE = 16


def source(count, first_label=0, seed=0):
    """Pictures whose label is their number; -1 throughout if `first_label` is."""
    files = [encoded(photograph(seed + i, 20, 24)) for i in range(count)]
    labels = [-1 if first_label < 0 else first_label + i for i in range(count)]
    data = {"image": files, "label": np.array(labels, np.int64)}
    return Source(tf.data.Dataset.from_tensor_slices(data), count, ())


@pytest.fixture(scope="module")
def labelled():
    return source(10)


@pytest.fixture(scope="module")
def unlabelled():
    return source(7, first_label=-1, seed=100)


def take(labelled, extra, count, **changes):
    """The first batches as NumPy arrays, over all epochs."""
    options = {"extra_share": 0.5, "batch": 6, "side": SIDE, "least_area": 0.3, "seed": 1}
    passes = training_batches(labelled, extra, **(options | changes))
    batches = itertools.chain.from_iterable(passes)
    return [{k: v.numpy() for k, v in b.items()} for b in itertools.islice(batches, count)]


def assert_same(a, b):
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one["label"], other["label"])
        np.testing.assert_array_equal(one["x"], other["x"])


def test_same_seed_gives_the_same_batches(labelled, unlabelled, whole):
    assert_same(take(labelled, unlabelled, 4), whole[:4])


def test_seeds_differ_in_order_and_in_patches(labelled):
    one, other = (take(labelled, None, 1, batch=10, seed=s)[0] for s in (1, 2))
    assert (one["label"] != other["label"]).any()
    by_label = [b["x"][np.argsort(b["label"])] for b in (one, other)]
    assert np.abs(by_label[0] - by_label[1]).mean() > 1


@pytest.fixture(scope="module")
def whole(labelled, unlabelled):
    """Six batches of three pictures and three extra ones: two epochs."""
    return take(labelled, unlabelled, 6)


# The middle and the end of an epoch, and the middle of the second.
@pytest.mark.parametrize("first_step", [1, 3, 5])
def test_a_run_that_starts_again_sees_what_it_would_have_seen(
    labelled, unlabelled, whole, first_step
):
    again = take(labelled, unlabelled, 6 - first_step, first_step=first_step)
    assert_same(again, whole[first_step:])


def test_a_run_without_extra_pictures_starts_again_as_well(labelled):
    whole = take(labelled, None, 4, batch=4)
    assert_same(take(labelled, None, 3, batch=4, first_step=1), whole[1:])


def test_epochs_have_orders_and_patches_of_their_own(labelled):
    one, other = take(labelled, None, 2, batch=10)
    for batch in (one, other):
        np.testing.assert_array_equal(np.sort(batch["label"]), np.arange(10))
    assert (one["label"] != other["label"]).any()
    by_label = [b["x"][np.argsort(b["label"])] for b in (one, other)]
    assert np.abs(by_label[0] - by_label[1]).mean() > 1


def test_no_picture_comes_twice_in_an_epoch(labelled):
    labels = np.concatenate([b["label"] for b in take(labelled, None, 3, batch=3)])
    assert len(set(labels)) == 9


@pytest.mark.parametrize(("share", "extras"), [(0.0, 0), (0.2, 2), (0.5, 4), (0.75, 6), (1.0, 8)])
def test_batches_have_the_share_of_extra_pictures(labelled, share, extras):
    unlabelled = source(9, first_label=-1, seed=100)
    (batch,) = take(labelled, unlabelled, 1, batch=8, extra_share=share)
    assert (batch["label"] == -1).sum() == extras
    assert batch["x"].shape == (8, SIDE, SIDE, 3)


def test_share_means_nothing_without_extra_pictures(labelled):
    (batch,) = take(labelled, None, 1, extra_share=0.9)
    assert (batch["label"] >= 0).all()


def test_extra_pictures_are_all_used(labelled):
    """Seven pictures of one colour each, four a batch: two batches show them all."""
    colours = [np.full((20, 20, 3), 30 * i, np.uint8) for i in range(7)]
    data = {"image": [encoded(c) for c in colours], "label": np.full(7, -1, np.int64)}
    extra = Source(tf.data.Dataset.from_tensor_slices(data), 7, ())
    batches = take(labelled, extra, 7, batch=8)
    shown = np.concatenate([b["x"][b["label"] < 0].mean(axis=(1, 2, 3)) for b in batches])
    for i in range(0, 28, 7):
        np.testing.assert_allclose(np.sort(shown[i : i + 7]), 30 * np.arange(7), atol=0.1)


@pytest.mark.parametrize("side", [16, 40])
def test_patches_are_floats_within_the_pixels_range(labelled, unlabelled, side):
    (batch,) = take(labelled, unlabelled, 1, side=side)
    assert batch["x"].shape == (6, side, side, 3)
    assert batch["x"].dtype == np.float32
    assert batch["x"].min() >= 0
    assert batch["x"].max() <= 255
    assert np.ptp(batch["x"]) > 50
    assert batch["label"].dtype == np.int64


def test_batches_larger_than_the_set_are_refused(labelled):
    with pytest.raises(ValueError, match=r"batch of 12.*10"):
        take(labelled, None, 1, batch=12)


def test_few_extra_pictures_alone_are_repeated(labelled, unlabelled):
    (batch,) = take(labelled, unlabelled, 1, batch=8, extra_share=1.0)
    assert batch["x"].shape[0] == 8


def test_real_files_mix_with_extra_files(picture_folder):
    labelled = open_source(f"folder:{picture_folder}", "train")
    extra = open_extra(f"{picture_folder}/val/**/*.jpg")
    batches = take(labelled, extra, 3)
    for batch in batches:
        assert set(batch["label"]) <= {-1, 0, 1}
        assert (batch["label"] == -1).sum() == 3
    again = take(labelled, extra, 1, first_step=2)
    assert_same(again, batches[2:])


@pytest.mark.parametrize(("extra_share", "count"), [(0.5, 2), (0.3, 3)])
def test_shares_are_the_rows_of_the_whole_batches(labelled, unlabelled, extra_share, count):
    options = {"extra_share": extra_share, "first_step": 2}
    batches = take(labelled, unlabelled, 2, **options)
    shares = [take(labelled, unlabelled, 2, share=(i, count), **options) for i in range(count)]
    joined = [
        {k: np.concatenate([piece[k] for piece in pieces]) for k in pieces[0]}
        for pieces in zip(*shares, strict=True)
    ]
    assert_same(joined, batches)


def test_a_batch_is_shared_evenly_or_not_at_all(labelled):
    with pytest.raises(ValueError, match="a batch of 6 cannot be shared by 4"):
        take(labelled, None, 1, share=(0, 4))
