# SPDX-License-Identifier: Apache-2.0
"""The codes of a matrix step's tile, out of a line."""

from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.layout import FormatKind
from rtl.arithmetic.operand import OPERAND_KIND_BITS

__all__ = ["TileSelect"]


class TileSelect(wiring.Component):
    """A line as codes of 16 bits: BF16 fills it, of formats of 8 bits it holds two tiles. Without a register.

    Parameters
    ----------
    count : int
        Codes of a tile, half the bytes of a line.

    Members
    -------
    tiles : In(16 * count)   the line
    kind : In(2)             FormatKind BF16, CFP8_143 or CFP8_152
    half : In(1)             of formats of 8 bits: which half of the line is the tile
    codes : Out(count x 16)  upper bytes mean nothing in formats of 8 bits
    """

    def __init__(self, count: int):
        self.count = count
        super().__init__(
            {
                "tiles": In(16 * count),
                "kind": In(OPERAND_KIND_BITS),
                "half": In(1),
                "codes": Out(data.ArrayLayout(16, count)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        small = (self.kind == FormatKind.CFP8_143) | (self.kind == FormatKind.CFP8_152)
        tile = Mux(self.half, self.tiles[8 * self.count :], self.tiles[: 8 * self.count])
        for index in range(self.count):
            wide = self.tiles.word_select(index, 16)
            m.d.comb += self.codes[index].eq(Cat(Mux(small, tile.word_select(index, 8), wide[:8]), wide[8:]))
        return m
