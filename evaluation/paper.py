"""The paper's own figures, to print beside ours; never mixed with another data set's."""

from __future__ import annotations

from typing import NamedTuple


class Accuracy(NamedTuple):
    """A row of table I: shares of the ILSVRC 2012 validation set, percent."""

    method: str
    top1: float
    top5: float


TABLE_1 = (
    Accuracy("Pre-SA (0.25 bpp)", 52.2, 72.7),
    Accuracy("Post-SA (0.25 bpp)", 51.6, 71.4),
    Accuracy("Pre-SA (0.5 bpp)", 63.2, 82.2),
    Accuracy("Post-SA (0.5 bpp)", 61.9, 81.4),
    Accuracy("Pre-SA (1.0 bpp)", 68.7, 89.4),
    Accuracy("Post-SA (1.0 bpp)", 68.8, 89.9),
    Accuracy("Pre-SA (1.5 bpp)", 67.1, 90.1),
    Accuracy("Post-SA (1.5 bpp)", 68.9, 89.9),
    Accuracy("VGG-16 (10 crops)", 71.9, 90.7),
    Accuracy("Yolo Darknet", 76.5, 93.3),
    Accuracy("DenseNet-121 (10 crops)", 76.4, 93.4),
)
TITLE = "The paper's table I (ILSVRC 2012 validation, 1,000 classes; another data set than above)"
