"""The two architectures: what each part is fed with, surrogates, gradients and seeds."""

import numpy as np
import pytest
import tensorflow as tf

from models import quantiser
from models.deepsic import DeepSIC
from models.semantics import SemanticHead
from tests.models.tiny import tiny_config
from tools.robustness.small_pictures import photograph
from training.loss import joint_loss

ARCHS = ["pre", "post"]
SEED = tf.constant([1, 2])


@pytest.fixture(scope="module")
def x():
    return tf.constant([photograph(i, 64, 64) for i in range(4)], tf.float32)


def make(**changes):
    tf.keras.utils.set_random_seed(1)
    model = DeepSIC(tiny_config(**changes))
    model.create_variables()
    return model


class Recorder:
    """Stands in for a part of the model and keeps what it was given."""

    def __init__(self, part):
        self.part = part
        self.given = []

    def __call__(self, value, *args, **options):
        self.given.append(value.numpy())
        return self.part(value, *args, **options)


def record(monkeypatch, model, name):
    recorder = Recorder(getattr(model, name))
    monkeypatch.setattr(model, name, recorder)
    return recorder.given


def quantised(model, f):
    y = quantiser.to_steps(f, model.config.bits)
    q = quantiser.quantise(y, model.config.bits)
    return (quantiser.dequantise(q) / quantiser.half_levels(model.config.bits)).numpy()


@pytest.mark.parametrize("normalisation", ["batch", "gdn"])
@pytest.mark.parametrize(("arch", "surrogate"), [("pre", "noise"), ("post", "mixed")])
def test_gradients_reach_every_variable(x, arch, normalisation, surrogate):
    model = make(arch=arch, normalisation=normalisation, skip_gain=1.0)
    with tf.GradientTape() as tape:
        out = model(x, training=True, seed=SEED, surrogate=surrogate)
        labels = tf.constant([0, 1, 2, -1], tf.int64)
        loss = joint_loss(x, out.x_hat, out.bits, out.logits, labels, 0.01, 1.0).total
    gradients = tape.gradient(loss, model.trainable_variables)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.name
        assert np.isfinite(gradient).all(), variable.name
        if normalisation == "batch" and "conv4/bias" in variable.name:
            continue  # its batch normalisation takes any bias away
        assert np.abs(gradient).max() > 0, variable.name


@pytest.mark.parametrize("arch", ARCHS)
def test_semantic_gradient_reaches_the_features(x, arch):
    model = make(arch=arch)
    with tf.GradientTape() as tape:
        logits = model(x, training=True, seed=SEED).logits
        loss = tf.reduce_sum(tf.nn.log_softmax(logits)[:, 0])
    gradient = tape.gradient(loss, model.features.convs[0].kernel)
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize(
    ("training", "surrogate"), [(False, "noise"), (True, "noise"), (True, "mixed")]
)
@pytest.mark.parametrize("arch", ARCHS)
def test_parts_are_fed_as_the_architecture_says(monkeypatch, x, arch, surrogate, training):
    model = make(arch=arch, normalisation="gdn")
    features = []
    bound = quantiser.bound
    monkeypatch.setattr(
        quantiser, "bound", lambda z, bits: features.append(bound(z, bits)) or features[-1]
    )
    given = {p: record(monkeypatch, model, p) for p in ("semantics", "reconstruction", "prior")}
    model(x, training=training, seed=SEED, surrogate=surrogate)
    (f,) = features
    (head,), (decoder,), (prior,) = given["semantics"], given["reconstruction"], given["prior"]
    restored = quantised(model, f)
    noisy = quantiser.add_noise(quantiser.to_steps(f, 6), SEED) if training else 32 * restored
    np.testing.assert_allclose(head, f if arch == "pre" else restored, atol=1e-6)
    np.testing.assert_allclose(prior, noisy, atol=1e-5)
    to_decoder = noisy / 32 if training and surrogate == "noise" else restored
    np.testing.assert_allclose(decoder, to_decoder, atol=1e-6)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("arch", ARCHS)
def test_only_the_pre_head_sees_inside_a_bin(monkeypatch, x, arch, training):
    monkeypatch.setattr(SemanticHead, "DROPOUT", 0.0)
    model = make(arch=arch)
    rng = np.random.default_rng(4)
    q = rng.integers(-31, 33, (4, 8, 8, 8))

    def run(within):
        f = tf.constant((q - 0.5 + within) / 32, tf.float32)
        monkeypatch.setattr(model.features, "bounded", lambda z, rate_index: f)
        return model(x, training=training, seed=SEED, surrogate="mixed")

    one, other = run(0.0), run(rng.uniform(-0.45, 0.45, q.shape))
    np.testing.assert_allclose(other.x_hat, one.x_hat, atol=1e-2)
    change = np.abs(other.logits - one.logits).max()
    assert change > 1e-4 if arch == "pre" else change < 1e-5
    if not training:
        np.testing.assert_array_equal(other.bits, one.bits)


