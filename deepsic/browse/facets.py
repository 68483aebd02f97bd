"""What a page shows of the tree of labels: a node, the way to it, and what is below it."""

from __future__ import annotations

from typing import Any

from deepsic.browse.catalogue import Node


def describe(node: Node) -> dict[str, Any]:
    """A node as the page gets it."""
    return {"node": node.first, "name": node.name, "count": node.count}


def kind(node: Node) -> str:
    """What a node is a kind of, in a word: the nearest one above that says something."""
    above = [n.name for n in node.path[:-1] if not n.is_passed_through]
    return above[-1] if above else ""


def around(roots: dict[str, Node], here: Node | None) -> dict[str, Any]:
    """The way to a node and what is below, without nodes that are only passed through."""
    path = [] if here is None else here.path
    told = [n for n in path[:-1] if not n.is_passed_through] + path[-1:]
    below = roots if here is None else here.children
    while len(below) == 1 and (only := next(iter(below.values()))).children and not only.here:
        below = only.children
    found = sorted(map(_narrow, below.values()), key=lambda n: (-n.count, n.name))
    return {"path": [describe(n) for n in told], "below": [describe(n) for n in found]}


def _narrow(node: Node) -> Node:
    """The first node at or below one where its pictures part."""
    while node.is_passed_through:
        (node,) = node.children.values()
    return node
