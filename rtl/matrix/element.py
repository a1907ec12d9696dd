# SPDX-License-Identifier: Apache-2.0
"""One element of the matrix unit: four products and an addition per cycle, and the element's accumulators."""

from amaranth.hdl import Module, Mux
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.config import MATRIX_K
from rtl.arithmetic.dot4 import Dot4
from rtl.arithmetic.fp32_add import Fp32Add
from rtl.arithmetic.operand import Operand

__all__ = ["MatrixElement"]


class MatrixElement(wiring.Component):
    """``accumulators[entry] += a . b`` for one element of the result, one step per cycle.

    All control comes from the array, at the stage where it is used. With operands entering in cycle t: the accumulator is
    read in cycle t + 4, when ``step_entry`` and ``step_zero`` must be there, and written at the end of cycle t + 5, when
    ``write``, ``write_entry``, ``load`` and ``load_data`` must be there.

    Parameters
    ----------
    entries : int
        Accumulators, at least 1.

    Members
    -------
    a, b : In(4 x Operand)
    step_entry : In(entry)
    step_zero : In(1)         add to +0 instead of to the accumulator
    write : In(1)
    write_entry : In(entry)
    load : In(1)              write ``load_data`` instead of the sum
    load_data : In(32)
    read_entry : In(entry)
    read_data : Out(32)       of ``read_entry`` of the cycle before
    """

    def __init__(self, entries: int):
        self.entries = entries
        operands = data.ArrayLayout(Operand, MATRIX_K)
        entry = max(1, (entries - 1).bit_length())
        super().__init__(
            {
                "a": In(operands),
                "b": In(operands),
                "step_entry": In(entry),
                "step_zero": In(1),
                "write": In(1),
                "write_entry": In(entry),
                "load": In(1),
                "load_data": In(32),
                "read_entry": In(entry),
                "read_data": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.dot = dot = Dot4()
        m.submodules.adder = adder = Fp32Add()
        # An address of one bit needs two words.
        m.submodules.accumulators = accumulators = Memory(shape=32, depth=max(2, self.entries), init=[])
        write_port = accumulators.write_port()
        step_port = accumulators.read_port(domain="comb")
        read_port = accumulators.read_port()
        m.d.comb += [
            dot.a.eq(self.a),
            dot.b.eq(self.b),
            step_port.addr.eq(self.step_entry),
            adder.x.eq(Mux(self.step_zero, 0, step_port.data)),
            adder.y.eq(dot.sum),
            write_port.en.eq(self.write),
            write_port.addr.eq(self.write_entry),
            write_port.data.eq(Mux(self.load, self.load_data, adder.sum)),
            read_port.addr.eq(self.read_entry),
            self.read_data.eq(read_port.data),
        ]
        return m
