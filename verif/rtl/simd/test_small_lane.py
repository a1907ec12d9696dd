# SPDX-License-Identifier: Apache-2.0
"""What the small lane computes beside floating-point numbers, against the model: integers and codes of every format."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import preset
from golden.formats import decode_codes, format_of
from golden.layout import FormatKind
from golden.simd import SimdOperands, execute
from rtl.simd.float_lane import FloatOp
from rtl.simd.operations import operation
from rtl.simd.small_float_lane import SMALL_FLOAT_LANE_CYCLES, SmallFloatLane
from verif.bench import bench_rng, from_words, play, run_bench, start, to_words
from verif.golden import vectors

CONFIG = preset("d1")
LANES = 8

LOW_SECOND = ("vmul", "vsll", "vsrl", "vsra")
BINARY = ("vadd", "vsub", "vmulh", "vmulhu", "vmin", "vmax", "vminu", "vmaxu", *LOW_SECOND)
COMPARES = ("veq", "vlt", "vltu")
BITWISE = ("vand", "vor", "vxor", "vandn")

DECODE: Any = FloatOp.DECODE

Codes = npt.NDArray[np.uint32]


class Lanes(wiring.Component):
    """Lanes side by side, with one operation for all."""

    def __init__(self) -> None:
        shared = {"op": In(5), "integer": In(1), "second": In(1), "width": In(2), "kind": In(3), "bias": In(6)}
        super().__init__(
            {**shared, "a": In(32 * LANES), "b": In(32 * LANES), "results": Out(32 * LANES), "flags": Out(8 * LANES)}
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for index in range(LANES):
            m.submodules[f"lane{index}"] = lane = SmallFloatLane()
            m.d.comb += [
                lane.op.eq(self.op),
                *(getattr(lane, name).eq(getattr(self, name)) for name in ("integer", "second", "width", "kind", "bias")),
                *(getattr(lane, name).eq(getattr(self, name).word_select(index, 32)) for name in ("a", "b")),
                self.results.word_select(index, 32).eq(lane.result),
                self.flags.word_select(index, 8).eq(lane.flags),
            ]
        return m


def run(test: str) -> None:
    __tracebackhide__ = True
    run_bench(Lanes(), tests=[test])


def test_integers_of_every_width_give_what_the_model_gives() -> None:
    run("integers")


def test_every_shift_by_every_amount_gives_what_the_model_gives() -> None:
    run("every_shift")


def test_every_code_of_8_and_16_bits_decodes() -> None:
    run("every_code")


def test_numbers_of_32_bits_stay_but_for_nan() -> None:
    run("numbers")


# ---------------------------------------------------------------------------------------------------------------------


async def results_of(dut: Any, a: Codes, b: Codes, **shared: int) -> tuple[Codes, npt.NDArray[np.uint8]]:
    """Results and flags; lanes take one operation after the other, each for two cycles."""
    count, latency = len(a), SMALL_FLOAT_LANE_CYCLES + 1
    inputs = {name: to_words(np.pad(codes, (0, -count % LANES)).reshape(-1, LANES)) for name, codes in (("a", a), ("b", b))}
    inputs = {name: [word for word in words for _ in range(2)] for name, words in inputs.items()}
    inputs["second"] = [0, 1] * (len(inputs["a"]) // 2)
    inputs |= {name: [value] * len(inputs["a"]) for name, value in shared.items()}
    record = await play(dut, inputs, ["results", "flags"], extra_cycles=latency)
    results = from_words(record["results"][latency::2], np.zeros(LANES, np.uint32)).reshape(-1)[:count]
    return results, from_words(record["flags"][latency::2], np.zeros(LANES, np.uint8)).reshape(-1)[:count]


async def check_integers(dut: Any, name: str, bits: int, a: npt.NDArray[Any], b: npt.NDArray[Any]) -> None:
    """An operation on arrays of unsigned integers of so many bits."""
    dtype = f"<u{bits // 8}"
    lines = [np.pad(each.astype(dtype), (0, -len(a) % (8 * CONFIG.line_bytes // bits))) for each in (a, b)]
    mnemonic = name if name in BITWISE else f"{name}.i{bits}"
    expected = []
    for first, second in zip(*(line.reshape(-1, 8 * CONFIG.line_bytes // bits) for line in lines), strict=True):
        answer = execute(mnemonic, CONFIG, SimdOperands(a=first.tobytes(), b=second.tobytes()))
        if answer.predicate is None:
            assert answer.value is not None
            expected.append(np.frombuffer(answer.value, dtype).astype(np.uint32))
        else:
            places = np.arange(0, CONFIG.line_bytes, bits // 8)
            expected.append(np.array([answer.predicate >> int(place) & 1 for place in places], np.uint32))
    up = np.uint32(32 - bits)
    # What stands above a second operand in the lowest bits means nothing.
    above = bench_rng(bits).integers(0, 1 << 32, len(b), np.uint32) >> np.uint32(bits - 1) << np.uint32(bits - 1) << np.uint32(1)
    seconds = b.astype(np.uint32) | above if name in LOW_SECOND else b.astype(np.uint32) << up
    op = operation(mnemonic) & 15 | (name in BITWISE) << 4
    results, flags = await results_of(dut, a.astype(np.uint32) << up, seconds, op=op, integer=1, width=bits // 16)
    results = results & np.uint32(1) if name in COMPARES else results >> up
    wrong = np.flatnonzero((results != np.concatenate(expected)[: len(a)]) | (flags != 0))
    assert not len(wrong), f"{mnemonic} of {a[wrong[0]]:#x} and {b[wrong[0]]:#x} is {results[wrong[0]]:#x}"


def values_of(bits: int) -> npt.NDArray[np.uint32]:
    """Bytes, or wider numbers around 0, powers of two, both limits, and patterns that cross bytes."""
    if bits == 8:
        return np.arange(0, 256, 3, dtype=np.uint32)
    powers = [1 << n for n in range(0, bits, 1 if bits == 16 else 2)]
    values = {0, *powers, *(p - 1 for p in powers), *(-p for p in powers), *(p + 1 for p in powers), 1 << bits - 1}
    values |= {int(pattern * 4, 16) for pattern in ("00ff", "ff00", "7f80", "807f", "5555", "aaaa")}
    return np.unique(np.array([value % (1 << bits) for value in values], np.uint32))


@cocotb.test()
async def integers(dut: Any) -> None:
    await start(dut)
    for bits in (8, 16, 32):
        values, rng = values_of(bits), bench_rng(bits)
        b, a = (grid.ravel() for grid in np.meshgrid(values, values))
        # Neighbours must not matter: pairs come in an order that is not that of their values.
        order = rng.permutation(len(a))
        random = rng.integers(0, 1 << bits, (2, 2048), np.uint32)
        a, b = (np.concatenate([each[order], more]) for each, more in zip((a, b), random, strict=True))
        for name in (*BINARY, *COMPARES, *(BITWISE if bits == 32 else ())):
            await check_integers(dut, name, bits, a, b)


@cocotb.test()
async def every_shift(dut: Any) -> None:
    await start(dut)
    rng = bench_rng()
    for bits in (8, 16, 32):
        amounts = np.repeat(np.arange(2 * bits), 32)
        # Bits above the amount do not count.
        b = (amounts + bits * rng.integers(0, (1 << bits) // bits - 1, len(amounts))).astype(np.uint32)
        a = rng.integers(0, 1 << bits, len(b), np.uint32)
        order = rng.permutation(len(b))
        for name in ("vsll", "vsrl", "vsra"):
            await check_integers(dut, name, bits, a[order], b[order])


async def check_codes(dut: Any, kind: FormatKind, bias: int, codes: Codes) -> None:
    fmt = format_of(kind, bias)
    up = np.uint32(32 - fmt.bits)
    values, flags = decode_codes(codes.astype(fmt.dtype), fmt)
    decoded = await results_of(dut, codes << up, np.full_like(codes, 0x7F80_0001), op=DECODE.value, kind=kind, bias=bias)
    wrong = np.flatnonzero((decoded[0] != values) | (decoded[1] != flags))
    assert not len(wrong), f"{kind.name} {codes[wrong[0]]:#x} with bias {bias} is {decoded[0][wrong[0]]:#x}"


@cocotb.test()
async def every_code(dut: Any) -> None:
    await start(dut)
    for kind in (FormatKind.CFP8_143, FormatKind.CFP8_152):
        for bias in range(64):
            await check_codes(dut, kind, bias, np.arange(1 << 8, dtype=np.uint32))
    codes = np.arange(1 << 16, dtype=np.uint32)
    for kind, bias in ((FormatKind.SHP, 0), (FormatKind.SHP, 63), (FormatKind.UHP, 9), (FormatKind.BF16, 42)):
        await check_codes(dut, kind, bias, codes)


@cocotb.test()
async def numbers(dut: Any) -> None:
    await start(dut)
    random = bench_rng().integers(0, 1 << 32, 1000, np.uint32)
    for bias in (0, 63):
        await check_codes(dut, FormatKind.FP32, bias, np.append(np.array(vectors.FP32_CORNERS, np.uint32), random))
