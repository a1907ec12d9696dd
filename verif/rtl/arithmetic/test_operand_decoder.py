# SPDX-License-Identifier: Apache-2.0
"""The operand decoder, on every BF16 code."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer

from rtl.arithmetic.operand import EXPONENT_OFFSET, ZERO_EXPONENT, Operand, OperandDecoder
from verif.bench import run_bench, to_words

COUNT = 64


def test_every_code_decodes_to_its_value_with_a_normalised_significand() -> None:
    run_bench(OperandDecoder(COUNT))


@cocotb.test()
async def every_code(dut: Any) -> None:
    codes = np.arange(1 << 16, dtype=np.uint16)
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

    values = (codes.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
    np.testing.assert_array_equal(field("sign"), codes >> 15)
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
