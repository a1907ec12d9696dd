# SPDX-License-Identifier: Apache-2.0
"""Selection of one of many values by flip-flops."""

from functools import reduce
from operator import or_

from amaranth.hdl import Module, Signal, Value, ValueLike

__all__ = ["Selection"]


class Selection:
    """One of many values, chosen in one cycle, sampled in it, and there for one cycle two cycles later; 0 if none is chosen.

    Every value has a register, which is held at 0 unless the value is chosen, by the wire that an FPGA's flip-flops share for
    that: less logic than a selector, since all that is left is to or these registers.

    Parameters
    ----------
    m : Module
        Where the registers are.
    bits : int
        Bits of the result.
    """

    def __init__(self, m: Module, bits: int):
        self._m, self._bits = m, bits
        self._shown: list[Value] = []

    def add(self, hidden: ValueLike, value: ValueLike) -> None:
        """Another value, chosen where ``hidden`` is clear."""
        shown = Signal(Value.cast(value).shape(), reset_less=True)
        with self._m.If(hidden):
            self._m.d.sync += shown.eq(0)
        with self._m.Else():
            self._m.d.sync += shown.eq(value)
        self._shown.append(shown)

    def join(self, shown: ValueLike) -> None:
        """Another value, which is there one cycle later if it is chosen, and 0 otherwise."""
        self._shown.append(Value.cast(shown))

    def result(self) -> Signal:
        """What is chosen, of the values so far."""
        result = Signal(self._bits, reset_less=True)
        self._m.d.sync += result.eq(self.shown())
        return result

    def shown(self) -> Value:
        """What is chosen, one cycle later."""
        return reduce(or_, self._shown)
