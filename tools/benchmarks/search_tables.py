"""Tables of how right an archive's labels are, for `tools.benchmarks.measure_search`."""

import math

from deepsic import treecode
from deepsic.search import query


class Truth:
    """Which classes are below which nodes, and which files show them."""

    def __init__(self, known, classes):
        self.known, self.classes = known, classes
        number = {name: i for i, name in enumerate(known.ids[: known.classes])}
        self.node = {c: number[c] for c in set(classes.values())}

    def below(self, node):
        """The ids of the classes of the data that are a node or below it."""
        return frozenset(c for c, n in self.node.items() if node in self.known.tree.path(n))

    def queries(self):
        """Nodes that part the classes of the data: the lowest of those that part them alike."""
        lowest = {}
        for node in sorted({n for c in self.node.values() for n in self.known.tree.path(c)}):
            depth = len(self.known.tree.path(node))
            best = lowest.get(self.below(node))
            if best is None or depth > len(self.known.tree.path(best)):
                lowest[self.below(node)] = node
        return sorted(lowest.values(), key=lambda n: (-len(self.below(n)), self.known.names[n]))

    def relevant(self, node):
        """Files whose class is a node or below it."""
        below = self.below(node)
        return {path for path, c in self.classes.items() if c in below}


def score(hits, relevant):
    """Precision and recall as text."""
    right = len(hits & relevant)
    precision = f"{right / len(hits):6.1%}" if hits else "     –"
    return f"{precision} | {right / len(relevant):6.1%}"


def search_table(truth, archive, flat):
    """Precision and recall of searches for every group of classes.

    Args:
      truth: of the files.
      archive: whose labels are paths.
      flat: other answers to compare with: {name: {file: class}}.
    """
    heads = " | ".join(f"{name}: precision | recall" for name in ("paths", *flat))
    lines = ["## Searches", "", f"| search | classes | files | {heads} |"]
    lines.append("|---" * (5 + 2 * len(flat)) + "|")
    for node in truth.queries():
        relevant, below = truth.relevant(node), truth.below(node)
        hits = [
            {h.file.path for h in query.search(archive, query.Wanted((truth.known.ids[node],)))}
        ]
        hits += [{p for p, c in ids.items() if c in below} for ids in flat.values()]
        scores = " | ".join(score(h, relevant) for h in hits)
        row = f"{truth.known.names[node]} | {len(below)} | {len(relevant)} | {scores}"
        lines.append(f"| {row} |")
    return lines


def label_tables(truth, archive, flat):
    """Bits and truth of the labels."""
    tree = truth.known.tree
    by_depth, after, bits, size, right = {}, {}, 0, 0, 0
    for meaning, files in archive.groups:
        found = meaning.description
        section = treecode.pack(tree, found)
        depth = len(tree.path(found.node)) - 1
        for file in files:
            path = tree.path(truth.node[truth.classes[file.path]])
            counts = by_depth.setdefault(depth, [0, 0])
            counts[0] += 1
            counts[1] += found.node in path
            right += found.node in path
            bits += tree.code(found.node)[1]
            size += len(section)
            for count in range(tree.code(found.node)[1] + 1):
                node = tree.reached(section, count)
                sums = after.setdefault(count, [0, 0, 0])
                sums[0] += 1
                sums[1] += len(tree.path(node)) - 1
                sums[2] += node in path
    files = sum(counts[0] for counts in by_depth.values())
    flat_bits = math.ceil(math.log2(truth.known.classes))
    flat_right = sum(flat[path] == name for path, name in truth.classes.items())
    lines = ["", "## Labels", "", f"* path: {bits / files:.2f} bits; flat class id: {flat_bits}"]
    lines.append(f"* whole label, with probability and threshold: {size / files:.2f} bytes")
    lines.append(f"* true: {right / files:.1%} of the labels, {flat_right / files:.1%} flat")
    lines += ["", "| depth of the label | files | true |", "|---|---|---|"]
    lines += [f"| {d} | {n} | {r / n:.1%} |" for d, (n, r) in sorted(by_depth.items())]
    lines += ["", "| after bits | files | mean depth known | true |", "|---|---|---|---|"]
    return lines + [
        f"| {c} | {n} | {d / n:.1f} | {r / n:.1%} |" for c, (n, d, r) in sorted(after.items())
    ]
