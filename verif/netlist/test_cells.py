# SPDX-License-Identifier: Apache-2.0
"""Cells' models: designs that use every mode that synthesis infers, beside their netlists, with random inputs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from verif.bench import bench_parameters, bench_rng, play, run_bench, start
from verif.netlist.block import PAIR, Pair, pair
from verif.netlist.cells import UnknownCell, cell_models

#: Width to depth that make one block RAM.
SHAPES = {1: 16384, 2: 8192, 4: 4096, 9: 2048, 18: 1024, 36: 512}

#: Widths of memories with two ports that read and write.
TWO_PORTS = (4, 18)

#: What a port that reads and writes one address gives while it writes.
MODES = ("old", "new", "unchanged")


class BlockRams(wiring.Component):
    """Memories of every shape: with a port that writes and one that reads, with one port that does either, with two such.

    Members
    -------
    write_address, read_address : In(14), data : In(36), write : In(4), a bit for every nine; read : In(1)
    <shape>_<kind> : Out
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "write_address": In(14),
                "read_address": In(14),
                "data": In(36),
                "write": In(4),
                "read": In(1),
                **{f"{kind}_{width}": Out(width) for kind, width in self.kinds()},
                **{f"two_{width}": Out(2 * width) for width in TWO_PORTS},
            }
        )

    @staticmethod
    def kinds() -> Iterator[tuple[str, int]]:
        """With two addresses in all shapes; with one where words have half a byte, one byte and two."""
        yield from itertools.product(("split",), SHAPES)
        yield from itertools.product(("split_new", *MODES), (4, 9, 18))
        yield from itertools.product(("split_reset", "reset"), (9, 18))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        rng = np.random.default_rng(1)
        for kind, width in self.kinds():
            depth = SHAPES[width]
            init = [int(value) for value in rng.integers(0, 1 << width, depth)]
            m.submodules[f"{kind}_{width}"] = memory = Memory(shape=width, depth=depth, init=init, attrs={"ram_style": "block"})
            lanes = max(1, width // 9)
            write = memory.write_port(granularity=width // lanes)
            new = kind in ("split_new", "new")
            registered = not kind.endswith("reset")
            read = memory.read_port(domain="sync" if registered else "comb", transparent_for=(write,) if new else ())
            one_address = not kind.startswith("split")
            m.d.comb += [
                write.addr.eq(self.write_address),
                write.data.eq(self.data),
                write.en.eq(self.write),
                read.addr.eq(self.write_address if one_address else self.read_address),
            ]
            out = getattr(self, f"{kind}_{width}")
            if registered:
                m.d.comb += [
                    read.en.eq(self.read & ~self.write[:lanes].any() if kind == "unchanged" else self.read),
                    out.eq(read.data),
                ]
            else:
                # Synthesis takes a register behind the memory, with its reset, for that of the memory.
                with m.If(self.read):
                    m.d.sync += out.eq(read.data)
        for width in TWO_PORTS:
            m.submodules[f"two_{width}"] = memory = Memory(
                shape=width, depth=SHAPES[width], init=range(1 << min(width, 9)), attrs={"ram_style": "block"}
            )
            writes = memory.write_port(), memory.write_port()
            apart = writes[0].addr != writes[1].addr
            reads = [memory.read_port(transparent_for=writes) for _ in writes]
            for write, read, address, lane in zip(writes, reads, (self.write_address, self.read_address), (0, 2), strict=True):
                m.d.comb += [
                    write.addr.eq(address),
                    write.data.eq(self.data[lane:]),
                    # What two ports write into one place is not defined.
                    write.en.eq(self.write[lane] & apart),
                    read.addr.eq(address),
                    read.en.eq(self.read),
                ]
            results = [read.data for read in reads]
            m.d.comb += getattr(self, f"two_{width}").eq(Cat(results))
        return m


class Multipliers(wiring.Component):
    """Products of 18 bits by 18, each operand signed or not, one cycle after them.

    Members
    -------
    a, b : In(18)
    uu, us, su, ss : Out(36)
    """

    def __init__(self) -> None:
        super().__init__({"a": In(18), "b": In(18), **dict.fromkeys(("uu", "us", "su", "ss"), Out(36))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for name in ("uu", "us", "su", "ss"):
            a, b = (value.as_signed() if sign == "s" else value for value, sign in zip((self.a, self.b), name, strict=True))
            m.d.sync += getattr(self, name).eq(a * b)
        return m


class Fabric(wiring.Component):
    """Tables, carry chains, registers of every kind, and a small memory.

    Members
    -------
    a, b : In(12), enable, clear : In(1), address, other : In(5)
    sum, less, mixed, plain, set, kept, cleared, stored : Out
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "a": In(12),
                "b": In(12),
                "enable": In(1),
                "clear": In(1),
                "address": In(5),
                "other": In(5),
                "sum": Out(13),
                "less": Out(1),
                "mixed": Out(4),
                "plain": Out(12),
                "kept": Out(12),
                "cleared": Out(12),
                "stored": Out(12),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        plain = Signal(12, init=0x9A5, reset_less=True)
        kept = Signal(12, init=0x5A9)
        cleared = Signal(12, init=0xF0F)
        m.d.sync += plain.eq(self.a ^ plain)
        with m.If(self.enable):
            m.d.sync += kept.eq(self.b + kept)
        with m.If(self.clear):
            m.d.sync += cleared.eq(0xF0F)
        with m.Elif(~self.enable):
            m.d.sync += cleared.eq(self.a - self.b)
        m.submodules.small = memory = Memory(shape=unsigned(12), depth=32, init=range(32))
        write, read = memory.write_port(), memory.read_port(domain="comb")
        less, x = Signal(), Signal(signed(12))
        m.d.comb += [
            x.eq(self.a),
            less.eq(x < self.b.as_signed()),
            write.addr.eq(self.address),
            write.data.eq(self.a ^ self.b),
            write.en.eq(self.enable),
            read.addr.eq(self.other),
            self.stored.eq(read.data),
            self.sum.eq(self.a + self.b),
            self.less.eq(less),
            self.mixed.eq(Cat(self.a.all(), self.b.xor(), self.a[:8] == self.b[:8], (self.a & self.b).any())),
            self.plain.eq(plain),
            self.kept.eq(kept),
            self.cleared.eq(cleared),
        ]
        return m


DESIGNS = {"block_rams": BlockRams, "multipliers": Multipliers, "fabric": Fabric}


def compare(name: str, cycles: int) -> Pair:
    both = pair(DESIGNS[name]())
    run_bench(
        toplevel=PAIR,
        sources=both.sources,
        parameters={"inputs": both.inputs, "outputs": both.outputs, "design": name, "cycles": cycles},
        tests=["both_give_the_same"],
    )
    return both


@pytest.mark.rtl
def test_block_ram_of_every_shape_and_mode_equals_the_memory_that_it_was_inferred_from() -> None:
    assert compare("block_rams", 4000).netlist.cells["DP16KD"] == len(list(BlockRams.kinds())) + len(TWO_PORTS)


@pytest.mark.rtl
def test_multiplier_equals_products_of_all_signs() -> None:
    assert compare("multipliers", 4000).netlist.cells["MULT18X18D"] == 4


@pytest.mark.rtl
def test_tables_carries_registers_and_small_memories_equal_the_logic_that_they_were_mapped_from() -> None:
    cells = compare("fabric", 3000).netlist.cells
    assert {"LUT4", "CCU2C", "TRELLIS_FF", "TRELLIS_DPR16X4"} <= set(cells)


def test_unknown_cell_is_named() -> None:
    with pytest.raises(UnknownCell, match="DCCA"):
        cell_models(["LUT4", "DCCA"])


def stimuli(design: str, widths: dict[str, int], cycles: int) -> dict[str, list[int]]:
    """Random values, half of them from few that come again, ends of ranges among them."""
    rng = bench_rng()
    values = {}
    for name, width in widths.items():
        top = (1 << width) - 1
        common = [0, 1, top, top - 1, top >> 1, (top >> 1) + 1, *(int(value) for value in rng.integers(0, top + 1, 8))]
        fresh = rng.integers(0, top + 1, cycles)
        values[name] = [int(rng.choice(common)) if rng.random() < 0.6 else int(value) for value in fresh]
    if design == "multipliers":
        ends = [0, 1, 2, 0x1FFFF, 0x20000, 0x20001, 0x3FFFF, 0x3FFFE, 0x15555, 0x2AAAA]
        corners = list(itertools.product(ends, repeat=2))
        for index, name in enumerate(("a", "b")):
            values[name][: len(corners)] = [corner[index] for corner in corners]
    return values


@cocotb.test()
async def both_give_the_same(dut: Any) -> None:
    parameters = bench_parameters()
    cycles, design = parameters["cycles"], parameters["design"]
    inputs = stimuli(design, parameters["inputs"], cycles)
    inputs["rst"] = [int(value) for value in bench_rng(1).random(cycles) < 0.02]
    await start(dut, reset=False)
    names = [f"{side}_{name}" for name in parameters["outputs"] for side in ("rtl", "netlist")]
    seen = await play(dut, inputs, names)
    for name in parameters["outputs"]:
        assert len(set(seen[f"rtl_{name}"])) > 1
        assert seen[f"netlist_{name}"] == seen[f"rtl_{name}"], name
