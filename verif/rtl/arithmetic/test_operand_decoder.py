# SPDX-License-Identifier: Apache-2.0
"""The operand decoder, on every code of every format and bias."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer

from golden.formats import decode, format_of
from golden.layout import FormatKind
from rtl.arithmetic.operand import EXPONENT_OFFSET, ZERO_EXPONENT, Operand, OperandDecoder
from verif.bench import bench_rng, run_bench, to_words

COUNT = 16


def test_every_code_decodes_to_its_value_with_a_normalised_significand() -> None:
    run_bench(OperandDecoder(COUNT))


@cocotb.test()
async def every_code(dut: Any) -> None:
    # The bias means nothing to BF16, nor the upper byte to the others.
    for bias in (0, 63):
        await check(dut, np.arange(1 << 16, dtype=np.uint16), FormatKind.BF16, bias)
    above = bench_rng().integers(0, 256, 256, dtype=np.uint16) << np.uint16(8)
    for kind in (FormatKind.CFP8_143, FormatKind.CFP8_152):
        for bias in range(64):
            await check(dut, np.arange(256, dtype=np.uint16) | above, kind, bias)


async def check(dut: Any, codes: np.ndarray[Any, Any], kind: FormatKind, bias: int) -> None:
    dut.kind.value = kind.value
    dut.bias.value = bias
    layout = Operand.as_shape()
    bits = []
    for word in to_words(codes.reshape(-1, COUNT)):
        dut.codes.value = word
        await Timer(1, "ns")
        bits.append(str(dut.operands.value)[::-1])
    decoded = np.frombuffer("".join(bits).encode(), np.uint8).reshape(len(codes), layout.size).astype(np.int64) & 1

    def field(name: str) -> np.ndarray[Any, Any]:
        place = layout[name]
        return decoded[:, place.offset : place.offset + place.width] @ (1 << np.arange(place.width))

    fmt = format_of(kind, bias)
    own = codes.astype(fmt.dtype)
    values = decode(own, fmt).astype(np.float64)
    np.testing.assert_array_equal(field("sign"), own >> (fmt.bits - 1))
    np.testing.assert_array_equal(field("nan"), np.isnan(values))
    np.testing.assert_array_equal(field("infinite"), np.isinf(values))
    np.testing.assert_array_equal(field("zero"), values == 0)

    exponent, significand = (field("exponent") ^ 0x100) - 0x100, field("significand")
    assert (exponent[values == 0] == ZERO_EXPONENT).all()
    assert (significand[values == 0] == 0).all()
    numbers = np.isfinite(values) & (values != 0)
    assert (significand[numbers] >= 128).all()
    np.testing.assert_array_equal(
        np.ldexp(significand[numbers] / 128, exponent[numbers] - EXPONENT_OFFSET), np.abs(values[numbers])
    )
