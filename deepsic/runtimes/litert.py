"""LiteRT, TensorFlow's runtime for small devices: the default, a few megabytes, quick to start."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from deepsic.coding.parallel import processors
from deepsic.coding.rangecoder import PythonCoder, RangeCoder
from deepsic.errors import ModelError
from deepsic.folders import Folder
from deepsic.pretrained import open_network

# The graph that all models with a pretrained head share.
NETWORK = "network"


class LiteRT:
    """A `deepsic.runtimes.Runtime`. Each graph is loaded when it is first needed.

    Args:
      folder: of the model.

    Raises:
      ModelError: from every call, if the graphs are damaged.
    """

    name = "litert"

    def __init__(self, folder: Folder) -> None:
        self._folder, self._config = folder, folder.config
        self._graphs: dict[str, _Graph] = {}
        # An interpreter runs one thing at a time.
        self._lock = threading.Lock()

    @property
    def range_coder(self) -> RangeCoder:
        """The coder in Python."""
        return PythonCoder()

    def features(self, x: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        n, height, width, _ = x.shape
        stride = self._config.stride
        shape = (n, height // stride, width // stride, self._config.latents)
        return self._run("features", [x], shape)

    def reconstruction(self, f_hat: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        n, rows, columns, _ = f_hat.shape
        stride = self._config.stride
        return self._run("reconstruction", [f_hat], (n, rows * stride, columns * stride, 3))

    def gradient(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        return self._run("gradient", [y, x], y.shape)

    def first_stages(self, y: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        return self._run("first_stages", [y], (*y.shape[:3], self._config.map_inputs))

    def describe(self, f: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        return self._run("describe", [f], (len(f), None))

    def decide(self, description: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        return self._run("decide", [description], (len(description), self._config.classes))

    def recognise(self, x: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        return self._run(NETWORK, [x], (len(x), self._config.classes))

    def _run(self, name: str, given: list[np.ndarray], shape: tuple[int | None, ...]) -> np.ndarray:
        """What a graph makes of arrays; a stranger's graph need not make what it should."""
        with self._lock:
            if name not in self._graphs:
                self._graphs[name] = _load(self._folder, name)
            try:
                y = self._graphs[name].run(given)
            except (ValueError, RuntimeError) as error:
                raise _damaged(self._folder, name, error) from error
        if len(y.shape) != len(shape) or any(
            b not in (None, a) for a, b in zip(y.shape, shape, strict=True)
        ):
            raise _damaged(self._folder, name, f"it computes {y.shape} where {shape} belongs")
        return y


class _Graph:
    """One interpreter; its memory is laid out anew when the size of what it gets changes."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self._shapes: list[tuple[int, ...]] | None = None
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        if len(outputs) != 1 or any(d["dtype"] != np.float32 for d in [*inputs, *outputs]):
            raise ValueError("it is no function of arrays to one array")
        self._in = [d["index"] for d in sorted(inputs, key=lambda d: d["name"])]
        self._out = outputs[0]["index"]

    def run(self, given: list[np.ndarray]) -> np.ndarray:
        if len(given) != len(self._in):
            raise ValueError(f"it is a function of {len(self._in)} arrays")
        shapes = [x.shape for x in given]
        if self._shapes != shapes:
            self._shapes = None
            for index, shape in zip(self._in, shapes, strict=True):
                self._interpreter.resize_tensor_input(index, shape, strict=True)
            with _quiet():
                self._interpreter.allocate_tensors()
            self._shapes = shapes
        for index, x in zip(self._in, given, strict=True):
            self._interpreter.set_tensor(index, np.ascontiguousarray(x, np.float32))
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._out)


def _load(folder: Folder, name: str) -> _Graph:
    from ai_edge_litert.interpreter import Interpreter

    graph = open_network().graph() if name == NETWORK else folder.graph(name)
    try:
        with _quiet():
            return _Graph(Interpreter(model_content=graph, num_threads=processors()))
    except (ValueError, RuntimeError) as error:
        raise _damaged(folder, name, error) from error


def _damaged(folder: Folder, name: str, reason: object) -> ModelError:
    line = (str(reason).strip().splitlines() or ["of an unknown kind"])[0].rstrip(".")
    return ModelError(f"{folder.path}: the graph {name} is damaged: {line}.")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Holds back what LiteRT, unasked and whatever its log level, says on stderr of its start."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    sys.stderr.flush()
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)
