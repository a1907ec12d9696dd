# SPDX-License-Identifier: Apache-2.0
"""Bits of operands and of quotients, one after the other, against Python's integers."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rtl.sequential.multiply_divide import MultiplyDivide
from verif.rtl.core.m_oracle import operands, read
from verif.rtl.simulate import Simulation, property_settings

SIMULATION = Simulation(MultiplyDivide())
#: funct3 of low half, high halves of signed, mixed, unsigned; signed and unsigned quotients and remainders.
MULTIPLICATIONS, HIGH_HALVES, DIVISIONS = (0, 1, 2, 3), (1, 2, 3), (4, 5, 6, 7)


async def begin(context: Any, unit: Any, funct3: int, word: bool, rs1: int, divisor: int = 1) -> None:
    """The instruction is taken up, its divisor is looked at, and the first bit is there."""
    divides = funct3 in DIVISIONS
    context.set(unit.insn, funct3 << 12)
    context.set(unit.decoded, {"multiply": not divides, "divide": divides, "word": word})
    context.set(unit.rs1, rs1)
    for strobes in (("begin", "reset"), ("look", "advance")):
        context.set(unit.carry, divisor == 0)
        context.set(unit.b_sign, read(divisor, 32 if word else 64, True) < 0)
        await strobe(context, unit, *strobes)


async def strobe(context: Any, unit: Any, *names: str) -> None:
    for name in names:
        context.set(getattr(unit, name), 1)
    await context.tick()
    for name in names:
        context.set(getattr(unit, name), 0)


async def bits(context: Any, unit: Any) -> list[int]:
    """All bits that it shows, from the one on that is there."""
    found = []
    while True:
        found.append(int(context.get(unit.bit)))
        if context.get(unit.last):
            return found
        await strobe(context, unit, "advance")


def as_bits(value: int, count: int) -> list[int]:
    """From the highest one on."""
    return [value >> place & 1 for place in reversed(range(count))]


@property_settings(100)
@given(st.lists(st.tuples(st.sampled_from((*MULTIPLICATIONS, *DIVISIONS)), st.booleans(), operands(64)), min_size=1, max_size=3))
def test_bits_come_in_the_order_in_which_they_are_needed_and_are_those_of_the_magnitude(cases: list[Any]) -> None:
    unit = SIMULATION.component

    async def check(context: Any) -> None:
        for funct3, word, rs1 in cases:
            word &= funct3 not in HIGH_HALVES
            count = 32 if word else 64
            await begin(context, unit, funct3, word, rs1)
            number = read(rs1, count, funct3 in (4, 6))
            assert context.get(unit.high) == (funct3 in HIGH_HALVES)
            if number < 0:
                assert context.get(unit.bit)
                await strobe(context, unit, "negate", "begin")
                for place in range(64):
                    context.set(unit.scan, 1)
                    assert context.get(unit.ends) == (place == 63)
                    await strobe(context, unit, "advance", *(["begin"] if place == 63 else []))
                context.set(unit.scan, 0)
                await strobe(context, unit, "advance")
            assert context.get(unit.negative) == (number < 0)
            expected = as_bits(abs(number), count)
            assert await bits(context, unit) == (expected[::-1] if funct3 in HIGH_HALVES else expected)

    SIMULATION.run(check)


@property_settings(60)
@given(word=st.booleans(), funct3=st.sampled_from(DIVISIONS), divisor=operands(64), quotient=st.integers(0, 2**64 - 1))
def test_a_quotient_comes_out_as_it_went_in_or_as_its_complement(word: bool, funct3: int, divisor: int, quotient: int) -> None:
    unit = SIMULATION.component
    count = 32 if word else 64
    divisor = read(divisor, count, funct3 in (4, 6))

    async def check(context: Any) -> None:
        await begin(context, unit, funct3, word, 5, divisor)
        assert context.get(unit.by_zero) == (divisor == 0)
        assert context.get(unit.subtracts) == (divisor >= 0)
        assert context.get(unit.increments) == (divisor < 0 and funct3 == 4)
        for bit in as_bits(quotient, count):
            context.set(unit.fits, bit)
            await strobe(context, unit, "push")
        seen = []
        for _ in range(count):
            seen.append(int(context.get(unit.quotient)))
            await strobe(context, unit, "push")
        assert seen == as_bits(quotient if divisor >= 0 else ~quotient, count)

    SIMULATION.run(check)
