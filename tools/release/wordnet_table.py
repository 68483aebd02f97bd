"""Computes deepsic/wordnet/imagenet.tsv: ImageNet's classes and what they are kinds of.

    apt-get install wordnet-base
    python tools/release/wordnet_table.py /usr/share/wordnet/data.noun

A line a synset: its id, the id of its first hypernym (empty at the root), and
its first word. The 1,000 classes of ILSVRC 2012 come first, in the order of
their numbers; the synsets above them follow.
"""

import pathlib
import sys

import tensorflow_datasets as tfds

OUT = pathlib.Path(__file__).resolve().parents[2] / "deepsic" / "wordnet" / "imagenet.tsv"


def read_nouns(path: str) -> dict[str, tuple[str, str]]:
    """From synset id to (first hypernym's id or "", first word); format: wndb(5)."""
    nouns = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            if line.startswith("  "):  # the licence
                continue
            fields = line.split(" | ")[0].split()
            words = int(fields[3], 16)
            word = fields[4].replace("_", " ")
            pointers = fields[4 + 2 * words + 1 :]
            kinds = [pointers[i + 1] for i in range(0, len(pointers), 4) if pointers[i][0] == "@"]
            nouns["n" + fields[0]] = ("n" + kinds[0] if kinds else "", word)
    return nouns


def main(path: str) -> None:
    nouns = read_nouns(path)
    classes = tfds.builder_cls("imagenet2012").code_path.parent / "labels.txt"
    order = classes.read_text().split()
    for synset in order:  # grows while it runs: parents are appended once
        parent = nouns[synset][0]
        if parent and parent not in order:
            order.append(parent)
    lines = ["\t".join((s, *nouns[s])) for s in order]
    OUT.write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1])
