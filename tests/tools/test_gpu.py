"""The training step in PyTorch is TensorFlow's, and models go there and back."""

import json

import numpy as np
import pytest
import tensorflow as tf

from data.samples import sample_images
from deepsic import folders
from models import quantiser, weights
from models.deepsic import DeepSIC
from tests.calls import call
from tests.models.tiny import tiny_config

torch = pytest.importorskip("torch", reason="requirements-gpu.txt is not installed")

from tools.gpu import distil, efficientnet, networks, rate  # noqa: E402

# Rounding of sums in another order.
CLOSE = 2e-4
FORMS = [
    {"strides": (4, 2, 1, 1), "kernels": (7, 5, 3, 3), "gains": 3},
    {"strides": (4, 2, 2, 1), "kernels": (7, 5, 3, 3), "gains": 2},
]


def make_both(form):
    """A model in TensorFlow, with nothing at zero, and its form and weights in PyTorch."""
    tf.keras.utils.set_random_seed(4)
    config = tiny_config(
        bits=8, normalisation="gdn", skip_gain=0.3, blocks=2, decoder_blocks=1, **form
    )
    model = DeepSIC(config, "context")
    model.create_variables()
    rng = np.random.default_rng(1)
    model.prior.start(np.abs(rng.normal(2, 1, (config.gains, config.latents))))
    for variable in model.trainable_variables:
        variable.assign_add(rng.normal(0, 0.03, variable.shape))
    named = {
        name: v
        for name, v in weights.named_variables(model).items()
        if not name.startswith(weights.HEAD)
    }
    named |= {f"rate/{v.name.split('/')[-1].split(':')[0]}": v for v in model.prior.variables}
    fields = networks.Form._fields
    made = networks.Form(**{name: getattr(config, name) for name in fields})
    w = {name: torch.tensor(v.numpy()) for name, v in named.items()}
    return model, named, made, w


@pytest.mark.parametrize("form", FORMS, ids=["stride 8", "stride 16"])
def test_loss_and_gradients_are_tensorflows(form):
    model, named, made, w = make_both(form)
    x = np.stack([sample_images()["chelsea"][40:136, 90:186]] * 2).astype(np.float32)
    x[1] = x[1, ::-1]
    side, index = 96 // model.config.stride, np.array([0.3, 0.9], np.float32)
    noise = np.random.default_rng(2).uniform(-0.5, 0.5, (2, side, side, made.latents))
    noise = noise.astype(np.float32)
    before = model.features.centre.median.numpy()

    learns = {
        name: v for name, v in named.items() if name not in networks.STATISTICS + networks.STILL
    }
    with tf.GradientTape() as tape:
        z = model.features.centred(tf.constant(x), training=True)
        y = quantiser.to_steps(model.features.bounded(z, index), made.bits)
        bits = model.prior(quantiser.round_softly(y) + noise, index)
        y_hat = quantiser.straight_through(y, made.bits) / made.half
        x_hat = model.reconstruction(y_hat, index, training=True)
        loss = tf.reduce_mean(bits / 96**2 + 0.01 * tf.reduce_mean((x - x_hat) ** 2, (1, 2, 3)))
    gradients = tape.gradient(loss, learns)

    for name in learns:
        w[name].requires_grad_()
    at = torch.tensor(index)
    z = networks.centred(w, made, torch.tensor(x), model.features.centre.rate)
    y = networks.to_steps(w, made, z, at)
    noisy = networks.round_softly(y) + torch.tensor(noise)
    mine = rate.Rate(made, "cpu").bits(w, noisy, at) / 96**2
    x_hat = networks.reconstruct(w, made, networks.quantised(y, made), at)
    mine = (mine + 0.01 * ((torch.tensor(x) - x_hat) ** 2).mean((1, 2, 3))).mean()
    mine.backward()

    assert mine.item() == pytest.approx(float(loss), rel=1e-5)
    median = model.features.centre.median.numpy()
    assert np.abs(median - before).max() > 0
    np.testing.assert_allclose(w["features/centre/median"].numpy(), median, atol=1e-7)
    for name, gradient in gradients.items():
        expected = tf.convert_to_tensor(gradient).numpy()
        error = np.linalg.norm(w[name].grad.numpy() - expected)
        assert error <= CLOSE * np.linalg.norm(expected), name


def test_a_heads_answers_are_tensorflows(tmp_path):
    """What the head of a `post` model says of pictures of several sides."""
    from deepsic.pretrained import open_network
    from models.pretrained import shared_network
    from training import head
    from training.distil import _shrunk

    made = folders.open_folder(make_folder(tmp_path))
    model = head.load(made, head.config_of(made, "post", "decoder"))
    kernel = model.semantics.map.kernel
    kernel.assign(np.random.default_rng(3).normal(0, 30, kernel.shape))
    call("-m", "tools.gpu.exchange", "start", f"--model={made.path}", f"--weights={tmp_path}/w.npz")
    codec = distil.Codec(f"{tmp_path}/w.npz", "cpu")
    arrays, strides = open_network().weights(), shared_network().strides
    network = efficientnet.Network(efficientnet.load(arrays, "cpu"), strides, 224)
    theirs = distil.Head(codec, network)
    theirs.spread = torch.linspace(0.5, 2, made.config.filters)
    theirs.set(torch.tensor(kernel.numpy()), torch.tensor(model.semantics.map.bias.numpy()))
    x = sample_images()["chelsea"][None, :256, 90:346].repeat(2, 0)
    index = np.array([0.2, 0.9], np.float32)
    for side in (128, 176, 256):
        small = _shrunk(tf.constant(x), side).numpy()
        again = codec.shrunk(torch.tensor(x), side).numpy()
        assert np.abs(small - again).max() <= 1
        seen = model.seen(tf.cast(small, tf.float32), index)
        mine = codec.seen(torch.tensor(small).float(), torch.tensor(index))
        np.testing.assert_allclose(mine, seen, atol=1e-4)
        expected = tf.nn.log_softmax(model.semantics(seen)).numpy()
        np.testing.assert_allclose(theirs.log_p(mine).detach(), expected, atol=2e-3)


