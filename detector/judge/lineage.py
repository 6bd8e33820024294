"""Answers whether one task descends from another by `parent_task_id`, in O(log depth).

Links may come in any order and may form cycles. The tasks of a cycle descend from each other: together they are one
root, at depth 0. Each task that a question touched has a node with its depth and a jump towards the root. Jumps grow
such that climbing to a depth takes logarithmic time (Myers, "An applicative random-access stack", 1983).
"""

from collections.abc import Iterator
from typing import TypeAlias

import msgspec

_Node: TypeAlias = tuple[int, str, str]  # depth, the task that the jump leads to, the root


class Lineage(msgspec.Struct, gc=False):
    """The parents of tasks, as far as known."""

    _parents: dict[str, str] = {}
    _nodes: dict[str, _Node] = {}

    def link(self, task_id: str, parent: str | None) -> str | None:
        """Sets or clears a task's parent. Returns the task's former root if that changed anything, else None."""
        if self._parents.get(task_id) == parent:
            return None
        # A task without a node has no descendant with one, so a leaf may come and go and all other nodes stay right.
        leaf = task_id not in self._nodes
        depth, _, root = self._node(task_id)
        if leaf and (depth or task_id not in self._parents):
            del self._nodes[task_id]
        else:
            self._nodes.clear()
        if parent is None:
            del self._parents[task_id]
        else:
            self._parents[task_id] = parent
        return root

    def root(self, task_id: str) -> str:
        """The task at the end of the chain of parents; of a cycle, the one whose id sorts first."""
        return self._node(task_id)[2]

    def descends(self, task_id: str, ancestor: str) -> bool:
        """Whether `ancestor` is `task_id` itself or in its chain of parents."""
        depth, _, root = self._node(task_id)
        goal, _, other = self._node(ancestor)
        if root != other or depth < goal:
            return False
        if goal == 0:
            return True
        at = task_id
        while depth > goal:
            jump = self._nodes[at][1]
            at = jump if self._nodes[jump][0] >= goal else self._parents[at]
            depth = self._nodes[at][0]
        return at == ancestor

    def chain(self, task_id: str) -> Iterator[str]:
        """The task, its parent, and so on, each once."""
        seen: set[str] = set()
        at: str | None = task_id
        while at is not None and at not in seen:
            seen.add(at)
            yield at
            at = self._parents.get(at)

    def _node(self, task_id: str) -> _Node:
        node = self._nodes.get(task_id)
        return node if node is not None else self._grow(task_id)

    def _grow(self, task_id: str) -> _Node:
        """Walks up to a node, a root or a cycle, then makes the nodes on the way down."""
        nodes, parents = self._nodes, self._parents
        path: list[str] = []
        place: dict[str, int] = {}
        at = task_id
        while at not in nodes:
            if at in place:
                cycle = path[place[at] :]
                root = min(cycle)
                nodes.update({member: (0, member, root) for member in cycle})
                del path[place[at] :]
            elif at in parents:
                place[at] = len(path)
                path.append(at)
                at = parents[at]
            else:
                nodes[at] = (0, at, at)
        for below in reversed(path):
            above = parents[below]
            depth, jump, root = nodes[above]
            further = nodes[jump]
            level = depth - further[0] == further[0] - nodes[further[1]][0]
            nodes[below] = (depth + 1, further[1] if level else above, root)
        return nodes[task_id]
