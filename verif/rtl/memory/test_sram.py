# SPDX-License-Identifier: Apache-2.0
"""SRAM: data and grants equal a NumPy model in every cycle, with the reference banks and with the simulators' model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cocotb
import numpy as np
import pytest
from amaranth import ClockSignal, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import FallingEdge, ReadOnly
from hypothesis import strategies as st

from golden.config import NodeConfig
from rtl.memory.banks import SramArray
from rtl.memory.macro import READ_PORTS, WRITE_PORTS, array_signature, holds_writes, macro_name, macro_verilog
from rtl.memory.sram import Sram
from verif.bench import bench_parameters, bench_rng, check_property, run_bench, start

CONFIGS = {
    "2x2x16x16": NodeConfig(line_bytes=16, sram_blocks=2, sram_ways=2, bank_lines=16),
    "1x1x32x16": NodeConfig(line_bytes=16, sram_blocks=1, sram_ways=1, bank_lines=32),
    "5x4x16x64": NodeConfig(line_bytes=64, sram_blocks=5, sram_ways=4, bank_lines=16),
    "held writes": NodeConfig(line_bytes=16, sram_blocks=2, sram_ways=2, bank_lines=16, matrix_passes=4),
    "sequential": NodeConfig(
        line_bytes=16, sram_blocks=2, sram_ways=2, bank_lines=16, matrix_passes=4, link_passes=4, threads=1, core="sequential"
    ),
}

#: Reads of lines whose numbers agree in this with that of a write wait in the cycle after its grant, where writes are held.
HELD_BITS = 0x1

#: Requesters in order of priority.
READERS = ("fetch", "scalar", "network_read", "load1", "load0")
WRITERS = ("network_write", "store")
#: Those beside a sequential core, of whom the first one goes first whenever it asks.
SEQUENTIAL_READERS = ("network_read", "fetch", "load0")

ARBITRATION = [
    "grants_data_and_conflicts_equal_the_model",
    "requesters_of_different_blocks_never_wait",
    "nobody_waits_longer_than_there_are_other_requesters",
]


@pytest.mark.parametrize(
    "name, array",
    [
        ("1x1x32x16", "reference"),
        ("2x2x16x16", "module"),
        ("2x2x16x16", "model"),
        ("5x4x16x64", "model"),
        ("held writes", "reference"),
        ("sequential", "reference"),
        ("sequential", "model"),
    ],
)
def test_sram(name: str, array: str) -> None:
    config = CONFIGS[name]
    run_bench(
        Sram(config, reference=array == "reference"),
        modules={macro_name(config): SramArray(config)} if array == "module" else {},
        sources=[macro_verilog(config)] if array == "model" else [],
        parameters={"config": name},
        tests=ARBITRATION[:1] if name == "sequential" else ARBITRATION,
    )


@pytest.mark.parametrize("name", ["1x1x32x16", "5x4x16x64"])
def test_model_for_simulators_equals_the_reference(name: str) -> None:
    config = CONFIGS[name]
    run_bench(
        ArrayPair(config), sources=[macro_verilog(config)], parameters={"config": name}, tests=["both_arrays_read_the_same"]
    )


class ArrayPair(wiring.Component):
    """Reference and model on the same inputs; ``differ`` tells of the port where defined data differed."""

    def __init__(self, config: NodeConfig):
        self.config = config
        inputs = {path[0]: member for path, member, _ in array_signature(config).flatten(array_signature(config).create())}
        super().__init__({n: m for n, m in inputs.items() if m.flow == In} | {"differ": Out(len(READ_PORTS)), "compared": Out(5)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.reference = reference = SramArray(self.config)
        pins = {}
        for path, member, value in array_signature(self.config).flatten(reference):
            if member.flow == In:
                m.d.comb += value.eq(getattr(self, path[0]))
                pins[f"i_{path[0]}"] = getattr(self, path[0])
        for i, port in enumerate(READ_PORTS):
            data = Signal(8 * self.config.line_bytes, name=f"{port}_model_data")
            pins[f"o_{port}_r_data"] = data
            m.d.sync += self.compared[i].eq(getattr(self, f"{port}_r_en"))
            m.d.comb += self.differ[i].eq(self.compared[i] & (data != getattr(reference, f"{port}_r_data")))
        m.submodules.model = Instance(macro_name(self.config), i_clk=ClockSignal(), **pins)
        return m


def config_under_test() -> NodeConfig:
    return CONFIGS[bench_parameters()["config"]]


# ---------------------------------------------------------------------------------------------------------------------
# Model
# ---------------------------------------------------------------------------------------------------------------------


def bank(config: NodeConfig, line: int) -> int:
    block, way = divmod(line, config.sram_ways * config.bank_lines)[0], line % config.sram_ways
    return block * config.sram_ways + way


def arbitrate(config: NodeConfig, order: tuple[str, ...], wants: dict[str, int], waited: dict[str, int]) -> set[str]:
    """Who is granted: in each bank the one that waited longest, the first of the order among equals. Updates ``waited``."""
    if config.core == "sequential" and order != WRITERS:
        granted = set([name for name in SEQUENTIAL_READERS if name in wants][:1])
    elif holds_writes(config) and order == WRITERS:
        # A store that gives up after it has lost keeps its turn.
        rivals = [name for name in order if name in wants and (name == "store" or not waited["store"])]
        granted = set(rivals[:1])
    else:
        granted = set()
        banks = {name: bank(config, line) for name, line in wants.items()}
        for number in set(banks.values()):
            rivals = [name for name in order if banks.get(name) == number]
            granted.add(max(rivals, key=lambda name: waited[name]))
    for name in order:
        waited[name] = waited[name] + 1 if name in wants and name not in granted else 0
    return granted


@dataclass
class Access:
    """One access of a requester: after ``gap`` idle cycles; given up after ``patience`` cycles without a grant."""

    gap: int
    line: int
    patience: int = 99
    mask: int = 0
    data: int = 0
    waited: int = field(default=0)


async def play(dut: Any, accesses: dict[str, list[Access]]) -> dict[str, int]:
    """Play accesses against the model, cycle by cycle. Returns the longest wait of each requester."""
    config = config_under_test()
    if config.core == "sequential":
        accesses = {name: items for name, items in accesses.items() if name in (*SEQUENTIAL_READERS, *WRITERS)}
    lines = np.zeros((config.sram_lines, config.line_bytes), np.uint8)
    # What the array held before is left from the example before, so only bytes written since count.
    known = np.zeros(lines.shape, bool)
    pending = {name: list(items) for name, items in accesses.items()}
    gaps = {name: items[0].gap if items else 0 for name, items in pending.items()}
    waited = dict.fromkeys((*READERS, *WRITERS), 0)
    longest = dict.fromkeys((*READERS, *WRITERS), 0)
    expected: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    lost = 0
    entering: set[int] = set()

    dut.rst.value = 1
    for name in (*READERS, *WRITERS):
        getattr(dut, f"{name}__req").value = 0
    await FallingEdge(dut.clk)
    dut.rst.value = 0
    while any(pending.values()) or expected:
        for name, (data, defined) in expected.items():
            seen_data = int(getattr(dut, f"{name}__data").value).to_bytes(config.line_bytes, "little")
            assert np.array_equal(np.frombuffer(seen_data, np.uint8)[defined], data[defined]), name
        expected = {}
        wants = {name: items[0].line for name, items in pending.items() if items and gaps[name] == 0}
        for name in pending:
            gaps[name] = max(0, gaps[name] - 1)
            getattr(dut, f"{name}__req").value = int(name in wants)
            if name in wants:
                getattr(dut, f"{name}__address").value = wants[name]
                if name in WRITERS:
                    getattr(dut, f"{name}__mask").value = pending[name][0].mask
                    getattr(dut, f"{name}__data").value = pending[name][0].data
        granted, asking = set(), 0
        for order in (READERS, WRITERS):
            blocked = entering if order == READERS else set()
            group = {name: line for name, line in wants.items() if name in order and line & HELD_BITS not in blocked}
            granted |= arbitrate(config, order, group, waited)
            asking += len(group)
        await ReadOnly()
        seen = {name for name in (*READERS, *WRITERS) if int(getattr(dut, f"{name}__grant").value)}
        if config.core == "sequential" and "store" not in wants:
            # It may be told that there is room, whether it asks or not.
            seen -= {"store"}
        assert seen == granted
        assert int(dut.conflicts.value) == lost
        lost = asking - len(granted)
        if holds_writes(config):
            assert int(dut.busy.value) == len(entering)
            entering = {wants[name] & HELD_BITS for name in granted & set(WRITERS)}
        for name in granted & set(READERS):
            expected[name] = lines[wants[name]].copy(), known[wants[name]].copy()
        for name in granted & set(WRITERS):
            access = pending[name][0]
            mask = np.array([access.mask >> i & 1 for i in range(config.line_bytes)], bool)
            data = np.frombuffer(access.data.to_bytes(config.line_bytes, "little"), np.uint8)
            lines[access.line][mask] = data[mask]
            known[access.line] |= mask
        for name in wants:
            access = pending[name][0]
            if name not in granted:
                access.waited += 1
                longest[name] = max(longest[name], access.waited)
            if name in granted or access.waited > access.patience:
                pending[name].pop(0)
                gaps[name] = pending[name][0].gap if pending[name] else 0
        await FallingEdge(dut.clk)
    return longest


# ---------------------------------------------------------------------------------------------------------------------
# Properties
# ---------------------------------------------------------------------------------------------------------------------


@cocotb.test()
async def grants_data_and_conflicts_equal_the_model(dut: Any) -> None:
    await start(dut)
    config = config_under_test()
    width = config.line_bytes
    # Few lines, next to each other and in the last block, so that accesses meet.
    line = st.sampled_from(sorted({0, 1, config.sram_ways, config.sram_ways + 1, config.sram_lines - 1}))
    gap = st.sampled_from((0, 0, 1, 2))
    patience = st.sampled_from((99, 99, 0, 1))
    mask = st.sampled_from(((1 << width) - 1, (1 << width) - 1, 0, 1, 1 << width - 1, 0xFF << 8, 0x5A5A))
    reads = st.lists(st.builds(Access, gap, line, patience), max_size=12)
    writes = st.lists(st.builds(Access, gap, line, patience, mask, st.integers(0, (1 << 8 * width) - 1)), max_size=12)

    async def check(readers: list[list[Access]], writers: list[list[Access]]) -> None:
        await play(dut, dict(zip((*READERS, *WRITERS), readers + writers, strict=True)))

    await check_property(
        check,
        max_examples=80,
        readers=st.lists(reads, min_size=5, max_size=5),
        writers=st.lists(writes, min_size=2, max_size=2),
    )


@cocotb.test()
async def requesters_of_different_blocks_never_wait(dut: Any) -> None:
    await start(dut)
    config = config_under_test()
    rng = bench_rng(1)
    names = [name for name, _ in zip(READERS, range(config.sram_blocks), strict=False)]
    block_lines = config.sram_lines // config.sram_blocks
    accesses = {
        name: [Access(0, block * block_lines + int(rng.integers(block_lines))) for _ in range(30)]
        for block, name in enumerate(names)
    }
    longest = await play(dut, accesses)
    assert set(longest.values()) == {0}


@cocotb.test()
async def nobody_waits_longer_than_there_are_other_requesters(dut: Any) -> None:
    await start(dut)
    mask = (1 << config_under_test().line_bytes) - 1
    accesses = {name: [Access(0, 0) for _ in range(20)] for name in READERS}
    accesses |= {name: [Access(0, 1, mask=mask, data=i) for i in range(20)] for name in WRITERS}
    longest = await play(dut, accesses)
    assert max(longest[name] for name in READERS) == len(READERS) - 1
    assert max(longest[name] for name in WRITERS) == len(WRITERS) - 1


@cocotb.test()
async def both_arrays_read_the_same(dut: Any) -> None:
    await start(dut)
    config = config_under_test()
    rng = bench_rng(2)
    width, compared = config.line_bytes, 0
    for line in range(config.sram_lines):
        dut.store_w_en.value, dut.store_w_address.value = 1, line
        dut.store_w_mask.value = (1 << width) - 1
        dut.store_w_data.value = int.from_bytes(rng.bytes(width), "little")
        await FallingEdge(dut.clk)
    for _ in range(600):
        for ports, suffix in ((READ_PORTS, "r"), (WRITE_PORTS, "w")):
            taken: set[int] = set()
            for port in ports:
                line = int(rng.integers(config.sram_lines))
                if rng.integers(2):
                    line %= 4
                enable = bool(rng.integers(4)) and bank(config, line) not in taken
                if enable:
                    taken.add(bank(config, line))
                getattr(dut, f"{port}_{suffix}_en").value = int(enable)
                getattr(dut, f"{port}_{suffix}_address").value = line
                if suffix == "w":
                    mask = (1 << width) - 1 if rng.integers(2) else int.from_bytes(rng.bytes(width // 8), "little")
                    getattr(dut, f"{port}_w_mask").value = mask
                    getattr(dut, f"{port}_w_data").value = int.from_bytes(rng.bytes(width), "little")
        await FallingEdge(dut.clk)
        assert int(dut.differ.value) == 0
        compared |= int(dut.compared.value)
    assert compared == (1 << len(READ_PORTS)) - 1
