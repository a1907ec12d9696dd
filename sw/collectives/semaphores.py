# SPDX-License-Identifier: Apache-2.0
"""Which semaphores of a node collectives use."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from golden.config import NodeConfig

__all__ = ["CollectiveError", "CollectiveSemaphores"]


class CollectiveError(ValueError):
    """Something that collectives cannot be made of or cannot do; the message says what is allowed."""


@dataclass(frozen=True)
class CollectiveSemaphores:
    """Four semaphores, the same ones in all nodes of a rectangle; all are 0 between calls.

    Attributes
    ----------
    gather : int
        Nodes that have come to a barrier, at the node that waits for them.
    down : int
        The barrier is over; lines of a broadcast, or of a sum, have arrived.
    row : int
        Lines of the sum that come from the west.
    column : int
        Lines of the sum that come from the north.
    """

    gather: int
    down: int
    row: int
    column: int

    @classmethod
    def of(cls, config: NodeConfig) -> CollectiveSemaphores:
        """The last four of a node, which C programs use."""
        first = config.semaphores - 4
        return cls(first, first + 1, first + 2, first + 3)

    def check(self, config: NodeConfig) -> None:
        """CollectiveError if a node does not have them, or one is named twice."""
        numbers = astuple(self)
        for number in numbers:
            if not 0 <= number < config.semaphores:
                raise CollectiveError(f"there is no semaphore {number}; a node '{config.name}' has 0 to {config.semaphores - 1}")
        if len(set(numbers)) < len(numbers):
            raise CollectiveError(f"semaphores {', '.join(map(str, numbers))} are not four different ones")
