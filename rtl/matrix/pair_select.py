# SPDX-License-Identifier: Apache-2.0
"""Two codes of each row or column of a matrix step's tile, out of a line."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.arithmetic.pair_sum import PAIR

__all__ = ["ColumnPairSelect", "RowPairSelect"]


class _PairSelect(wiring.Component):
    def __init__(self, size: int, groups: int, members: dict):
        self.size = size
        self.groups = groups
        super().__init__(
            {
                "line": In(64 * size),
                "narrow": In(1),
                "half": In(1),
                "group": In(range(groups)),
                "second": In(1),
                "codes": Out(data.ArrayLayout(16, PAIR * size // groups)),
            }
            | members
        )

    def _number(self, index):
        """The row or column that is this one of its group."""
        return Cat(Const(index, exact_log2(self.size // self.groups)), self.group[: exact_log2(self.groups)])


class RowPairSelect(_PairSelect):
    """A pair of codes of each row of a group, as codes of 16 bits. Without a register.

    A line has two slots of 32 bits for each row of BF16, or one slot for each row of the two tiles of 8-bit codes.

    Parameters
    ----------
    size : int
        Rows of the tile, an eighth of the bytes of a line.
    groups : int
        Groups of equal size.

    Members
    -------
    line : In(64 * size)
    narrow : In(1)   codes of 8 bits
    half : In(1)     which tile of these
    group : In(group)
    second : In(1)   the last two codes of the rows instead of the first two
    loads : In(1), slot : In     a slot of the line is wanted instead
    codes : Out(2 * size / groups x 16)   row by row; upper bytes mean nothing in formats of 8 bits
    loaded : Out(32) that slot
    """

    def __init__(self, size: int, groups: int):
        super().__init__(size, groups, {"loads": In(1), "slot": In(range(2 * size)), "loaded": Out(32)})

    def elaborate(self, platform):
        m = Module()
        slots = Array(self.line.word_select(slot, 32) for slot in range(2 * self.size))
        for vector in range(self.size // self.groups):
            row = self._number(vector)
            number, slot = Signal.like(self.slot, name=f"number{vector}"), Signal(32, name=f"slot{vector}")
            m.d.comb += [
                number.eq(Mux(self.narrow, Cat(row, self.half), Cat(self.second, row))),
                slot.eq(slots[number]),
            ]
            if vector == 0:
                with m.If(self.loads):
                    m.d.comb += number.eq(self.slot)
                m.d.comb += self.loaded.eq(slot)
            for index in range(PAIR):
                lower, upper = (slot.word_select(2 * index + byte, 8) for byte in range(2))
                narrow = Mux(self.second, slot.word_select(2 + index, 8), slot.word_select(index, 8))
                m.d.comb += self.codes[PAIR * vector + index].eq(Cat(Mux(self.narrow, narrow, lower), upper))
        return m


class ColumnPairSelect(_PairSelect):
    """A pair of codes of each column of a group, as codes of 16 bits. Without a register.

    A line has the tile row by row: half of it has two rows of BF16, or all four of a tile of 8-bit codes.

    Parameters
    ----------
    size : int
        Columns of the tile, an eighth of the bytes of a line.
    groups : int
        Groups of equal size.

    Members
    -------
    line, narrow, half, group, second, codes   as of :class:`RowPairSelect`, of columns
    """

    def __init__(self, size: int, groups: int):
        super().__init__(size, groups, {})

    def elaborate(self, platform):
        m = Module()
        size = self.size
        rows = Signal(32 * size)
        m.d.comb += rows.eq(Mux(Mux(self.narrow, self.half, self.second), self.line[len(rows) :], self.line[: len(rows)]))
        for vector in range(size // self.groups):
            column = self._number(vector)
            for index in range(PAIR):
                wide = Array(rows[16 * index * size :][: 16 * size].word_select(number, 16) for number in range(size))
                codes = [rows[8 * k * size :][: 8 * size] for k in (index, PAIR + index)]
                narrow = Array(code.word_select(number, 8) for code in codes for number in range(size))
                chosen = wide[column]
                m.d.comb += self.codes[PAIR * vector + index].eq(
                    Cat(Mux(self.narrow, narrow[Cat(column, self.second)], chosen[:8]), chosen[8:])
                )
        return m
