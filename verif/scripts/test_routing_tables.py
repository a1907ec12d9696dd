# SPDX-License-Identifier: Apache-2.0
"""Nodes with routing tables do what golden ones do: registers, packets of the host, packets of threads, errors."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from typing import Any

import pytest

from golden.config import CONTROL_PAGE_OFFSET, preset
from golden.layout import (
    ROUTE_BLOCK,
    ROUTE_CONTROL,
    ROUTE_ENABLE,
    SRAM_BASE,
    GlobalAddress,
    Kind,
    Port,
    RouteEntry,
    ThreadRegister,
    route_place,
    semaphore_offset,
    thread_offset,
)
from golden.mesh import GoldenArray
from golden.packet import Packet, write_packets
from scripts.simulator import SimulatedArray, SimulatorLibrary
from sw.assembler import assemble

CONFIG = preset("tiny")
LINE = CONFIG.line_bytes
ROWS, COLUMNS = 2, 3
SITES = [(x, y) for y in range(ROWS) for x in range(COLUMNS)]
HOME = (0, 0)

#: Each node writes its line to all sites, reads a line back from each, and counts what it received.
PROGRAM = f"""
_start: la s0, mine
        vld v1, (s0)
        la s1, sites
        li s2, {len(SITES)}
        la s3, places
1:      ld a0, (s1)
        ld a1, (s3)
        add a2, a0, a1
        nwrite.s v1, (a2), 1
        addi s1, s1, 8
        addi s3, s3, 8
        addi s2, s2, -1
        bnez s2, 1b
        li a0, {len(SITES)}
        swait 1, a0
        la s1, sites
        la s4, back
        li s2, {len(SITES)}
2:      ld a0, (s1)
        la a1, mine
        li a2, {SRAM_BASE}
        sub a1, a1, a2
        add a0, a0, a1
        nread v2, (a0)
        vst v2, (s4)
        addi s4, s4, {LINE}
        addi s1, s1, 8
        addi s2, s2, -1
        bnez s2, 2b
        halt zero
        .align 4
mine:   .zero {LINE}
sites:  .zero {8 * len(SITES)}
places: .zero {8 * len(SITES)}
        .align 4
