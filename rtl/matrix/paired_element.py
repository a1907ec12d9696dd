# SPDX-License-Identifier: Apache-2.0
"""A unit of a matrix array of many passes: two products per cycle, and the accumulators of the elements that it serves."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.arithmetic.alternating_sum import ADDEND_CYCLES, OTHER_CYCLES, RESULT_CYCLES, AlternatingSum
from rtl.arithmetic.operand import FLOOR_BITS, Operand
from rtl.arithmetic.pair_sum import PAIR, PAIR_SUM_CYCLES, PairSum
from rtl.matrix.element import SMALLEST_MEMORY

__all__ = ["LOAD_CYCLES", "READ_CYCLES", "WRITE_CYCLES", "PairedElement"]

#: Cycles from the first operands to the one in which their accumulator is read, to the one in which it is told what replaces the
#: sum, and to the one at whose end it is written.
READ_CYCLES, LOAD_CYCLES, WRITE_CYCLES = (PAIR_SUM_CYCLES + cycles for cycles in (ADDEND_CYCLES, OTHER_CYCLES, RESULT_CYCLES))


class PairedElement(wiring.Component):
    """``accumulators[turn, entry] += a . b`` for several elements of the result, each of them in two cycles.

    All control comes from the array, at the stage where it is used. So many cycles after the first operands of an element as
    ``READ_CYCLES`` says, ``step_address`` and ``step_zero`` must be there, after ``LOAD_CYCLES`` ``counts`` and ``load_data``,
    and after ``WRITE_CYCLES`` ``write`` and ``write_address``. Addresses are entry * passes + turn.

    Accumulators are kept three times at most: sums need one of any turn at once; reads need those of all turns in the same cycle,
    or words one by one.

    Parameters
    ----------
    entries : int
        Accumulators of an element, at least 1.
    passes : int
        Elements served in turn, a power of two.
    reads_words : bool
        Words can be read one by one.

    Members
    -------
    second : In(1)              toggles in every cycle
    a, b : In(2 x Operand)      two products of the element in a cycle with ``second`` clear, two in the next one; without offsets
    floor : In(10)              beside them, the lowest exponent, as of ``operand_floor``
    step_address : In(address)
    step_zero : In(1)           add to +0 instead of to the accumulator
    counts : In(1)              unless set, ``load_data`` is written instead of the sum; 0 if set
    load_data : In(32)
    write : In(passes)          which turn's accumulator is written, or none
    write_address : In(address)
    read_entry : In(entry)
    read_data : Out(32 * passes)   of ``read_entry`` of the cycle before, turn 0 lowest
    word_address : In(address), word : Out(32)   if ``reads_words``; of the address of the cycle before
    """

    def __init__(self, entries: int, passes: int, *, reads_words: bool = False):
        self.passes = passes
        self.reads_words = reads_words
        # An address of one bit needs two words.
        self.entry_bits = max(1, (entries - 1).bit_length())
        operands = data.ArrayLayout(Operand, PAIR)
        address = self.entry_bits + exact_log2(passes)
        super().__init__(
            {
                "second": In(1),
                "a": In(operands),
                "b": In(operands),
                "floor": In(FLOOR_BITS),
                "step_address": In(address),
                "step_zero": In(1),
                "counts": In(1),
                "load_data": In(32),
                "write": In(passes),
                "write_address": In(address),
                "read_entry": In(self.entry_bits),
                "read_data": Out(32 * passes),
            }
            | ({"word_address": In(address), "word": Out(32)} if reads_words else {})
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.products = products = PairSum()
        m.submodules.sums = sums = AlternatingSum()
        # Words that are never written stay zero; there are some if the smallest memory is not used up.
        depth = 1 << len(self.step_address)
        has_zeros = 2 * depth <= SMALLEST_MEMORY
        m.submodules.accumulators = accumulators = Memory(shape=32, depth=2 * depth if has_zeros else depth, init=[])
        step_port, write_port = accumulators.read_port(domain="comb"), accumulators.write_port()
        m.d.comb += [
            products.second.eq(self.second),
            products.a.eq(self.a),
            products.b.eq(self.b),
            products.floor.eq(self.floor),
            step_port.addr.eq(Cat(self.step_address, self.step_zero) if has_zeros else self.step_address),
            sums.second.eq(self.second),
            sums.total.eq(products.total),
            sums.missing.eq(products.missing),
            sums.limit.eq(products.limit),
            sums.special.eq(products.special),
            sums.addend.eq(step_port.data if has_zeros else Mux(self.step_zero, 0, step_port.data)),
            sums.counts.eq(self.counts),
            sums.other.eq(self.load_data),
            write_port.en.eq(self.write.any()),
            write_port.addr.eq(self.write_address),
            write_port.data.eq(sums.result),
        ]

        def copy(name, depth, enable, address, read_address):
            """The word of another memory that is written alike; nobody reads what is being written."""
            memory = Memory(shape=32, depth=depth, init=[], attrs={"ram_style": "block", "no_rw_check": 1})
            m.submodules[name] = memory
            read, write = memory.read_port(), memory.write_port()
            m.d.comb += [
                write.en.eq(enable),
                write.addr.eq(address),
                write.data.eq(sums.result),
                read.addr.eq(read_address),
            ]
            return read.data

        if self.reads_words:
            m.d.comb += self.word.eq(copy("words", depth, write_port.en, self.write_address, self.word_address))
        entry = self.write_address[-self.entry_bits :]
        for turn in range(self.passes):
            word = Signal(32, name=f"word{turn}")
            m.d.comb += [
                word.eq(copy(f"turn{turn}", 1 << self.entry_bits, self.write[turn], entry, self.read_entry)),
                self.read_data.word_select(turn, 32).eq(word),
            ]
        return m
