# SPDX-License-Identifier: Apache-2.0
"""Barriers, broadcasts and sums do what docs/collectives.md says, whatever comes late; golden nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import PRESETS, preset
from golden.layout import SRAM_BASE, semaphore_offset
from golden.mesh import GoldenArray
from sw.collectives import CollectiveError, CollectiveSemaphores, collectives_source
from sw.collectives.reference import all_reduce_reference
from sw.host import ArrayBackend, Site
from verif.sw.collective_scripts import Call, Scripts

TINY = preset("tiny")

#: What registers hold that the routines must leave alone.
_MARK = 0x1234_5678_9ABC_DEF0

#: Column and row of a rectangle's corner, columns, rows.
Rectangle = tuple[int, int, int, int]


def sites_of(rectangle: Rectangle) -> list[Site]:
    x, y, columns, rows = rectangle
    return [(x + i, y + j) for j in range(rows) for i in range(columns)]


@st.composite
def rectangles(draw: st.DrawFn, most: int = 4) -> tuple[int, int, Rectangle]:
    """Rows and columns of an array, and a rectangle in it."""
    columns, rows = draw(st.integers(1, most)), draw(st.integers(1, most))
    x, y = draw(st.integers(0, columns - 1)), draw(st.integers(0, rows - 1))
    return rows, columns, (x, y, draw(st.integers(1, columns - x)), draw(st.integers(1, rows - y)))


def semaphores_are_zero(array: ArrayBackend) -> None:
    for site in [(x, y) for y in range(array.rows) for x in range(array.columns)]:
        for semaphore in range(array.config.semaphores):
            assert not any(array.read(*site, semaphore_offset(semaphore), 8)), (site, semaphore)


@st.composite
def barrier_cases(draw: st.DrawFn) -> tuple[int, int, Rectangle, list[list[tuple[int, int]]]]:
    """Rows, columns, a rectangle, and for each of its nodes and each round: how late it comes, and whom it asks then."""
    rows, columns, rectangle = draw(rectangles())
    nodes = rectangle[2] * rectangle[3]
    rounds = draw(st.integers(1, 4))
    turn = st.tuples(st.sampled_from((0, 1, 30, 500)), st.integers(0, nodes - 1))
    return rows, columns, rectangle, draw(st.lists(st.lists(turn, min_size=rounds, max_size=rounds), min_size=nodes, max_size=nodes))


def run_barriers(array: ArrayBackend, rectangle: Rectangle, turns: list[list[tuple[int, int]]], **options: Any) -> None:
    """Before each barrier a node counts; behind it, it asks another node how far that one has counted."""
    rounds = len(turns[0])
    scripts = Scripts(array.config, calls=4 * rounds + 1, results=rounds, lines=2, **options)
    group, counter, line = scripts.group(), scripts.line(0), scripts.line(1)
    sites = sites_of(rectangle)
    calls: dict[Site, list[Call]] = {}
    for site, own in zip(sites, turns, strict=True):
        calls[site] = [("d1_group", (group, *rectangle))]
        for late, asked in own:
            calls[site] += [("delay", (late,)), ("count", (counter,)), ("d1_barrier", (group,))]
            calls[site] += [("ask", (scripts.remote(sites[asked], counter), line))]
    report = scripts.run(array, calls, max_cycles=100_000)
    assert report.passed, report.summary()
    for site in sites:
        for number, counted in enumerate(scripts.results(array, site, rounds), start=1):
            # The other one may have counted for the next barrier, but cannot have left that one.
            assert counted in (number, number + 1), (site, number, counted)
    semaphores_are_zero(array)


@settings(max_examples=25, deadline=None)
@given(barrier_cases())
def test_nobody_leaves_a_barrier_before_the_last_one_has_come(case: tuple[int, int, Rectangle, list[list[tuple[int, int]]]]) -> None:
    rows, columns, rectangle, turns = case
    run_barriers(GoldenArray(TINY, rows, columns), rectangle, turns)


@dataclass(frozen=True)
class Step:
    """A call that every node of the rectangle makes: of the whole rectangle (group 0), its row (1), or its column (2)."""

    what: str
    group: int
    lines: int
    in_place: bool
    root: Site
    late: tuple[int, ...]


@st.composite
def sequences(draw: st.DrawFn, most: int = 3, calls: int = 4) -> tuple[int, int, Rectangle, int, list[Step], int]:
    """Rows, columns, a rectangle, lines of the inboxes, calls, and a seed."""
    rows, columns, rectangle = draw(rectangles(most))
    nodes = sites_of(rectangle)
    steps = []
    for _ in range(draw(st.integers(1, calls))):
        what = draw(st.sampled_from(("all_reduce_f32", "all_reduce_bf16", "broadcast", "barrier")))
        group = draw(st.integers(0, 2)) if what.startswith("all") else 0
        late = draw(st.lists(st.sampled_from((0, 0, 3, 200)), min_size=len(nodes), max_size=len(nodes)))
        steps.append(Step(what, group, draw(st.integers(0, 18)), draw(st.booleans()), draw(st.sampled_from(nodes)), tuple(late)))
    return rows, columns, rectangle, draw(st.sampled_from((1, 3, 8, 20))), steps, draw(st.integers(0, 2**32 - 1))


def run_sequence(
    array: ArrayBackend, rectangle: Rectangle, inbox: int, steps: list[Step], seed: int, max_cycles: int = 300_000, **options: Any
) -> None:
    """Make the calls in all nodes, and compare every line of every node with the reference's."""
    config = array.config
    x, y, columns, rows = rectangle
    most = max(step.lines for step in steps)
    # Every step has its own source and its own result, and behind them lie the inboxes.
    source, result, inboxes = 0, most, 2 * most * len(steps)
    scripts = Scripts(config, calls=5 + 2 * len(steps), groups=3, lines=inboxes + 2 * inbox, **options)
    data = np.random.default_rng(seed).integers(0, 256, (rows, columns, inboxes * config.line_bytes), np.uint8)
    expected = data.copy()
    calls: dict[Site, list[Call]] = {}
    for i, j in sites_of(rectangle):
        groups = (rectangle, (x, j, columns, 1), (i, y, 1, rows))
        calls[i, j] = [("mark", (_MARK,))]
        calls[i, j] += [
            ("d1_group", (scripts.group(number), *group, scripts.line(inboxes), inbox)) for number, group in enumerate(groups)
        ]
    for number, step in enumerate(steps):
        at = scripts.line(source + 2 * most * number)
        to = at if step.in_place else scripts.line(result + 2 * most * number)
        bytes_from = slice(2 * most * number * config.line_bytes, (2 * most * number + step.lines) * config.line_bytes)
        bytes_to = bytes_from if step.in_place else slice(*(each + most * config.line_bytes for each in (bytes_from.start, bytes_from.stop)))
        if step.what == "broadcast":
            arguments: tuple[int, ...] = (at, step.lines, *step.root)
            expected[:, :, bytes_from] = expected[step.root[1] - y, step.root[0] - x, bytes_from]
        elif step.what == "barrier":
            arguments = ()
        else:
            arguments = (at, to, step.lines)
            codes = np.ascontiguousarray(expected[:, :, bytes_from]).view(np.uint32 if step.what.endswith("f32") else np.uint16)
            parts = (
                [np.s_[:, :]],
                [np.s_[row : row + 1, :] for row in range(rows)],
                [np.s_[:, column : column + 1] for column in range(columns)],
            )[step.group]
            for part in parts:
                expected[(*part, bytes_to)] = all_reduce_reference(codes[part]).view(np.uint8)
        for late, site in zip(step.late, calls, strict=True):
            calls[site] += [("delay", (late,)), (f"d1_{step.what}", (scripts.group(step.group), *arguments))]
    for own in calls.values():
        own.append(("marked", (_MARK,)))
    contents = {(i, j): [(scripts.line(0), data[j - y, i - x].tobytes())] for i, j in calls} if most else {}
    report = scripts.run(array, calls, contents, max_cycles)
    assert report.passed, report.summary()
    for i, j in calls:
        seen = array.read(i, j, scripts.line(0) - SRAM_BASE, len(expected[0, 0])) if most else b""
        assert seen == expected[j - y, i - x].tobytes(), (i, j)
    semaphores_are_zero(array)


@settings(max_examples=40, deadline=None)
@given(sequences())
def test_calls_that_follow_each_other_give_what_the_reference_gives(
    case: tuple[int, int, Rectangle, int, list[Step], int],
) -> None:
    rows, columns, rectangle, inbox, steps, seed = case
    run_sequence(GoldenArray(TINY, rows, columns), rectangle, inbox, steps, seed)
