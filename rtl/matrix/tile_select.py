# SPDX-License-Identifier: Apache-2.0
"""The codes of a matrix step's tile, out of a line."""

from amaranth.hdl import Array, Cat, Module, Mux
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import MATRIX_K
from golden.layout import FormatKind
from rtl.arithmetic.operand import OPERAND_KIND_BITS

__all__ = ["TileSelect"]


class TileSelect(wiring.Component):
    """A group of rows or columns of a tile as codes of 16 bits: BF16 fills the line, of formats of 8 bits it holds two tiles.
    Without a register.

    Parameters
    ----------
    size : int
        Rows or columns of the tile, an eighth of the bytes of a line.
    groups : int
        Groups of equal size.
    by_column : bool
        The tile is 4 x ``size``, row-major, and a group has columns of it; else it is ``size`` x 4, and a group has rows.
    halved : bool
        Only the half of the line in which the group lies is given; so may be rows, if there are several groups.

    Members
    -------
    tiles : In(64 * size)    the line; or half of it, 32 * size
    kind : In(2)             FormatKind BF16, CFP8_143 or CFP8_152
    half : In(1)             of formats of 8 bits: which half of the line is the tile, if all is given
    group : In(group)
    codes : Out(4 * size / groups x 16)   row by row, or column by column; upper bytes mean nothing in formats of 8 bits
    """

    def __init__(self, size: int, groups: int, *, by_column: bool = False, halved: bool = False):
        self.size = size
        self.groups = groups
        self.by_column = by_column
        self.halved = halved
        super().__init__(
            {
                "tiles": In(32 * size if halved else 64 * size),
                "kind": In(OPERAND_KIND_BITS),
                "half": In(1),
                "group": In(range(groups)),
                "codes": Out(data.ArrayLayout(16, MATRIX_K * size // groups)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        size, per_group = self.size, self.size // self.groups
        small = (self.kind == FormatKind.CFP8_143) | (self.kind == FormatKind.CFP8_152)

        def of_group(index, bits, line):
            """A code of the group that is chosen."""
            vector, k = divmod(index, MATRIX_K)
            places = []
            for group in range(self.groups):
                number = group * per_group + vector
                places.append(k * size + number if self.by_column else number * MATRIX_K + k)
            return Array(line.word_select(place, bits) for place in places)[self.group]

        for index in range(len(self.codes)):
            if self.halved:
                wide, narrow = of_group(index, 16, self.tiles.replicate(2)), of_group(index, 8, self.tiles)
            else:
                lower, upper = (of_group(index, 8, half) for half in (self.tiles[: 32 * size], self.tiles[32 * size :]))
                wide, narrow = of_group(index, 16, self.tiles), Mux(self.half, upper, lower)
            m.d.comb += self.codes[index].eq(Cat(Mux(small, narrow, wide[:8]), wide[8:]))
        return m
