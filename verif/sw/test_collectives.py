# SPDX-License-Identifier: Apache-2.0
"""Barriers, broadcasts and sums do what docs/collectives.md says, whatever comes late, on golden and on compiled nodes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import sw.c
from golden.config import CONTROL_PAGE_OFFSET, PRESETS, preset
from golden.layout import ROUTE_BLOCK, ROUTE_CONTROL, ROUTE_ENABLE, ROUTE_FAR, SRAM_BASE, Port, semaphore_offset
from golden.mesh import GoldenArray
from golden.topology import Topology, TopologyError, topology_preset
from scripts.simulator import SimulatedArray, build
from sw.collectives import GROUP_BYTES, CollectiveError, CollectiveSemaphores, collectives_source
from sw.collectives.reference import all_reduce_reference
from sw.host import ArrayBackend, Site, all_sites
from sw.routing import RoutingError, compute_routes, set_up_routes
from verif.sw.collective_scripts import Call, Scripts

TINY = preset("tiny")

#: What registers hold that the routines must leave alone.
_MARK = 0x1234_5678_9ABC_DEF0

#: Column and row of a rectangle's corner, columns, rows.
Rectangle = tuple[int, int, int, int]


def sites_of(rectangle: Rectangle, array: ArrayBackend | None = None) -> list[Site]:
    """Sites of a rectangle, or those that have a node in an array, row by row."""
    x, y, columns, rows = rectangle
    live = None if array is None else set(all_sites(array))
    return [site for j in range(rows) for i in range(columns) if (site := (x + i, y + j)) and (live is None or site in live)]


@st.composite
def rectangles(draw: st.DrawFn, most: int = 4) -> tuple[int, int, Rectangle]:
    """Rows and columns of an array, and a rectangle in it."""
    columns, rows = draw(st.integers(1, most)), draw(st.integers(1, most))
    x, y = draw(st.integers(0, columns - 1)), draw(st.integers(0, rows - 1))
    return rows, columns, (x, y, draw(st.integers(1, columns - x)), draw(st.integers(1, rows - y)))


def with_tables(array: ArrayBackend) -> ArrayBackend:
    """The array without multicasts: its routing tables count, and lead packets in dimension order as well."""
    for site in all_sites(array):
        array.write(*site, CONTROL_PAGE_OFFSET + ROUTE_BLOCK, bytes(ROUTE_FAR - ROUTE_BLOCK))
        array.write_register(*site, CONTROL_PAGE_OFFSET + ROUTE_CONTROL, ROUTE_ENABLE)
    return array


def semaphores_are_zero(array: ArrayBackend) -> None:
    for site in all_sites(array):
        for semaphore in range(array.config.semaphores):
            assert not any(array.read(*site, semaphore_offset(semaphore), 8)), (site, semaphore)


@st.composite
def barrier_cases(draw: st.DrawFn) -> tuple[int, int, Rectangle, list[list[tuple[int, int]]]]:
    """Rows, columns, a rectangle, and for each of its nodes and each round: how late it comes, and whom it asks then."""
    rows, columns, rectangle = draw(rectangles())
    nodes = rectangle[2] * rectangle[3]
    rounds = draw(st.integers(1, 4))
    turn = st.tuples(st.sampled_from((0, 1, 30, 500)), st.integers(0, nodes - 1))
    return (
        rows,
        columns,
        rectangle,
        draw(st.lists(st.lists(turn, min_size=rounds, max_size=rounds), min_size=nodes, max_size=nodes)),
    )


def run_barriers(array: ArrayBackend, rectangle: Rectangle, turns: list[list[tuple[int, int]]], **options: Any) -> None:
    """Before each barrier a node counts; behind it, it asks another node how far that one has counted."""
    rounds = len(turns[0])
    scripts = Scripts(array.config, calls=4 * rounds + 1, results=rounds, lines=2, **options)
    group, counter, line = scripts.group(), scripts.line(0), scripts.line(1)
    sites = sites_of(rectangle, array)
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


@settings(max_examples=15, deadline=None)
@given(barrier_cases(), st.booleans())
def test_nobody_leaves_a_barrier_before_the_last_one_has_come(
    case: tuple[int, int, Rectangle, list[list[tuple[int, int]]]], tables: bool
) -> None:
    rows, columns, rectangle, turns = case
    array = GoldenArray(TINY, rows, columns)
    run_barriers(with_tables(array) if tables else array, rectangle, turns)


def run_late_node(array: ArrayBackend, late: int) -> None:
    """All nodes of an array meet twice, and everybody asks the late one how far it has come; that one asks the first one."""
    nodes = len(all_sites(array))
    turns = [[(300 * (node == late), late if node != late else 0), (0, (node + 1) % nodes)] for node in range(nodes)]
    run_barriers(array, (0, 0, array.columns, array.rows), turns)


@pytest.mark.parametrize("rows, columns", [(4, 4), (17, 1), (4, 5)])
def test_nodes_meet_by_way_of_the_middle_and_by_way_of_the_middles_of_rows(rows: int, columns: int) -> None:
    run_late_node(GoldenArray(TINY, rows, columns), 3)


@pytest.mark.rtl
@pytest.mark.parametrize("rows, columns", [(1, 26), (25, 1), (24, 2)])
def test_compiled_nodes_of_large_rectangles_meet(rows: int, columns: int) -> None:
    with SimulatedArray(TINY, rows, columns, threads=1, library=build(TINY, "macro")) as array:
        run_late_node(array, rows * columns - 1)


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
def steps_on(draw: st.DrawFn, nodes: list[Site]) -> Step:
    """A call that these nodes make."""
    what = draw(st.sampled_from(("all_reduce_f32", "all_reduce_bf16", "broadcast", "barrier")))
    group = draw(st.integers(0, 2)) if what.startswith("all") else 0
    late = draw(st.lists(st.sampled_from((0, 0, 3, 200)), min_size=len(nodes), max_size=len(nodes)))
    return Step(what, group, draw(st.integers(0, 18)), draw(st.booleans()), draw(st.sampled_from(nodes)), tuple(late))


@st.composite
def sequences(draw: st.DrawFn, most: int = 3, calls: int = 4) -> tuple[int, int, Rectangle, int, list[Step], int]:
    """Rows, columns, a rectangle, lines of the inboxes, calls, and a seed."""
    rows, columns, rectangle = draw(rectangles(most))
    steps = draw(st.lists(steps_on(sites_of(rectangle)), min_size=1, max_size=calls))
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
    sites = sites_of(rectangle, array)
    live = np.array([[(x + i, y + j) in sites for i in range(columns)] for j in range(rows)])
    for i, j in sites:
        groups = (rectangle, (x, j, columns, 1), (i, y, 1, rows))
        calls[i, j] = [("mark", (_MARK,))]
        calls[i, j] += [
            ("d1_group", (scripts.group(number), *group, scripts.line(inboxes), inbox)) for number, group in enumerate(groups)
        ]
    for number, step in enumerate(steps):
        at = scripts.line(source + 2 * most * number)
        to = at if step.in_place else scripts.line(result + 2 * most * number)
        bytes_from = slice(2 * most * number * config.line_bytes, (2 * most * number + step.lines) * config.line_bytes)
        bytes_to = (
            bytes_from
            if step.in_place
            else slice(*(each + most * config.line_bytes for each in (bytes_from.start, bytes_from.stop)))
        )
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
                if live[part].any():
                    expected[(*part, bytes_to)] = all_reduce_reference(codes[part], live[part]).view(np.uint8)
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


@settings(max_examples=15, deadline=None)
@given(sequences(), st.booleans())
def test_calls_that_follow_each_other_give_what_the_reference_gives(
    case: tuple[int, int, Rectangle, int, list[Step], int], tables: bool
) -> None:
    rows, columns, rectangle, inbox, steps, seed = case
    array = GoldenArray(TINY, rows, columns)
    run_sequence(with_tables(array) if tables else array, rectangle, inbox, steps, seed)


@pytest.mark.parametrize("dead_nodes", [(), ((0, 2), (5, 0), (4, 4))])
def test_packets_of_collectives_go_around_what_is_dead_beside_and_between_the_nodes(dead_nodes: tuple[Site, ...]) -> None:
    links = frozenset({(2, 2, Port.EAST), (1, 1, Port.SOUTH), (3, 2, Port.SOUTH)})
    topology = Topology(6, 6, dead_nodes=frozenset(dead_nodes), dead_links=links)
    run_sequence(GoldenArray(TINY, topology=topology), (1, 1, 3, 3), 8, STEPS, 1)


@st.composite
def rectangles_with_dead_nodes(draw: st.DrawFn, most: int = 5) -> tuple[Topology, Rectangle]:
    """An array with dead nodes that is in one piece, and a rectangle of which some nodes live."""
    rows, columns = draw(st.integers(2, most)), draw(st.integers(2, most))
    sites = [(x, y) for y in range(rows) for x in range(columns)]
    dead = draw(st.sets(st.sampled_from(sites), min_size=1, max_size=len(sites) // 2))
    try:
        topology = Topology(rows, columns, dead_nodes=frozenset(dead))
        routes = compute_routes(topology)
    except (TopologyError, RoutingError):
        assume(False)
    # Where packets go in dimension order nobody but the host knows what is dead.
    assume(routes is not None)
    x, y = draw(st.integers(0, columns - 1)), draw(st.integers(0, rows - 1))
    rectangle = x, y, draw(st.integers(1, columns - x)), draw(st.integers(1, rows - y))
    assume(any(site not in dead for site in sites_of(rectangle)))
    return topology, rectangle


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_live_nodes_of_a_rectangle_with_dead_ones_meet_and_get_what_the_reference_gives(data: st.DataObject) -> None:
    topology, rectangle = data.draw(rectangles_with_dead_nodes())
    array = GoldenArray(TINY, topology=topology)
    set_up_routes(array)
    sites = sites_of(rectangle, array)
    turn = st.tuples(st.sampled_from((0, 1, 30, 500)), st.integers(0, len(sites) - 1))
    each_turn = st.lists(turn, min_size=2, max_size=2)
    run_barriers(array, rectangle, data.draw(st.lists(each_turn, min_size=len(sites), max_size=len(sites))))
    steps = data.draw(st.lists(steps_on(sites), min_size=1, max_size=3))
    run_sequence(array, rectangle, data.draw(st.sampled_from((1, 8, 20))), steps, data.draw(st.integers(0, 2**32 - 1)))


#: Fixed cases: late nodes, an inbox that holds a part only, roots that change, rectangles within an array.
TURNS = [[((node * 7 + number * 3) % 5 * 60, (3 * node + number) % 10) for number in range(2)] for node in range(10)]
LATE = tuple(range(0, 900, 100))
STEPS = [
    Step("broadcast", 0, 9, False, (1, 1), LATE),
    Step("broadcast", 0, 9, False, (3, 3), LATE[::-1]),
    Step("barrier", 0, 0, False, (1, 1), LATE),
    Step("all_reduce_f32", 0, 15, False, (1, 1), LATE[::-1]),
    Step("all_reduce_f32", 1, 7, False, (1, 1), LATE),
    Step("all_reduce_bf16", 2, 7, True, (1, 1), LATE[::-1]),
    Step("all_reduce_bf16", 0, 11, False, (1, 1), (0,) * 9),
    Step("broadcast", 0, 3, True, (2, 2), LATE),
]


def run_fixed_cases(make: Callable[[int, int], ArrayBackend], **options: Any) -> None:
    """All of them, on arrays of so many rows and columns."""
    run_barriers(make(2, 6), (1, 0, 5, 2), TURNS, **options)
    run_sequence(make(4, 4), (1, 1, 3, 3), 8, STEPS, 1, **options)
    run_broadcast_to_a_late_node(make(1, 2), **options)


#: Arrays with dead nodes: in the middle, in the first place where a head would be, a row without nodes between others.
HOLES = (
    Topology(4, 4, dead_nodes=frozenset({(2, 2)})),
    Topology(6, 5, dead_nodes=frozenset({(2, 3), (0, 0), (4, 1)}), host=(0, 5, Port.WEST)),
    Topology(5, 4, dead_nodes=frozenset({(0, 3), (1, 3), (2, 3)})),
)
#: Their rectangles: whole, and without the last column, where the row without nodes is one.
HOLED = ((0, 0, 4, 4), (0, 0, 5, 6), (0, 1, 3, 4))


def run_fixed_cases_with_dead_nodes(make: Callable[[Topology], ArrayBackend], **options: Any) -> None:
    """All of them, on arrays whose tables lead around what is dead."""
    for topology, rectangle in zip(HOLES, HOLED, strict=True):
        array = make(topology)
        set_up_routes(array)
        sites = sites_of(rectangle, array)
        turns = [[((n * 7 + turn * 3) % 5 * 60, (3 * n + turn) % len(sites)) for turn in range(2)] for n in range(len(sites))]
        run_barriers(array, rectangle, turns, **options)
        late = tuple(60 * (n % 7) for n in range(len(sites)))
        steps = [
            Step("broadcast", 0, 9, False, sites[0], late),
            Step("broadcast", 0, 9, False, sites[-1], late[::-1]),
            Step("barrier", 0, 0, False, sites[0], late),
            Step("all_reduce_f32", 0, 11, False, sites[0], late[::-1]),
            Step("all_reduce_bf16", 1, 7, True, sites[0], late),
            Step("all_reduce_f32", 2, 7, False, sites[0], late[::-1]),
            Step("broadcast", 0, 3, True, sites[len(sites) // 2], late),
        ]
        run_sequence(array, rectangle, 8, steps, 1, **options)


@pytest.mark.parametrize("name", [name for name, config in PRESETS.items() if config.route_bits])
def test_golden_nodes_of_every_preset_with_tables_pass_the_fixed_cases_with_dead_nodes(name: str) -> None:
    run_fixed_cases_with_dead_nodes(lambda topology: GoldenArray(PRESETS[name], topology=topology))


@pytest.mark.rtl
def test_compiled_nodes_pass_the_fixed_cases_with_dead_nodes() -> None:
    library = build(TINY, "macro")
    with contextlib.ExitStack() as stack:
        run_fixed_cases_with_dead_nodes(
            lambda topology: stack.enter_context(SimulatedArray(TINY, topology=topology, threads=1, library=library))
        )


@pytest.mark.parametrize(
    "right, wrong",
    [
        ("sltiu t3, t3, 5", "li t3, 1"),
        ("srl t5, t5, a1", "nop"),
        ("bgez t1, 7f", "nop"),
        ("bgez t1, 3f", "nop"),
        ("beq t6, t0, 3f", "nop"),
        ("add a1, a1, a5", "nop"),
        ("bltu t0, t4, 5f", "nop"),
        ("bltu t4, t5, 9f", "nop"),
        ("bltz t3, .Ltell_heads", "nop"),
        ("bltz t3, .Ltell_others", "nop"),
        ("bgez t1, 5b", "nop"),
        ("bgtz a6, 2f", "bnez a6, 2f"),
        ("bgtz t3, 4f", "bnez t3, 4f"),
        ("mv a2, a7", "mv a2, a1"),
        ("li t6, 1\nj 5f", "li t6, 0\nj 5f"),
    ],
)
def test_a_planted_bug_with_dead_nodes_is_found(right: str, wrong: str) -> None:
    with pytest.raises(AssertionError):
        run_fixed_cases_with_dead_nodes(
            lambda topology: GoldenArray(TINY, topology=topology), replace=(f"{right}\n", f"{wrong}\n")
        )


def test_all_live_nodes_of_the_die_meet_and_add() -> None:
    # Each access of the host lets all lists go on, which takes the model most of the time where there are many.
    config = TINY.replace(name="tiny with larger tables", route_bits=5, lists=0)
    topology = topology_preset("d1-die")
    array = GoldenArray(config, topology=topology)
    set_up_routes(array)
    nodes = list(topology.sites())
    late = tuple(20 * (n % 13) for n in range(len(nodes)))
    steps = [
        Step("all_reduce_f32", 0, 2, False, nodes[0], late),
        Step("barrier", 0, 0, False, nodes[0], late[::-1]),
        Step("broadcast", 0, 2, False, nodes[-1], late),
    ]
    run_sequence(array, (0, 0, topology.columns, topology.rows), 2, steps, 2)


def run_broadcast_to_a_late_node(array: ArrayBackend, **options: Any) -> None:
    """A buffer belongs to its node until the node takes part."""
    scripts = Scripts(array.config, calls=5, results=2, lines=2, **options)
    group, buffer, line = scripts.group(), scripts.line(0), scripts.line(1)
    calls: list[Call] = [("d1_group", (group, 0, 0, 2, 1)), ("d1_broadcast", (group, buffer, 1, 0, 0))]
    asks: Call = ("ask", (scripts.remote((1, 0), buffer), line))
    late: list[Call] = [calls[0], ("delay", (5000,)), asks, calls[1], asks]
    contents = {site: [(buffer, (site[0] + 1).to_bytes(8, "little"))] for site in ((0, 0), (1, 0))}
    report = scripts.run(array, {(0, 0): calls, (1, 0): late}, contents, max_cycles=100_000)
    assert report.passed, report.summary()
    assert scripts.results(array, (1, 0), 2) == [2, 1]


def golden(name: str, tables: bool) -> Callable[[int, int], ArrayBackend]:
    """Maker of arrays with or without multicasts."""

    def make(rows: int, columns: int) -> ArrayBackend:
        array = GoldenArray(PRESETS[name], rows, columns)
        return with_tables(array) if tables else array

    return make


@pytest.mark.parametrize("name, tables", [*((name, False) for name in PRESETS), ("tiny", True)])
def test_golden_nodes_of_every_preset_pass_the_fixed_cases(name: str, tables: bool) -> None:
    run_fixed_cases(golden(name, tables))


@pytest.mark.rtl
@pytest.mark.parametrize("name, tables", [("tiny", False), ("tiny", True), ("nano", False)])
def test_compiled_nodes_pass_the_fixed_cases(name: str, tables: bool) -> None:
    config, library = PRESETS[name], build(PRESETS[name], "macro")
    with contextlib.ExitStack() as stack:

        def make(rows: int, columns: int) -> ArrayBackend:
            array = stack.enter_context(SimulatedArray(config, rows, columns, threads=1, library=library))
            return with_tables(array) if tables else array

        run_fixed_cases(make)


@pytest.mark.parametrize(
    "right, wrong, tables",
    [
        ("swait 4, t0", "nop", False),
        ("npost (t1), 4", "npost (t1), 5", False),
        ("addi t5, t5, -1", "nop", False),
        ("npost (t2), 5", "npost (t1), 5", False),
        ("slli t4, t4, 50", "li t4, 0", False),
        ("npost (a3), 5", "nop", False),
        ("li t6, 1\nswait 5, t6", "nop", False),
        ("add t6, a5, a6", "mv t6, a5", False),
        ("swait 6, t6", "nop", False),
        ("swait 7, t6", "nop", False),
        ("swait 5, a2", "nop", False),
        ("(t2)+, 6", "(t2)+, 7", False),
        ("mv a5, t4", "mv a5, a3", False),
        ("bnez t3, 3f", "nop", True),
        ("bne t3, t0, 8b", "nop", True),
        ("swait 5, t5", "nop", True),
        ("bgeu a4, t1, 2f", "nop", True),
        ("bltu t5, a4, 1f", "nop", True),
        ("bnez a6, 2f", "nop", True),
        ("swait 5, a5", "nop", True),
        ("bnez t3, 8f", "nop", True),
    ],
)
def test_a_planted_bug_is_found(right: str, wrong: str, tables: bool) -> None:
    with pytest.raises(AssertionError):
        run_fixed_cases(golden("tiny", tables), replace=(f"{right}\n", f"{wrong}\n"))


@pytest.mark.parametrize("first", [(0, 0, 2, 3), (1, 1, 2, 1)])
def test_rectangles_without_a_common_node_do_not_disturb_each_other(first: Rectangle) -> None:
    second = (3, 0, 1, 4)
    array = GoldenArray(TINY, 4, 4)
    lines, calls = 5, 12
    scripts = Scripts(TINY, calls=3 * calls + 1, lines=2 * lines + 2 * lines)
    data = np.random.default_rng(2).integers(0, 256, (4, 4, lines * TINY.line_bytes), np.uint8)
    own, to, inboxes = scripts.line(0), scripts.line(lines), scripts.line(2 * lines)
    scripted: dict[Site, list[Call]] = {}
    for number, rectangle in enumerate((first, second)):
        for site in sites_of(rectangle):
            scripted[site] = [("d1_group", (scripts.group(), *rectangle, inboxes, lines))]
            for call in range(calls):
                scripted[site] += [
                    ("delay", (40 * (call + sum(site)) % (100 + 50 * number),)),
                    ("d1_barrier", (scripts.group(),)),
                ]
                scripted[site] += [("d1_all_reduce_f32", (scripts.group(), own, to, lines))]
    report = scripts.run(array, scripted, {site: [(own, data[site[1], site[0]].tobytes())] for site in scripted})
    assert report.passed, report.summary()
    for x, y, columns, rows in (first, second):
        part = np.ascontiguousarray(data[y : y + rows, x : x + columns]).view(np.uint32)
        for site in sites_of((x, y, columns, rows)):
            assert array.read(*site, to - SRAM_BASE, lines * TINY.line_bytes) == all_reduce_reference(part).tobytes()
    semaphores_are_zero(array)


def test_a_hundred_barriers_in_a_row() -> None:
    turns = [[((node + number) % 7 * 5, (node + number) % 6) for number in range(100)] for node in range(6)]
    run_barriers(GoldenArray(preset("medium"), 2, 3), (0, 0, 3, 2), turns)


@pytest.mark.parametrize(
    "label, arguments",
    [
        ("d1_group", (1, 0, 1, 1)),
        ("d1_group", (0, 1, 1, 1)),
        ("d1_group", (0, 0, 0, 1)),
        ("d1_group", (0, 0, 1, 0)),
        ("d1_group", (0, 0, 1, 1, 0, -1)),
        ("d1_broadcast", (0, 1, 1, 0)),
        ("d1_broadcast", (0, 1, 0, 1)),
        ("d1_all_reduce_f32", (0, 0, 1)),
    ],
)
def test_arguments_that_cannot_be_are_refused(label: str, arguments: tuple[int, ...]) -> None:
    scripts = Scripts(TINY, calls=2)
    group = scripts.group()
    calls = [("d1_group", (group, 0, 0, 1, 1))] * (label != "d1_group")
    report = scripts.run(GoldenArray(TINY, 1, 2), {(0, 0): [*calls, (label, (group, *arguments))]})
    assert report.nodes[0].exit_code == 2**64 - 1


def test_a_broadcast_from_a_dead_node_is_refused() -> None:
    scripts = Scripts(TINY, calls=2)
    group = scripts.group()
    array = GoldenArray(TINY, topology=HOLES[0])
    set_up_routes(array)
    report = scripts.run(array, {(1, 2): [("d1_group", (group, 1, 1, 3, 3)), ("d1_broadcast", (group, 0, 1, 2, 2))]})
    assert report.nodes[0].exit_code == 2**64 - 1


def test_the_reference_leaves_out_sites_without_a_node() -> None:
    one, small = 0x3F80_0000, 0x3380_0000
    vectors = np.array([[[7], [one], [small]], [[7], [7], [7]], [[small], [7], [small]]], np.uint32)
    live = np.array([[False, True, True], [False] * 3, [True, False, True]])
    assert all_reduce_reference(vectors, live).tolist() == [one + 1]
    assert all_reduce_reference(vectors[:1], live[:1]).tolist() == [one]
    with pytest.raises(CollectiveError, match="does not name nodes of 1 rows x 3 columns"):
        all_reduce_reference(vectors[1:2], live[1:2])


def test_the_reference_adds_rows_first_from_west_to_east() -> None:
    # 1 + 2**-24 is lost one by one, but 2**-24 + 2**-24 is not.
    one, small = 0x3F80_0000, 0x3380_0000
    lost = np.array([[[one], [small], [small]]], np.uint32)
    assert all_reduce_reference(lost).tolist() == [one]
    assert all_reduce_reference(lost[:, ::-1]).tolist() == [one + 1]
    assert all_reduce_reference(np.array([[[one]], [[small]], [[small]]], np.uint32)).tolist() == [one]
    assert all_reduce_reference(np.array([[[one], [one]], [[small], [small]]], np.uint32)).tolist() == [0x4000_0000]
    halves = np.array([[[0x3F80], [0x3B80]], [[0x3B80], [0x3B80]]], np.uint16)
    assert all_reduce_reference(halves).tolist() == [0x3F81]


@pytest.mark.parametrize(
    "vectors", [np.zeros((1, 1), np.uint32), np.zeros((1, 1, 1), np.float32), np.zeros((0, 1, 1), np.uint16)]
)
def test_the_reference_says_what_it_takes(vectors: np.ndarray) -> None:
    with pytest.raises(CollectiveError, match="rows x columns x elements of uint32"):
        all_reduce_reference(vectors)


def test_a_group_in_c_has_as_many_bytes_as_the_routines_take() -> None:
    header = (Path(sw.c.__file__).parent / "include" / "d1_collectives.h").read_text()
    (words,) = re.findall(r"uint64_t words\[(\d+)\];", header)
    assert 8 * int(words) == GROUP_BYTES


def test_semaphores_are_four_that_the_node_has() -> None:
    with pytest.raises(CollectiveError, match="there is no semaphore 8; a node 'tiny' has 0 to 7"):
        collectives_source(TINY, CollectiveSemaphores(5, 6, 7, 8))
    with pytest.raises(CollectiveError, match="not four different ones"):
        collectives_source(TINY, CollectiveSemaphores(1, 2, 3, 1))
    assert "swait 1, t0" in collectives_source(TINY, CollectiveSemaphores(1, 2, 3, 0))
