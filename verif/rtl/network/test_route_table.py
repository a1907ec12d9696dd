# SPDX-License-Identifier: Apache-2.0
"""The routing table's hardware equals the golden one: every entry, every direction, every register."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig
from golden.layout import ROUTE_BLOCK, ROUTE_CONTROL, ROUTE_ENABLE, ROUTE_FAR, RouteEntry
from golden.routes import RouteTable as GoldenTable
from rtl.network.route_table import RouteTable
from verif.rtl.simulate import Simulation, property_settings

CONFIGS = {bits: NodeConfig(route_bits=bits) for bits in (3, 4, 5)}
SIMULATIONS = {bits: Simulation(RouteTable(config, 2)) for bits, config in CONFIGS.items()}
REGISTERS = range(ROUTE_BLOCK, 0x1000, 8)


class Bench:
    """The table under test beside the golden one, at a place in the array."""

    def __init__(self, context: Any, table: Any, bits: int, x: int, y: int):
        self.context, self.table, self.bits = context, table, bits
        self.golden = GoldenTable(bits, x, y)
        context.set(table.x, x)
        context.set(table.y, y)

    async def write(self, register: int, value: int) -> None:
        """Write a register of both; nothing may have changed before the cycle is over."""
        context, port = self.context, self.table.port
        context.set(port.register, register // 8)
        context.set(port.write_data, value)
        context.set(port.write, 1)
        assert context.get(port.read_data) == self.golden.read(register)
        await context.tick()
        context.set(port.write, 0)
        self.golden.write(register, value)

    def check_register(self, register: int) -> None:
        self.context.set(self.table.port.register, register // 8)
        assert self.context.get(self.table.port.read_data) == self.golden.read(register), hex(register)

    def entry(self, x: int, y: int, lookup: int = 0) -> int:
        """What the hardware finds."""
        context, table = self.context, self.table
        context.set(table.asks, 1 << lookup)
        context.set(table.destinations[lookup], {"x": x, "y": y})
        assert context.get(table.entries[1 - lookup]) == 0, "nobody asked"
        return int(context.get(table.entries[lookup]))

    def check(self, x: int, y: int, lookup: int = 0) -> None:
        assert min(self.entry(x, y, lookup), RouteEntry.UNREACHABLE) == self.golden.entry(x, y), (x, y)


def test_every_entry_is_found_for_its_destination_and_no_other() -> None:
    bits, simulation = 3, SIMULATIONS[3]

    async def process(context: Any) -> None:
        bench = Bench(context, simulation.component, bits, 16 + 1, 8 + 6)
        await bench.write(ROUTE_CONTROL, ROUTE_ENABLE)
        for shift in range(8):
            # Entries of a row and of a column differ, and in the end every place has had every value.
            for y in range(8):
                await bench.write(ROUTE_BLOCK + 16 * y, sum((3 * x + y + shift) % 8 << 4 * x for x in range(8)))
            for y in range(8):
                for x in range(8):
                    assert bench.entry(16 + x, 8 + y, lookup=x % 2) == (3 * x + y + shift) % 8

    simulation.run(process)


@pytest.mark.parametrize("bits", CONFIGS)
def test_destinations_outside_of_the_table_have_an_entry_by_direction(bits: int) -> None:
    simulation, size = SIMULATIONS[bits], 1 << bits

    async def process(context: Any) -> None:
        bench = Bench(context, simulation.component, bits, 2 * size + 3, 4 * size + 1)
        await bench.write(ROUTE_CONTROL, ROUTE_ENABLE)
        for entry in range(8):
            await bench.write(ROUTE_FAR, sum((entry + index) % 8 << 4 * index for index in range(9)))
            for row, y in enumerate((4 * size - 1, 4 * size + size // 2, 5 * size, 8191)):
                for column, x in enumerate((2 * size - 1, 2 * size, 3 * size, 8191)):
                    if min(row, 2) == min(column, 2) == 1:
                        continue
                    assert bench.entry(x, y) == (entry + 3 * min(row, 2) + min(column, 2)) % 8, (x, y)

    simulation.run(process)


@pytest.mark.parametrize("bits", CONFIGS)
def test_registers_read_what_they_keep(bits: int) -> None:
    simulation, rng = SIMULATIONS[bits], random.Random(bits)

    async def process(context: Any) -> None:
        bench = Bench(context, simulation.component, bits, 0, 0)
        for register in REGISTERS:
            await bench.write(register, rng.getrandbits(64))
        for register in range(0, 0x1000, 8):
            bench.check_register(register)

    simulation.run(process)


@property_settings(60)
@given(data=st.data(), bits=st.sampled_from(sorted(CONFIGS)), x=st.integers(0, 8191), y=st.integers(0, 8191))
def test_after_any_writes_it_finds_what_the_golden_table_finds(data: st.DataObject, bits: int, x: int, y: int) -> None:
    simulation, size = SIMULATIONS[bits], 1 << bits
    near = st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)).map(lambda low: (x & -size | low[0], y & -size | low[1]))
    places = st.one_of(near, st.tuples(st.integers(0, 8191), st.integers(0, 8191)))
    registers = st.one_of(st.sampled_from((ROUTE_CONTROL, ROUTE_FAR)), st.sampled_from(REGISTERS))
    writes = data.draw(st.lists(st.tuples(registers, st.integers(0, 2**64 - 1), st.lists(places, max_size=3)), max_size=20))

    async def process(context: Any) -> None:
        bench = Bench(context, simulation.component, bits, x, y)
        await bench.write(ROUTE_CONTROL, ROUTE_ENABLE)
        for register in range(ROUTE_BLOCK, ROUTE_FAR, 8):
            await bench.write(register, 0)
        for register, value, looked_up in writes:
            await bench.write(register, value)
            bench.check_register(register)
            for place in looked_up:
                if place != (x, y):
                    bench.check(*place)

    simulation.run(process)


def test_a_node_without_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="route_bits = 0"):
        RouteTable(NodeConfig(route_bits=0), 1)