def test_outputs_have_the_batchs_shapes(x):
    out = make()(x)
    assert out.x_hat.shape == x.shape
    assert out.bits.shape == (4,)
    assert out.logits.shape == (4, 3)
    assert (out.bits.numpy() > 0).all()


def test_training_leaves_out_what_no_learning_part_needs(monkeypatch, x):
    model = make(normalisation="gdn")
    full = model(x, training=True, seed=SEED)
    codec = model(x, training=True, seed=SEED, parts=("features", "prior", "reconstruction"))
    np.testing.assert_array_equal(codec.logits, np.zeros((4, 3)))
    # The channels' medians have moved between the two.
    np.testing.assert_allclose(codec.bits, full.bits, rtol=0.01)
    head = model(x, training=True, seed=SEED, parts=("semantics",))
    np.testing.assert_array_equal(head.x_hat, x)
    np.testing.assert_array_equal(head.bits, np.zeros(4))
    assert np.ptp(head.logits) > 0


@pytest.mark.parametrize("normalisation", ["batch", "gdn"])
def test_head_alone_learns_on_features_that_stand_still(x, normalisation):
    model = make(normalisation=normalisation)
    frozen = [*model.features.variables, *model.reconstruction.variables]
    before = [v.numpy() for v in frozen]
    model(x, training=True, seed=SEED, parts=("semantics",))
    for value, variable in zip(before, frozen, strict=True):
        np.testing.assert_array_equal(value, variable)


@pytest.mark.parametrize("arch", ARCHS)
def test_inference_ignores_which_parts_learn(x, arch):
    model = make(arch=arch)
    for full, part in zip(model(x), model(x, parts=("semantics",)), strict=True):
        np.testing.assert_array_equal(full, part)


def test_symbols_and_their_restoration_are_what_the_decoder_gets(x):
    model = make(normalisation="gdn")
    f = model.features(x)
    q = model.symbols(f)
    assert q.dtype == tf.int32
    assert q.numpy().min() >= -31
    assert q.numpy().max() <= 32
    np.testing.assert_array_equal(model.restore(q), quantised(model, f))
    x_hat = model.reconstruction(model.restore(q))
    np.testing.assert_allclose(model(x).x_hat, x_hat, atol=1e-3)
    np.testing.assert_allclose(model(x).bits, model.prior(32 * model.restore(q)), rtol=1e-6)


def test_seed_of_initialisation_decides_every_weight():
    one, two = make(), make()
    tf.keras.utils.set_random_seed(2)
    other = DeepSIC(tiny_config())
    other.create_variables()
    for a, b in zip(one.variables, two.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    kernels = [m.features.convs[0].kernel.numpy() for m in (one, other)]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-3


@pytest.fixture(scope="module")
def train_once(x):
    """Outputs of a training pass with a seed, from the same variables each time."""
    model = make(normalisation="gdn", arch="pre")
    start = [v.numpy() for v in model.variables]

    def run(seed):
        for variable, value in zip(model.variables, start, strict=True):
            variable.assign(value)
        return model(x, training=True, seed=tf.constant(seed))

    return run


def test_same_seed_gives_the_same_noise(train_once):
    one, same, other = train_once([1, 2]), train_once([1, 2]), train_once([1, 3])
    np.testing.assert_array_equal(one.x_hat, same.x_hat)
    np.testing.assert_array_equal(one.bits, same.bits)
    assert np.abs(one.x_hat - other.x_hat).max() > 0.01


def test_dropout_acts_in_training_only(monkeypatch, x):
    trained, told = [], []
    for rate in (0.0, 0.5):
        monkeypatch.setattr(SemanticHead, "DROPOUT", rate)
        model = make()
        told.append(model(x).logits)
        trained.append(model(x, training=True, seed=SEED).logits)
    np.testing.assert_array_equal(*told)
    assert np.abs(trained[0] - trained[1]).max() > 1e-3


def test_same_seed_gives_the_same_dropout(train_once):
    logits = [train_once([1, 2]).logits.numpy() for _ in range(4)]
    for other in logits[1:]:
        np.testing.assert_array_equal(other, logits[0])


def test_inference_changes_no_variable(x):
    model = make()
    before = [v.numpy() for v in model.variables]
    model(x)
    for value, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(value, variable)
