# SPDX-License-Identifier: Apache-2.0
"""What the threads of nodes have counted: instructions by pipe, and cycles lost by cause; read by packets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from golden.layout import (
    CONTROL_PAGE_OFFSET,
    COUNTER_BLOCK,
    COUNTER_STRIDE,
    PIPE_EVENTS,
    STALL_EVENTS,
    THREAD_BLOCK,
    THREAD_STRIDE,
    ControlRegister,
    Event,
    ThreadRegister,
)
from sw.backend import ArrayBackend, Site, read_blocks

__all__ = ["ThreadCounters", "read_counters"]

#: STATUS: threads running or waiting.
_ACTIVE = 0xFF

_NODE_BYTES = max(ControlRegister) + 8


@dataclass(frozen=True)
class ThreadCounters:
    """What a thread has counted since reset.

    Attributes
    ----------
    row, column, thread : int
    cycles : int or None
        From the node's first start to its last stop, or until now; None on a backend that does not model them.
    retired : int
        Instructions (minstret).
    pipes : dict of Event to int, or None
        Instructions retired, for each of ``PIPE_EVENTS``; None if the core has no such counters.
    stalls : dict of Event to int, or None
        Cycles lost, for each of ``STALL_EVENTS``; None if the core has no such counters, or cycles are not modelled.
    """

    row: int
    column: int
    thread: int
    cycles: int | None
    retired: int
    pipes: dict[Event, int] | None
    stalls: dict[Event, int] | None

    @property
    def instructions_per_cycle(self) -> float | None:
        """None if cycles are not modelled, or there was none."""
        return self.retired / self.cycles if self.cycles else None

    def as_dict(self) -> dict[str, Any]:
        """The counters as JSON has them; keys of pipes and stalls are the events' names in small letters."""

        def named(counts: dict[Event, int] | None) -> dict[str, int] | None:
            return None if counts is None else {event.name.lower(): count for event, count in counts.items()}

        return {
            "row": self.row,
            "column": self.column,
            "thread": self.thread,
            "cycles": self.cycles,
            "retired": self.retired,
            "pipes": named(self.pipes),
            "stalls": named(self.stalls),
        }


def read_counters(array: ArrayBackend, sites: Sequence[Site], *, models_cycles: bool = True) -> list[ThreadCounters]:
    """Counters of those threads that have retired or lost anything, node by node.

    Parameters
    ----------
    array : ArrayBackend
    sites : sequence of (x, y)
        Nodes to ask.
    models_cycles : bool
        False on the golden model, whose cycles mean nothing.
    """
    threads = array.config.threads
    pipelined = array.config.core == "pipelined"
    blocks = []
    for x, y in sites:
        blocks.append((x, y, CONTROL_PAGE_OFFSET, _NODE_BYTES))
        blocks.append((x, y, CONTROL_PAGE_OFFSET + THREAD_BLOCK, THREAD_STRIDE * threads))
        if pipelined:
            blocks.append((x, y, CONTROL_PAGE_OFFSET + COUNTER_BLOCK, COUNTER_STRIDE * threads))
    contents = iter(read_blocks(array, blocks))
    found = []
    for x, y in sites:
        node, state = next(contents), next(contents)
        counters = next(contents) if pipelined else b""
        cycles = _end(node) - _register(node, ControlRegister.FIRST_START) if models_cycles else None
        for thread in range(threads):
            retired = _register(state, thread * THREAD_STRIDE + ThreadRegister.RETIRED)
            pipes = stalls = None
            if pipelined:
                base = thread * COUNTER_STRIDE
                pipes = {event: _register(counters, base + 8 * event) for event in PIPE_EVENTS}
                if models_cycles:
                    stalls = {event: _register(counters, base + 8 * event) for event in STALL_EVENTS}
            if retired or any((pipes or {}).values()) or any((stalls or {}).values()):
                found.append(ThreadCounters(y, x, thread, cycles, retired, pipes, stalls))
    return found


def _register(contents: bytes, offset: int) -> int:
    return int.from_bytes(contents[offset : offset + 8], "little")


def _end(node: bytes) -> int:
    """The cycle of a node's last stop, or the present one, from its registers."""
    active = _register(node, ControlRegister.STATUS) & _ACTIVE
    return _register(node, ControlRegister.CYCLE if active else ControlRegister.LAST_STOP)
