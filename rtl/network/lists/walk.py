# SPDX-License-Identifier: Apache-2.0
"""One step of the walk through a list."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.layout import LIST_COUNT_BITS, LIST_DIMENSIONS, LIST_STRIDE_BITS, Port
from rtl.network.lists.layouts import POSITION_BITS, ListLayout, PositionLayout

__all__ = ["Walk", "first_position"]


def first_position(m, position, description):
    """Make ``position`` that of a list's first granule, combinationally."""
    for name, end in (("sources", description.source), ("destinations", description.destination)):
        # In a node bits 50 to 63 of the address are no part of the offset.
        base = Cat(end.offset, Mux(end.exit == Port.LOCAL, 0, end.upper))
        m.d.comb += [getattr(position, name)[dimension].eq(base) for dimension in range(LIST_DIMENSIONS)]
    m.d.comb += [position.indices[dimension].eq(0) for dimension in range(LIST_DIMENSIONS)]


class Walk(wiring.Component):
    """Says which granule comes at a position, and which position is next, without a register.

    At the source a dimension stands still where a step would come from padding or lead to it. So offsets of padding are those
    of a granule beside it, and need not exist; the source address is that of the first valid granule.

    Members
    -------
    description : In(ListLayout), position : In(PositionLayout)
    source, destination : Out(36), offsets of the granule; the highest bit is set if they are outside of 35 bits
    padding : Out(1), nothing is to be read for it
    last : Out(1), it is the list's last
    following : Out(PositionLayout), of the next granule; means nothing with ``last``
    following_padding : Out(1), nothing is to be read for that one
    """

    def __init__(self):
        super().__init__(
            {
                "description": In(ListLayout()),
                "position": In(PositionLayout()),
                "source": Out(POSITION_BITS),
                "destination": Out(POSITION_BITS),
                "padding": Out(1),
                "last": Out(1),
                "following": Out(PositionLayout()),
                "following_padding": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        position, following = self.position, self.following
        m.d.comb += [
            self.source.eq(position.sources[0]),
            self.destination.eq(position.destinations[0]),
            following.eq(position),
        ]
        ended, outside, leads_outside = (
            Signal(LIST_DIMENSIONS, name=name) for name in ("ended", "outside", "leads_outside")
        )  # fmt: skip
        # Of the dimension that goes on: what it adds to where its run began.
        bases = [Signal(POSITION_BITS, name=f"{side}_base") for side in ("source", "destination")]
        strides = [Signal(signed(LIST_STRIDE_BITS), name=f"{side}_stride") for side in ("source", "destination")]
        sums = [Signal(POSITION_BITS, name=f"{side}_sum") for side in ("source", "destination")]
        m.d.comb += [total.eq(base + stride) for total, base, stride in zip(sums, bases, strides, strict=True)]

        for number in range(LIST_DIMENSIONS):
            dimension, index = self.description.dimensions[number], position.indices[number]
            behind, moves = Signal(LIST_COUNT_BITS + 1, name=f"behind{number}"), Signal(name=f"moves{number}")
            m.d.comb += [
                behind.eq(index + 1),
                ended[number].eq(behind == dimension.count),
                outside[number].eq((index < dimension.first) | (index >= dimension.end)),
                leads_outside[number].eq(
                    (following.indices[number] < dimension.first) | (following.indices[number] >= dimension.end)
                ),
                moves.eq((index >= dimension.first) & (behind < dimension.end)),
            ]
            # The lowest dimension that has not ended goes on, and all below begin anew from where it then is.
            with m.If(~ended[number] & ended[:number].all()):
                m.d.comb += [
                    bases[0].eq(position.sources[number]),
                    bases[1].eq(position.destinations[number]),
                    strides[0].eq(Mux(moves, dimension.source_stride, 0)),
                    strides[1].eq(dimension.destination_stride),
                    following.indices[number].eq(behind),
                ]
                for below in range(number + 1):
                    m.d.comb += [following.sources[below].eq(sums[0]), following.destinations[below].eq(sums[1])]
                for below in range(number):
                    m.d.comb += following.indices[below].eq(0)
        m.d.comb += [
            self.padding.eq(outside.any()),
            self.following_padding.eq(leads_outside.any()),
            self.last.eq(ended.all()),
        ]
        return m
