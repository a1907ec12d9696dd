# SPDX-License-Identifier: Apache-2.0
"""A unit of the matrix array: four products and an addition per cycle, and the accumulators of the elements that it serves."""

from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.config import MATRIX_K
from rtl.arithmetic.dot4 import Dot4, dot4_cycles
from rtl.arithmetic.fp32_add import FP32_ADD_CYCLES, Fp32Add
from rtl.arithmetic.operand import Operand

__all__ = ["SMALLEST_MEMORY", "MatrixElement", "element_cycles"]

#: Words of a memory of lookup tables, at least.
SMALLEST_MEMORY = 16


def element_cycles(passes: int) -> tuple[int, int]:
    """Cycles from operands to the one in which their accumulator is read, and to the one at whose end it is written."""
    step = dot4_cycles(small=passes > 1)
    return step, step + FP32_ADD_CYCLES


class MatrixElement(wiring.Component):
    """``accumulators[turn, entry] += a . b`` for one or more elements of the result, one of them per cycle.

    All control comes from the array, at the stage where it is used. So many cycles after the operands as ``element_cycles``
    says, the accumulator is read, when ``step_address`` and ``step_zero`` must be there, and at the end of another it is
    written, when ``write``, ``write_address``, ``load``, ``clear`` and ``load_data`` must be there. Addresses are entry *
    passes + turn.

    Accumulators are kept twice: steps find those of all turns in one memory, since they need one per cycle; reads need
    those of all turns in the same cycle.

    Parameters
    ----------
    entries : int
        Accumulators of an element, at least 1.
    passes : int
        Elements served in turn, 1 or 2. If there are two, the products are made of fewer lookup tables and have more stages.

    Members
    -------
    a, b : In(4 x Operand)
    step_address : In(address)
    step_zero : In(1)           add to +0 instead of to the accumulator
    write : In(passes)          which turn's accumulator is written, or none
    write_address : In(address)
    load, clear : In(1)         write ``load_data`` or zero instead of the sum
    load_data : In(32)
    read_entry : In(entry)
    read_data : Out(32 * passes)   of ``read_entry`` of the cycle before, turn 0 lowest
    """

    def __init__(self, entries: int, passes: int):
        self.passes = passes
        # An address of one bit needs two words.
        self.entry_bits = max(1, (entries - 1).bit_length())
        operands = data.ArrayLayout(Operand, MATRIX_K)
        address = self.entry_bits + (passes - 1).bit_length()
        super().__init__(
            {
                "a": In(operands),
                "b": In(operands),
                "step_address": In(address),
                "step_zero": In(1),
                "write": In(passes),
                "write_address": In(address),
                "load": In(1),
                "clear": In(1),
                "load_data": In(32),
                "read_entry": In(self.entry_bits),
                "read_data": Out(32 * passes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.dot = dot = Dot4(small=self.passes > 1)
        m.submodules.adder = adder = Fp32Add()
        # Words that are never written stay zero; there are some if the smallest memory is not used up.
        depth = 1 << len(self.step_address)
        has_zeros = 2 * depth <= SMALLEST_MEMORY
        m.submodules.accumulators = accumulators = Memory(shape=32, depth=2 * depth if has_zeros else depth, init=[])
        step_port, write_port = accumulators.read_port(domain="comb"), accumulators.write_port()
        m.d.comb += [
            dot.a.eq(self.a),
            dot.b.eq(self.b),
            step_port.addr.eq(Cat(self.step_address, self.step_zero) if has_zeros else self.step_address),
            adder.x.eq(step_port.data if has_zeros else Mux(self.step_zero, 0, step_port.data)),
            adder.y.eq(dot.sum),
            write_port.en.eq(self.write.any()),
            write_port.addr.eq(self.write_address),
            write_port.data.eq(Mux(self.clear, 0, Mux(self.load, self.load_data, adder.sum))),
        ]
        # Small configurations have memory blocks to spare. Nobody reads what is being written.
        attributes = {"ram_style": "block", "no_rw_check": 1} if self.passes > 1 else {}
        for turn in range(self.passes):
            memory = Memory(shape=32, depth=1 << self.entry_bits, init=[], attrs=attributes)
            m.submodules[f"turn{turn}"] = memory
            read_port, copy_port = memory.read_port(), memory.write_port()
            m.d.comb += [
                copy_port.en.eq(self.write[turn]),
                copy_port.addr.eq(self.write_address[-self.entry_bits :]),
                copy_port.data.eq(write_port.data),
                read_port.addr.eq(self.read_entry),
                self.read_data.word_select(turn, 32).eq(read_port.data),
            ]
        return m
