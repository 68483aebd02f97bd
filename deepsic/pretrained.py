"""The semantic head that ends with a pretrained network, of which one copy serves all models.

    features ─► linear map ─► thumbnail ─► resize ─► EfficientNet-Lite0 ─► 1,000 logits ─► / T

The map and the temperature T are a model's own, the network is shared. It is in a folder beside
the shipped models:

    network.json   checksums, where the weights come from, their licence, and where they go
    weights.npz    float16 arrays by name
    graph.npz      the graph for LiteRT, without weights (`deepsic.graphs`)
    LICENSE, NOTICE
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import pathlib
from typing import TYPE_CHECKING, Any

from deepsic.errors import ModelError
from deepsic.store import CHECKPOINTS
from deepsic.untrusted import load_arrays, parse_json, read_plain

if TYPE_CHECKING:
    import numpy as np

    from deepsic.config import ModelConfig
    from deepsic.folders import Folder
    from deepsic.thumbnail import LinearMap

CARD = "network.json"
FOLDER = CHECKPOINTS / "efficientnet-lite0"
CLASSES = 1000
# Names of a head's own weights.
KERNEL, BIAS, TEMPERATURE = (
    "semantics/map/kernel",
    "semantics/map/bias",
    "semantics/temperature/value",
)
# The short side of a thumbnail is at least so long where the picture's is, pixels.
LEAST_SIDE = 200
# The network sees the middle of a picture, no longer than so many times its short side. With more,
# the temperature that fits would depend on the picture's shape (docs/labels.md).
LONGEST = 1


@dataclasses.dataclass(frozen=True)
class Network:
    """The folder of the shared network; its files are opened when they are asked for.

    Attributes:
      path: of the folder.
      card: the parsed network.json.
    """

    path: pathlib.Path
    card: dict[str, Any]

    @property
    def side(self) -> int:
        """Short side of the pictures that it was trained on, pixels."""
        return self.card["side"]

    def weights(self) -> dict[str, np.ndarray]:
        """The weights, float16, by name."""
        return self._arrays("weights.npz")

    def graph(self) -> bytes:
        """The .tflite file, with its weights: float32 (n, h, w, 3) in 0–255 to (n, 1000)."""
        from deepsic import graphs

        empty = self._arrays("graph.npz")
        try:
            return graphs.put_in(empty["graph"].tobytes(), self.card["slots"], self.weights())
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ModelError(f"{self.path} is damaged: {error}.") from error

    def _arrays(self, name: str) -> dict[str, np.ndarray]:
        data = read_plain(self.path / name)
        if hashlib.sha256(data).hexdigest() != self.card["sha256"].get(name):
            raise ModelError(f"{self.path / name} is damaged: its checksum is another.")
        return load_arrays(data, str(self.path / name))


def open_network(path: pathlib.Path = FOLDER) -> Network:
    """The shared network; raises ModelError if it is not there or damaged."""
    if not (path / CARD).exists():
        raise ModelError(f"{path} is not there: the heads of these models need it.")
    card = parse_json(read_plain(path / CARD), str(path / CARD))
    try:
        if type(card["side"]) is not int or not 32 <= card["side"] <= 1024:
            raise ValueError("its pictures have no size")
        if not isinstance(card["sha256"], dict) or not isinstance(card["slots"], list):
            raise ValueError("it has no checksums or no slots")
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path / CARD} is damaged: {error}.") from error
    return Network(path, card)


class PretrainedHead:
    """A model's own part of the head.

    Args:
      folder: of the model, whose config says `head` is `pretrained`.

    Attributes:
      mapping: from features to pixels.
      temperature: that logits are divided by.
      side: of the network's pictures, pixels.

    Raises:
      ModelError: if the weights are of no use, or the network is not there.
    """

    def __init__(self, folder: Folder) -> None:
        self._weights, self._folder = folder.weights(), folder
        self.side = open_network().side
        self.temperature = float(self._weight(TEMPERATURE))
        if not 0 < self.temperature < 1e3:
            raise ModelError(f"{folder.path}: the temperature of the head is damaged.")

    def _weight(self, name: str) -> np.ndarray:
        import numpy as np

        if name not in self._weights:
            raise ModelError(f"{self._folder.path}: the model has no weights {name}.")
        return self._weights[name].astype(np.float32)

    @functools.cached_property
    def mapping(self) -> LinearMap:
        """See the class."""
        from deepsic.thumbnail import LinearMap

        try:
            return LinearMap(self._weight(KERNEL), self._weight(BIAS), self._folder.config.stride)
        except ValueError as error:
            raise ModelError(f"{self._folder.path} is damaged: {error}.") from error

    def fit(self, x: np.ndarray) -> np.ndarray:
        """A picture, uint8 (H, W, 3), as the network wants it: float32, short side `side`."""
        import numpy as np

        from deepsic.thumbnail import resize

        x = middle(x, LONGEST)
        scale = self.side / min(x.shape[:2])
        return resize(x, *(round(n * scale) for n in x.shape[:2])).astype(np.float32)


def get_map_side(config: ModelConfig) -> int:
    """The side of the map's kernel, cells; the decoder's first stages see further themselves."""
    return 5 if config.stride < 16 and config.head_input == "features" else 3


def middle(x: np.ndarray, longest: float) -> np.ndarray:
    """The middle of a picture (H, W, 3) whose long side is over `longest` times the short one."""
    height, width = x.shape[:2]
    most = int(longest * min(height, width))
    top, left = max(0, height - most) // 2, max(0, width - most) // 2
    return x[top : top + most, left : left + most]
