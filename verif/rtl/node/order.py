# SPDX-License-Identifier: Apache-2.0
"""What happens before what among threads, as far as a generator of programs without races has to know it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

__all__ = ["Order"]


class Order:
    """A vector clock for each thread, and who has used what, and when.

    Source: C. J. Fidge, Timestamps in message-passing systems that preserve the partial ordering, 1988.

    Parameters
    ----------
    threads : int
    """

    def __init__(self, threads: int):
        self._clocks = [[0] * threads for _ in range(threads)]
        self._uses: dict[Hashable, dict[int, int]] = {}

    def use(self, thread: int, what: Hashable) -> None:
        """The thread uses something, from now on."""
        clock = self._clocks[thread]
        clock[thread] += 1
        self._uses.setdefault(what, {})[thread] = clock[thread]

    def tell(self, sender: int, receiver: int) -> None:
        """All that the sender has done is done before the receiver goes on."""
        ours, theirs = self._clocks[receiver], self._clocks[sender]
        self._clocks[receiver] = [max(pair) for pair in zip(ours, theirs, strict=True)]

    def free(self, thread: int, what: Hashable) -> bool:
        """Whether all that others did with it is done before the thread goes on."""
        clock = self._clocks[thread]
        return all(user == thread or clock[user] >= time for user, time in self._uses.get(what, {}).items())

    def all_free(self, threads: Iterable[int], what: Hashable) -> bool:
        """Whether it is free for each of these threads."""
        return all(self.free(thread, what) for thread in threads)
