# SPDX-License-Identifier: Apache-2.0
"""A line of integer slices against the model: bytes exhaustively, wider elements at corners and at random."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
import pytest
from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import FallingEdge
from hypothesis import strategies as st

from golden.config import preset
from golden.simd import SimdOperands, execute
from rtl.simd.integer_lane import IntegerLane
from rtl.simd.operations import operation
from verif.bench import bench_parameters, bench_rng, check_property, from_words, play, run_bench, start, to_words

CONFIG = preset("d1")
SLICES = CONFIG.fp32_lanes
LATENCY = 4

BINARY = ("vadd", "vsub", "vmul", "vmulh", "vmulhu", "vsll", "vsrl", "vsra", "vmin", "vmax", "vminu", "vmaxu")
COMPARES = ("veq", "vlt", "vltu")
BITWISE = ("vand", "vor", "vxor", "vandn")


def mnemonics(*bits: int) -> list[str]:
    """Operations on elements of these widths."""
    return [f"{name}.i{width}" for width in bits for name in (*BINARY, *COMPARES)]


class Line(wiring.Component):
    """As many slices as a line holds, all with one operation."""

    def __init__(self) -> None:
        bits = 32 * SLICES
        super().__init__({"op": In(8), "a": In(bits), "b": In(bits), "result": Out(bits), "compare": Out(bits // 8)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for i in range(SLICES):
            m.submodules[f"slice{i}"] = Instance(
                "integer_lane",
                i_clk=ClockSignal(),
                i_rst=ResetSignal(),
                i_op=self.op,
                i_a=self.a.word_select(i, 32),
                i_b=self.b.word_select(i, 32),
                o_result=self.result.word_select(i, 32),
                o_compare=self.compare.word_select(i, 4),
            )
        return m


def run(test: str, **parameters: Any) -> None:
    __tracebackhide__ = True
    modules = {"integer_lane": IntegerLane(), "integer_line": Line()}
    run_bench(toplevel="integer_line", modules=modules, test_module=__name__, tests=[test], parameters=parameters)


def test_every_pair_of_bytes_gives_what_the_model_gives() -> None:
    run("every_pair", mnemonics=[*mnemonics(8), *BITWISE])


@pytest.mark.parametrize("bits", [16, 32])
def test_corners_of_wider_elements_give_what_the_model_gives(bits: int) -> None:
    run("corners", bits=bits)


def test_every_shift_by_every_amount_gives_what_the_model_gives() -> None:
    run("every_shift")


def test_any_few_operations_one_per_cycle_equal_the_model() -> None:
    run("any_operations")


# ---------------------------------------------------------------------------------------------------------------------


async def compare(dut: Any, operations: list[str], a: npt.NDArray[Any], b: npt.NDArray[Any]) -> None:
    """Play one operation per cycle on lines of bytes (cycles, line_bytes), and compare results with the model's."""
    inputs = {"op": [operation(name) for name in operations], "a": to_words(a), "b": to_words(b)}
    record = await play(dut, inputs, ["result", "compare"], extra_cycles=LATENCY)
    results = from_words(record["result"][LATENCY:], a[0])
    for i, mnemonic in enumerate(operations):
        expected = execute(mnemonic, CONFIG, SimdOperands(a=a[i].tobytes(), b=b[i].tobytes()))
        if expected.predicate is not None:
            predicate = record["compare"][LATENCY + i]
            assert predicate == expected.predicate, (
                f"{mnemonic} of {a[i].tobytes().hex()} and {b[i].tobytes().hex()} is {expected.predicate:#x}, not {predicate:#x}"
            )
        elif results[i].tobytes() != expected.value:
            assert expected.value is not None
            wrong = int(np.nonzero(results[i] != np.frombuffer(expected.value, np.uint8))[0][0]) // 4
            lines = (a[i].tobytes(), b[i].tobytes(), expected.value, results[i].tobytes())
            values = (int.from_bytes(line[4 * wrong : 4 * wrong + 4], "little") for line in lines)
            raise AssertionError("{} of {:#010x} and {:#010x} is {:#010x}, not {:#010x}".format(mnemonic, *values))


async def compare_all(dut: Any, operations: list[str], a: npt.NDArray[Any], b: npt.NDArray[Any]) -> None:
    """Every operation on all pairs of elements; the last line is filled up with zeros."""
    lines = []
    for elements in (a, b):
        data = elements.tobytes()
        data += bytes(-len(data) % CONFIG.line_bytes)
        lines.append(np.frombuffer(data, np.uint8).reshape(-1, CONFIG.line_bytes))
    for mnemonic in operations:
        await compare(dut, [mnemonic] * len(lines[0]), *lines)


@cocotb.test()
async def every_pair(dut: Any) -> None:
    await start(dut)
    b, a = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    await compare_all(dut, bench_parameters()["mnemonics"], a, b)


def corner_values(bits: int) -> npt.NDArray[np.uint32]:
    """Numbers around 0, powers of two, both limits, and patterns that cross bytes."""
    powers = [1 << n for n in range(bits)]
    values = {0, *powers, *(p - 1 for p in powers), *(-p for p in powers), *(p + 1 for p in powers)}
    values |= {int(pattern * 4, 16) for pattern in ("00ff", "ff00", "7f80", "807f", "5555", "aaaa")}
    return np.unique(np.array([value % (1 << bits) for value in values], np.uint32))


@cocotb.test()
async def corners(dut: Any) -> None:
    await start(dut)
    bits = bench_parameters()["bits"]
    dtype = np.uint32 if bits == 32 else np.uint16
    values = corner_values(bits).astype(dtype)
    rng = bench_rng(bits)
    # Neighbours must not matter: pairs come in an order that is not that of their values.
    b, a = (grid.ravel() for grid in np.meshgrid(values, values))
    order = rng.permutation(len(a))
    random = rng.integers(0, 1 << bits, (2, 8192), dtype)
    await compare_all(dut, mnemonics(bits), np.concatenate([a[order], random[0]]), np.concatenate([b[order], random[1]]))


@cocotb.test()
async def every_shift(dut: Any) -> None:
    await start(dut)
    rng = bench_rng()
    for bits in (8, 16, 32):
        amounts = np.repeat(np.arange(2 * bits), 64)
        # Bits above the amount do not count.
        b = amounts + bits * rng.integers(0, (1 << bits) // bits - 1, len(amounts))
        a = rng.integers(0, 1 << bits, len(b))
        order = rng.permutation(len(b))
        names = [f"{name}.i{bits}" for name in ("vsll", "vsrl", "vsra")]
        await compare_all(dut, names, *(elements[order].astype(f"<u{bits // 8}") for elements in (a, b)))


@cocotb.test()
async def any_operations(dut: Any) -> None:
    await start(dut)
    word = st.one_of(st.integers(0, 0xFFFF_FFFF), st.sampled_from(corner_values(32).tolist()))
    line = st.lists(word, min_size=SLICES, max_size=SLICES)
    one = st.tuples(st.sampled_from([*mnemonics(8, 16, 32), *BITWISE]), line, line)

    async def check(operations: list[tuple[str, list[int], list[int]]]) -> None:
        await FallingEdge(dut.clk)
        names, a, b = zip(*operations, strict=True)
        await compare(dut, list(names), np.array(a, np.uint32).view(np.uint8), np.array(b, np.uint32).view(np.uint8))

    await check_property(check, max_examples=120, operations=st.lists(one, min_size=1, max_size=8))
