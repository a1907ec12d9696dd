# SPDX-License-Identifier: Apache-2.0
"""Selection of one of many registers by its number."""

from collections.abc import Mapping

from amaranth.hdl import Cat, Module, Signal, Value, ValueLike

__all__ = ["select_register"]

_BITS = 64


def select_register(m: Module, number: Value, registers: Mapping[int, ValueLike], gates: bool) -> tuple[Signal, Signal]:
    """The register of that number, in 64 bits, 0 if there is none; and whether there is one.

    ``gates`` asks for gates instead of a selector, all that is not chosen shows 0: less logic in an FPGA, but more work
    for a simulator.
    """
    value, found = Signal(_BITS), Signal()
    if gates:
        # Wires of their own keep synthesis from working out every bit from the number.
        chosen = Signal(len(registers))
        shown: Value | int = 0
        for choice, register in zip(chosen, registers.values(), strict=True):
            register = Value.cast(register)
            shown |= register & choice.replicate(len(register))
        m.d.comb += [
            chosen.eq(Cat(number == register for register in registers)),
            value.eq(shown),
            found.eq(chosen.any()),
        ]
    else:
        with m.Switch(number):
            for key, register in registers.items():
                with m.Case(key):
                    m.d.comb += [value.eq(register), found.eq(1)]
    return value, found
