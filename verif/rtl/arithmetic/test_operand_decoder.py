# SPDX-License-Identifier: Apache-2.0
"""The operand decoder, on every code of every format and bias."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring

from golden.formats import decode, format_of
from golden.layout import FormatKind
from rtl.arithmetic.operand import EXPONENT_OFFSET, ZERO_EXPONENT, Operand, OperandDecoder, OperandTable
from verif.bench import bench_parameters, bench_rng, play, run_bench, start, to_words

COUNT = 16


class Registered(wiring.Component):
    """A decoder before a register."""

    def __init__(self, decoder: Any) -> None:
        self.decoder = decoder
        super().__init__(dict(decoder.signature.members.items()))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.decoder = decoder = self.decoder
        m.d.comb += [decoder.codes.eq(self.codes), decoder.kind.eq(self.kind), decoder.bias.eq(self.bias)]
        m.d.sync += self.operands.eq(decoder.operands)
        return m


@pytest.mark.parametrize("decoder, cycles", [(OperandDecoder, 0), (OperandTable, 1)], ids=["logic", "table"])
def test_every_code_decodes_to_its_value_with_a_normalised_significand(decoder: Any, cycles: int) -> None:
    run_bench(Registered(decoder(COUNT)), parameters={"cycles": cycles})


@cocotb.test()
async def every_code(dut: Any) -> None:
    await start(dut)
    # The bias means nothing to BF16, nor the upper byte to the others.
    formats = [(FormatKind.BF16, 0), (FormatKind.BF16, 63)]
    formats += [(kind, bias) for kind in (FormatKind.CFP8_143, FormatKind.CFP8_152) for bias in range(64)]
    above = bench_rng().integers(0, 256, 256, dtype=np.uint16) << np.uint16(8)
    batches = [
        np.arange(1 << 16, dtype=np.uint16) if kind is FormatKind.BF16 else np.arange(256, dtype=np.uint16) | above
        for kind, _ in formats
    ]
    inputs: dict[str, list[int]] = {"codes": [], "kind": [], "bias": []}
    for (kind, bias), codes in zip(formats, batches, strict=True):
        words = to_words(codes.reshape(-1, COUNT))
        inputs["codes"] += words
        inputs["kind"] += [kind.value] * len(words)
        inputs["bias"] += [bias] * len(words)
    latency = 1 + bench_parameters()["cycles"]
    record = (await play(dut, inputs, ["operands"], extra_cycles=latency))["operands"][latency:]
    for (kind, bias), codes in zip(formats, batches, strict=True):
        count = len(codes) // COUNT
        check(codes, record[:count], kind, bias)
        record = record[count:]


def check(codes: np.ndarray[Any, Any], words: list[int], kind: FormatKind, bias: int) -> None:
    """Operands are those of the codes."""
    layout = Operand.as_shape()
    bits = "".join(format(word, f"0{COUNT * layout.size}b")[::-1] for word in words)
    decoded = np.frombuffer(bits.encode(), np.uint8).reshape(len(codes), layout.size).astype(np.int64) & 1

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
    assert (exponent[values == 0] <= ZERO_EXPONENT).all()
    assert (significand[values == 0] == 0).all()
    numbers = np.isfinite(values) & (values != 0)
    assert (significand[numbers] >= 128).all()
    np.testing.assert_array_equal(
        np.ldexp(significand[numbers] / 128, exponent[numbers] - EXPONENT_OFFSET), np.abs(values[numbers])
    )
