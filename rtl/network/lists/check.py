# SPDX-License-Identifier: Apache-2.0
"""What the double words of a descriptor say, and whether the node can execute it."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import (
    COORDINATE_BITS,
    LIST_COUNT_BITS,
    LIST_DIMENSIONS,
    LIST_MAGIC,
    LIST_STRIDE_BITS,
    LIST_WORDS,
    SEMAPHORE_ID_BITS,
    ListCause,
    ListField,
    ListWord,
    Port,
)
from rtl.network.lists.layouts import ListLayout

__all__ = ["DescriptorCheck"]

_MAGIC_BITS = 16
_CAUSE_BITS = 3
#: Fields of the control word, by their lowest bits.
_FIELDS = {
    ListField.GRANULE: 2,
    ListField.DIMENSIONS: 2,
    ListField.CHAIN: 1,
    ListField.POST_SOURCE: 1,
    ListField.POST_DESTINATION: 1,
    ListField.SOURCE_SEMAPHORE: SEMAPHORE_ID_BITS,
    ListField.DESTINATION_SEMAPHORE: SEMAPHORE_ID_BITS,
}


class DescriptorCheck(wiring.Component):
    """Takes a descriptor apart and checks it, without a register.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    x, y : In(13), own coordinates
    words : In(array of 12 double words), those that mean anything
    description : Out(ListLayout)
    pull : Out(1), its source is elsewhere
    chain : Out(1), following : Out(64), the next descriptor's offset
    cause : Out(3), ListCause: NONE, or the lowest one that applies of DESCRIPTOR, ENDS and MISALIGNED
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "x": In(COORDINATE_BITS),
                "y": In(COORDINATE_BITS),
                "words": In(data.ArrayLayout(64, LIST_WORDS)),
                "description": Out(ListLayout()),
                "pull": Out(1),
                "chain": Out(1),
                "following": Out(64),
                "cause": Out(_CAUSE_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        control, description = self.words[ListWord.CONTROL], self.description

        def field(which):
            return control[which : which + _FIELDS[which]]

        m.d.comb += [
            description.granule.eq(field(ListField.GRANULE)),
            description.source.eq(self.words[ListWord.SOURCE]),
            description.destination.eq(self.words[ListWord.DESTINATION]),
            description.post_source.eq(field(ListField.POST_SOURCE)),
            description.source_sem.eq(field(ListField.SOURCE_SEMAPHORE)),
            description.post_destination.eq(field(ListField.POST_DESTINATION)),
            description.destination_sem.eq(field(ListField.DESTINATION_SEMAPHORE)),
            self.chain.eq(field(ListField.CHAIN)),
            self.following.eq(self.words[ListWord.NEXT]),
        ]
        counts_nothing = Signal(LIST_DIMENSIONS)
        # Bits of addresses and strides that must be 0 of granules of 8 bytes, and of 16, 32 and 64 one more each.
        low = Signal(6)
        m.d.comb += low.eq(Cat(Const(7, 3), (description.granule >= larger for larger in (1, 2, 3))))
        misaligned = [(self.words[word] & low).any() for word in (ListWord.SOURCE, ListWord.DESTINATION)]
        for number in range(LIST_DIMENSIONS):
            strides, counts = self.words[ListWord.STRIDES + number], self.words[ListWord.COUNTS + number]
            dimension, used = description.dimensions[number], Signal(name=f"used{number}")
            m.d.comb += [
                used.eq(field(ListField.DIMENSIONS) >= number),
                dimension.source_stride.eq(strides[:LIST_STRIDE_BITS]),
                dimension.destination_stride.eq(strides[LIST_STRIDE_BITS:]),
                counts_nothing[number].eq(used & (dimension.count == 0)),
            ]
            for place, (name, unused) in enumerate((("count", 1), ("first", 0), ("end", 1))):
                m.d.comb += dimension[name].eq(Mux(used, counts.word_select(place, LIST_COUNT_BITS), unused))
            misaligned.append(used & ((dimension.source_stride | dimension.destination_stride) & low).any())

        m.d.comb += self.pull.eq(~self._is_here(description.source))
        here_posts = Mux(self.pull, description.post_destination, description.post_source)
        here_sem = Mux(self.pull, description.destination_sem, description.source_sem)
        known = sum(((1 << bits) - 1) << lowest for lowest, bits in _FIELDS.items()) | (1 << _MAGIC_BITS) - 1
        wrong = Cat(
            control[:_MAGIC_BITS] != LIST_MAGIC,
            (control & ~known).any(),
            (8 << description.granule) > self.config.line_bytes,
            counts_nothing.any(),
            description.source.exit > Port.WEST,
            description.destination.exit > Port.WEST,
            (description.source.exit == Port.LOCAL) & description.source.upper.any(),
            here_posts & (here_sem >= self.config.semaphores),
        )
        with m.If(wrong.any()):
            m.d.comb += self.cause.eq(ListCause.DESCRIPTOR)
        with m.Elif(self.pull & ~self._is_here(description.destination)):
            m.d.comb += self.cause.eq(ListCause.ENDS)
        with m.Elif(Cat(misaligned).any()):
            m.d.comb += self.cause.eq(ListCause.MISALIGNED)
        return m

    def _is_here(self, end):
        """Whether an end is the memory of this node, and of no other."""
        return (end.x == self.x) & (end.y == self.y) & (end.exit == Port.LOCAL) & (end.upper == 0)