def test_a_model_goes_there_and_back(tmp_path):
    """From a folder to what a few steps make of it, and to a folder again."""
    from PIL import Image

    made = make_folder(tmp_path)
    for i in range(2):
        (tmp_path / "set" / "train" / f"class{i}").mkdir(parents=True)
        for k in range(4):
            tile = sample_images()["chelsea"][40 * k : 40 * k + 128, 60 * i : 60 * i + 128]
            Image.fromarray(tile).save(tmp_path / "set" / "train" / f"class{i}" / f"{k}.png")
    exchange = ["-m", "tools.gpu.exchange"]
    pictures = f"--extra_images={tmp_path}/set/train/*/*.png"
    call(*exchange, "tiles", pictures, f"--weights={tmp_path}/tiles.npz")
    rates = ["--lambda1=0.01", "--lambda1_top=0.04", "--lr=1e-3", "--blocks=1"]
    call(*exchange, "start", f"--model={made}", *rates, f"--weights={tmp_path}/start.npz")
    (tmp_path / "out").mkdir()
    train = ["-m", "tools.gpu.train", f"--start={tmp_path}/start.npz", "--batch=2", "--patch=64"]
    train += [f"--tiles={tmp_path}/tiles.npz", f"--out={tmp_path}/out", "--window=2", "--steps=4"]
    call(*train, "--seconds=600", f"--state={tmp_path}/state")
    call(*train, "--seconds=600", f"--state={tmp_path}/state")  # goes on from there
    with np.load(tmp_path / "out" / f"{made.name}.npz") as file:
        about = json.loads(str(file["about"]))
        kernel = file["features/conv1/kernel"]
    assert about["steps"] == 4
    assert len(about["curve"]) == 2
    take = [f"--model={made}", f"--weights={tmp_path}/out/{made.name}.npz", "--context_steps=2"]
    take += [f"--dataset=folder:{tmp_path}/set", "--context_maps=8", "--context_patch=64"]
    call(*exchange, "take", *take, f"--out={tmp_path}/back")
    back = folders.open_folder(tmp_path / "back" / "model")
    assert (back.config.blocks, back.config.decoder_blocks) == (1, 0)
    assert back.rates["lambda1"] == pytest.approx([0.01, 0.04])
    np.testing.assert_array_equal(
        back.weights()["features/conv1/kernel"], kernel.astype(np.float16)
    )
    assert np.abs(kernel - folders.open_folder(made).weights()["features/conv1/kernel"]).max() > 0


def test_a_head_goes_there_and_back(tmp_path):
    """From a codec to a head that a few steps make, and to a folder with it."""
    from PIL import Image

    made = make_folder(tmp_path)
    for i, name in enumerate(("n01440764", "n02102040")):
        (tmp_path / "set" / "train" / name).mkdir(parents=True)
        for k in range(2):
            part = sample_images()["chelsea"][60 * i : 60 * i + 200, 90 * k : 90 * k + 200]
            Image.fromarray(part).save(tmp_path / "set" / "train" / name / f"{k}.png")
    exchange, pictures = (
        ["-m", "tools.gpu.exchange"],
        f"--extra_images={tmp_path}/set/train/*/*.png",
    )
    call(*exchange, "start", f"--model={made}", f"--weights={tmp_path}/start.npz")
    call(
        *exchange, "lesson", pictures, "--first=1", "--count=3", f"--weights={tmp_path}/lesson.npz"
    )
    call(*exchange, "networks", f"--weights={tmp_path}/lite.npz")
    learn = ["-m", "tools.gpu.heads", f"--start={tmp_path}/start.npz", "--sides=128,176"]
    learn += [f"--lesson={tmp_path}/lesson.npz", f"--networks={tmp_path}/lite.npz"]
    learn += ["--steps=3", "--batch=2", "--held=1", "--crops=2", f"--out={tmp_path}/out"]
    call(*learn, "--seconds=600")
    file = tmp_path / "out" / f"{made.name}.npz"
    take = [f"--model={made}", f"--weights={file}", f"--dataset=folder:{tmp_path}/set"]
    call(*exchange, "take_head", *take, f"--out={tmp_path}/back")
    back = folders.open_folder(tmp_path / "back" / "model")
    assert back.arch == "post"
    assert back.fingerprints == folders.open_folder(made).fingerprints
    assert back.card["steps"] == 3
    assert len(back.card["curve"]) == 2
    with np.load(file) as arrays:
        kernel = arrays["semantics/map/kernel"].astype(np.float16)
    np.testing.assert_array_equal(back.weights()["semantics/map/kernel"], kernel)


def make_folder(tmp_path):
    """A small model with gains, in a folder."""
    from tools.robustness.small_models import make_model

    return make_model(tmp_path / "small", "pre", ["cat", "dog"], gains=2).path


def test_wrong_commands_are_told():
    _, said = call("-m", "tools.gpu.exchange", "--weights=w.npz", code=1)
    assert "give one of start, tiles, take, lesson, networks, take_head." in said
