# SPDX-License-Identifier: Apache-2.0
"""The table of counters that `d1 run` prints: what is in it for few nodes, for many, and without counters of events."""

from __future__ import annotations

from pathlib import Path

import pytest

from golden.layout import PIPE_EVENTS, STALL_EVENTS, Event
from scripts.d1.counters import MOST_NODES, CounterTable, counter_tables
from sw.counters import ThreadCounters
from verif.scripts.command import d1


def counters(column: int = 0, thread: int = 0, cycles: int = 200, **stalls: int) -> ThreadCounters:
    """A thread that retired 100 instructions."""
    lost = {event: stalls.get(event.name.lower(), 0) for event in STALL_EVENTS}
    return ThreadCounters(0, column, thread, cycles, 100, dict.fromkeys(PIPE_EVENTS, 20), lost)


def cell(tables: list[CounterTable], row: int, column: str) -> str:
    """A cell of whichever table has that column."""
    for _, header, rows in tables:
        if column in header:
            return rows[row][header.index(column)]
    raise AssertionError(f"no table has a column {column}")


def test_a_thread_has_a_row_with_rate_pipes_and_stalls_in_percent() -> None:
    tables = counter_tables([counters(thread=1, bank=50, semaphore=3)])
    assert all(len(row) == len(header) for _, header, rows in tables for row in rows)
    assert [cell(tables, 0, name) for name in ("node", "thread", "IPC", "load")] == ["0,0", "1", "0.50", "20"]
    assert [cell(tables, 0, name) for name in ("bank", "semaphore", "fetch")] == ["50 (25.0%)", "3 (1.5%)", "0 (0.0%)"]


def test_of_many_nodes_the_sum_and_the_slowest_are_shown() -> None:
    many = [counters(column, thread, 200 + column % 5, credit=10) for column in range(MOST_NODES + 2) for thread in range(2)]
    tables = counter_tables(many)
    assert all([row[0] for row in rows] == [f"all {MOST_NODES + 2}", "0,4", "0,4"] for _, _, rows in tables)
    assert cell(tables, 0, "retired") == str(100 * len(many))
    assert cell(tables, 0, "credit").startswith(f"{10 * len(many)} (")
    assert all(len(rows) == 2 * MOST_NODES for _, _, rows in counter_tables(many[: 2 * MOST_NODES]))


def test_a_core_that_counts_no_events_has_columns_for_none() -> None:
    ((title, header, rows),) = counter_tables([ThreadCounters(0, 0, 0, 10, 4, None, None)])
    assert title == "Instructions"
    assert rows == [("0,0", "0", "10", "4", "0.40")]
    assert len(header) == 5


def test_threads_that_did_nothing_make_no_table() -> None:
    assert counter_tables([]) == []


@pytest.mark.rtl
def test_run_prints_what_threads_have_counted(tmp_path: Path) -> None:
    program = tmp_path / "program.s"
    program.write_text("_start: li a0, 50\n la s0, _start\n1: ld t0, (s0)\n addi a0, a0, -1\n bnez a0, 1b\n halt zero\n")
    outcome = d1("run", program, "--config", "tiny", "--json")
    (thread,) = outcome.json["counters"]
    assert (thread["row"], thread["column"], thread["thread"]) == (0, 0, 0)
    assert thread["pipes"] == {"integer": thread["retired"] - 50, "load": 50, "store": 0, "simd": 0, "matrix": 0}
    assert thread["retired"] == outcome.json["nodes"][0]["retired"] == sum(thread["pipes"].values())
    assert thread["cycles"] == outcome.json["cycles"]
    issuing = thread["cycles"] - sum(thread["stalls"].values())
    # A turn is issued in two cycles, since the branch needs the count.
    assert 100 <= issuing <= 110
    printed = d1("run", program, "--config", "tiny").stdout
    assert all(f"{event.name.lower()}" in printed for event in Event)


def test_run_on_the_golden_model_says_that_cycles_are_not_modelled(tmp_path: Path) -> None:
    program = tmp_path / "program.s"
    program.write_text("_start: halt zero\n")
    assert "cycles are not modelled" in d1("run", program, "--config", "tiny", "--backend", "golden").stdout
    (thread,) = d1("run", program, "--config", "tiny", "--backend", "golden", "--json").json["counters"]
    assert thread["cycles"] is None
