"""draft"""
import pathlib, json
import numpy as np
import tensorflow as tf
from data import sources
from data.pipeline import training_batches
from models.config import ModelConfig
from models.deepsic import DeepSIC
from models.initialise import linear_block_transform
from training.loop import Run
from training.strategies import make_strategy

def train(F, settings, collect):
    out = pathlib.Path(F.out); out.mkdir(parents=True, exist_ok=True)
    source = sources.open_source(F.dataset, "train", F.data_dir)
    extra = sources.open_extra(F.extra_images) if F.extra_images else None
    config = collect(ModelConfig, classes=len(source.labels))
    (out/"settings.json").write_text(settings.to_json()); (out/"config.json").write_text(config.to_json())
    strategy = make_strategy(F.strategy)
    tf.keras.utils.set_random_seed(settings.seed)
    with strategy.scope():
        model = DeepSIC(config); model.create_variables()
    if settings.start == "linear":
        data = next(training_batches(source, extra, extra_share=settings.extra_share, batch=32, side=128, least_area=settings.least_area, seed=settings.seed+1))
        x = next(iter(data))["x"].numpy()
        linear_block_transform(model, x, settings.lambda1, settings.seed)
    run = Run(out, model, settings, strategy, F.checkpoint_minutes)
    print("resumed at", run.resume())
    run.train(source, extra)