inbox:  .zero {LINE * len(SITES)}
back:   .zero {LINE * len(SITES)}
"""


@pytest.fixture
def arrays(tiny_macro: SimulatorLibrary) -> Iterator[tuple[GoldenArray, SimulatedArray]]:
    with SimulatedArray(CONFIG, ROWS, COLUMNS, library=tiny_macro, threads=1) as simulated:
        yield GoldenArray(CONFIG, ROWS, COLUMNS), simulated


def shortest_entry(rng: random.Random, at: tuple[int, int], to: tuple[int, int]) -> RouteEntry:
    """Any entry by which a packet comes nearer, so that no packet circles whichever nodes have enabled their tables."""
    entries = [RouteEntry.DIMENSION_ORDER]
    entries += [RouteEntry.EAST if to[0] > at[0] else RouteEntry.WEST] * (to[0] != at[0])
    entries += [RouteEntry.SOUTH if to[1] > at[1] else RouteEntry.NORTH] * (to[1] != at[1])
    return rng.choice(entries)


def write_tables(array: GoldenArray | SimulatedArray, tables: dict[tuple[int, int], dict[tuple[int, int], int]]) -> None:
    """By packets; farther nodes first."""
    for (x, y), entries in reversed(tables.items()):
        registers: dict[int, int] = {}
        for destination, entry in entries.items():
            offset, low = route_place(*destination)
            registers[offset] = registers.get(offset, 0) | entry << low
        for offset, value in registers.items():
            array.write_register(x, y, offset, value)
        array.write_register(x, y, CONTROL_PAGE_OFFSET + ROUTE_CONTROL, ROUTE_ENABLE)


def observed(array: GoldenArray | SimulatedArray) -> Any:
    """What a host can see of the arrays after they have come to rest; which of several packets came first is not compared."""
    inbox = sorted(dataclasses.astuple(packet) for packet in array.host_inbox)
    return inbox, [array.peek(x, y, 0, CONFIG.sram_bytes) for x, y in SITES]


@pytest.mark.rtl
def test_registers_of_the_table_equal_those_of_the_golden_node(arrays: tuple[GoldenArray, SimulatedArray]) -> None:
    rng = random.Random(3)
    registers = range(ROUTE_BLOCK, 0x1000, 8)
    for register in rng.sample(registers, 60):
        value = rng.getrandbits(64) & (-2 if register == ROUTE_CONTROL else -1)
        target = GlobalAddress(1, 1, CONTROL_PAGE_OFFSET + register)
        for array in arrays:
            for packet in write_packets(LINE, target, value.to_bytes(8, "little"), array.topology.host_link):
                array.send(packet)
    golden, simulated = (
        [array.read_register(1, 1, CONTROL_PAGE_OFFSET + register) for register in registers] for array in arrays
    )
    assert simulated == golden
    assert any(golden)


@pytest.mark.rtl
@pytest.mark.parametrize("seed", range(3))
def test_threads_and_host_reach_every_node_by_any_table_of_shortest_ways(
    arrays: tuple[GoldenArray, SimulatedArray], seed: int
) -> None:
    rng = random.Random(seed)
    tables = {at: {to: int(shortest_entry(rng, at, to)) for to in SITES if to != at} for at in SITES}
    program = assemble(PROGRAM, config=CONFIG)
    at = {name: program.symbols[name] - SRAM_BASE for name in ("mine", "sites", "places", "inbox")}
    (segment,) = (contents for address, contents in program.segments if address == SRAM_BASE)
    lines = [rng.randbytes(LINE) for _ in SITES]
    for array in arrays:
        write_tables(array, tables)
        for number, (x, y) in enumerate(SITES):
            array.write(x, y, 0, segment)
            array.write(x, y, at["mine"], lines[number])
            places = [at["inbox"] + LINE * number] * len(SITES)
            for name, values in (("sites", [int(GlobalAddress(*site)) for site in SITES]), ("places", places)):
                array.write(x, y, at[name], b"".join(value.to_bytes(8, "little") for value in values))
        for x, y in SITES:
            array.write_register(x, y, thread_offset(0, ThreadRegister.PC), SRAM_BASE)
        assert array.run(50_000).reason == "ended"
        for x, y in SITES:
            assert array.read(x, y, at["inbox"], LINE * len(SITES)) == b"".join(lines)
            assert array.read(x, y, at["inbox"] + LINE * len(SITES), LINE * len(SITES)) == b"".join(lines)
    golden, simulated = (observed(array) for array in arrays)
    assert simulated == golden


@pytest.mark.rtl
@pytest.mark.parametrize("seed", range(3))
def test_packets_of_the_host_end_where_golden_ones_do(arrays: tuple[GoldenArray, SimulatedArray], seed: int) -> None:
    rng = random.Random(seed)
    tables = {at: {to: int(shortest_entry(rng, at, to)) for to in SITES if to != at} for at in SITES}
    for node, destination in rng.sample([(a, b) for a in SITES for b in SITES if HOME not in (a, b) and a != b], 6):
        tables[node][destination] = rng.choice((5, 6, 7, RouteEntry.NORTH if node[1] == 0 else RouteEntry.UNREACHABLE))
    packets = []
    for tag in range(60):
        x, y = rng.choice(SITES)
        kind = rng.choice((Kind.WRITE, Kind.READ))
        packets.append(
            Packet(
                kind,
                x,
                y,
                rng.choice((0, 16, 32, CONFIG.sram_bytes, semaphore_offset(0))),
                src_exit=Port.WEST,
                tag=tag,
                post=kind is Kind.WRITE and tag % 3 == 0,
                sem=tag % 8 if kind is Kind.WRITE else 0,
                mask=(1 << LINE) - 1 if kind is Kind.WRITE else 0,
                data=rng.randbytes(LINE) if kind is Kind.WRITE else b"",
            )
        )
    for array in arrays:
        write_tables(array, tables)
        for packet in packets:
            array.send(packet)
            array.run(2000)
    golden, simulated = (observed(array) for array in arrays)
    assert simulated == golden
    assert any(packet[0] is Kind.ERROR for packet in golden[0])
