# SPDX-License-Identifier: Apache-2.0
"""What threads have counted, as tables: instructions by pipe, and where cycles went."""

from __future__ import annotations

from collections.abc import Sequence

from golden.layout import PIPE_EVENTS, STALL_EVENTS
from scripts.d1.report import print_table
from sw.counters import ThreadCounters

__all__ = ["MOST_NODES", "CounterTable", "counter_tables", "print_counters"]

#: Of more nodes than that, only the sum and the one that took longest are shown.
MOST_NODES = 4

#: Title, header and rows.
CounterTable = tuple[str, tuple[str, ...], list[tuple[str, ...]]]


def print_counters(counters: Sequence[ThreadCounters]) -> None:
    """Print the tables, if any thread has done anything."""
    for table in counter_tables(counters):
        print_table(*table)


def counter_tables(counters: Sequence[ThreadCounters]) -> list[CounterTable]:
    """The tables, as far as there is something to tell.

    Each thread has a row; of many nodes all threads together have one, and those of the slowest node.
    """
    if not counters:
        return []
    rows: list[tuple[str, str, Sequence[ThreadCounters]]] = []
    nodes = {(each.row, each.column) for each in counters}
    if len(nodes) > MOST_NODES:
        rows.append((f"all {len(nodes)}", f"all {len(counters)}", counters))
        slowest = max(counters, key=lambda each: each.cycles or 0)
        counters = [each for each in counters if (each.row, each.column) == (slowest.row, slowest.column)]
    rows += [(f"{each.row},{each.column}", str(each.thread), [each]) for each in counters]
    place = ("node", "thread")
    has_pipes, has_stalls = counters[0].pipes is not None, counters[0].stalls is not None
    pipes = tuple(event.name.lower() for event in PIPE_EVENTS) if has_pipes else ()
    tables: list[CounterTable] = [
        (
            "Instructions" + (", by pipe" if has_pipes else ""),
            (*place, "cycles", "retired", "IPC", *pipes),
            [(node, thread, *_instructions(threads, has_pipes)) for node, thread, threads in rows],
        )
    ]
    if has_stalls:
        tables.append(
            (
                "Cycles without an issue, by cause",
                (*place, *(event.name.lower() for event in STALL_EVENTS)),
                [(node, thread, *_stalls(threads)) for node, thread, threads in rows],
            )
        )
    return tables


def _cycles(threads: Sequence[ThreadCounters]) -> int:
    return sum(each.cycles or 0 for each in threads)


def _instructions(threads: Sequence[ThreadCounters], has_pipes: bool) -> tuple[str, ...]:
    """Cells of threads together: everything is summed, so that the rate is that of an average thread."""
    cycles, retired = _cycles(threads), sum(each.retired for each in threads)
    pipes = [str(sum((each.pipes or {})[event] for each in threads)) for event in PIPE_EVENTS] if has_pipes else []
    return (str(cycles), str(retired), f"{retired / cycles:.2f}" if cycles else "-", *pipes)


def _stalls(threads: Sequence[ThreadCounters]) -> tuple[str, ...]:
    cycles = _cycles(threads)
    lost = [sum((each.stalls or {})[event] for each in threads) for event in STALL_EVENTS]
    return tuple(f"{count} ({100 * count / cycles:.1f}%)" if cycles else str(count) for count in lost)
