# SPDX-License-Identifier: Apache-2.0
"""What threads have counted, as a table: instructions by pipe, and where cycles went."""

from __future__ import annotations

from collections.abc import Sequence

from golden.layout import PIPE_EVENTS, STALL_EVENTS
from scripts.d1.report import print_table
from sw.counters import ThreadCounters

__all__ = ["MOST_NODES", "counter_table", "print_counters"]

#: Of more nodes than that, only the sum and the one that took longest are shown.
MOST_NODES = 4


def print_counters(counters: Sequence[ThreadCounters]) -> None:
    """Print the table, if any thread has done anything."""
    if counters:
        header, rows = counter_table(counters)
        print_table("Counters, stalls in cycles and in percent of the cycles", header, rows)


def counter_table(counters: Sequence[ThreadCounters]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows. Each thread has a row; of many nodes, all threads together have one, and those of the slowest node."""
    has_events = counters[0].pipes is not None
    header = ["node", "thread", "cycles", "retired", "IPC"]
    if has_events:
        header += [event.name.lower() for event in PIPE_EVENTS]
        header += [f"{event.name.lower()} stalls" for event in STALL_EVENTS]
    rows = []
    nodes = {(each.row, each.column) for each in counters}
    if len(nodes) > MOST_NODES:
        rows.append(_row(f"all {len(nodes)}", f"all {len(counters)}", counters))
        slowest = max(counters, key=lambda each: each.cycles or 0)
        counters = [each for each in counters if (each.row, each.column) == (slowest.row, slowest.column)]
    rows += [_row(f"{each.row},{each.column}", str(each.thread), [each]) for each in counters]
    return tuple(header), rows


def _row(node: str, thread: str, counters: Sequence[ThreadCounters]) -> tuple[str, ...]:
    """A row for threads together: everything is summed, so that IPC and percentages are those of an average thread."""
    cycles = sum(each.cycles or 0 for each in counters)
    retired = sum(each.retired for each in counters)
    row = [node, thread, str(cycles), str(retired), f"{retired / cycles:.2f}" if cycles else "-"]
    if all(each.pipes is not None for each in counters):
        row += [str(sum((each.pipes or {})[event] for each in counters)) for event in PIPE_EVENTS]
    if all(each.stalls is not None for each in counters):
        for event in STALL_EVENTS:
            lost = sum((each.stalls or {})[event] for each in counters)
            row.append(f"{lost} ({100 * lost / cycles:.1f}%)" if cycles else str(lost))
    return tuple(row)
