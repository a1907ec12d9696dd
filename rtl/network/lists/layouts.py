# SPDX-License-Identifier: Apache-2.0
"""What the units of list transfers tell each other."""

from amaranth import unsigned
from amaranth.lib import data

from golden.config import NodeConfig
from golden.layout import (
    ATTACHED_OFFSET_BITS,
    COORDINATE_BITS,
    EXIT_BITS,
    LIST_COUNT_BITS,
    LIST_DIMENSIONS,
    LIST_STRIDE_BITS,
    OFFSET_BITS,
    SEMAPHORE_ID_BITS,
    UPPER_BITS,
)

__all__ = [
    "POSITION_BITS", "STARTER_BITS", "DimensionLayout", "EndLayout", "ListLayout", "ListPacketLayout", "PositionLayout",
    "place_bits",
]  # fmt: skip

#: Bits of an offset on the way: one more than attached memory has, which is set in what lies outside. A stride leads there from
#: inside, but not beyond.
POSITION_BITS = ATTACHED_OFFSET_BITS + 1


#: Low bits of the tag of a list's WRITEs: who started it, and which of the lists of its place it is.
STARTER_BITS = 4


def place_bits(config: NodeConfig) -> int:
    """Bits of the number of a place for lists."""
    return max(1, (config.lists - 1).bit_length())


class EndLayout(data.StructLayout):
    """One end of a list: a global address of 64 bits, ``upper`` being bits 50 to 63."""

    def __init__(self):
        super().__init__(
            {
                "offset": unsigned(OFFSET_BITS),
                "x": unsigned(COORDINATE_BITS),
                "y": unsigned(COORDINATE_BITS),
                "exit": unsigned(EXIT_BITS),
                "upper": unsigned(UPPER_BITS),
            }
        )


class DimensionLayout(data.StructLayout):
    """A dimension; ``end`` is the index behind the last valid one."""

    def __init__(self):
        super().__init__(
            {
                "source_stride": unsigned(LIST_STRIDE_BITS),
                "destination_stride": unsigned(LIST_STRIDE_BITS),
                "count": unsigned(LIST_COUNT_BITS),
                "first": unsigned(LIST_COUNT_BITS),
                "end": unsigned(LIST_COUNT_BITS),
            }
        )


class ListLayout(data.StructLayout):
    """A list that was loaded. Dimensions that it does not use have one granule, a valid one."""

    def __init__(self):
        super().__init__(
            {
                "granule": unsigned(2),
                "source": EndLayout(),
                "destination": EndLayout(),
                "dimensions": data.ArrayLayout(DimensionLayout(), LIST_DIMENSIONS),
                "post_source": unsigned(1),
                "source_sem": unsigned(SEMAPHORE_ID_BITS),
                "post_destination": unsigned(1),
                "destination_sem": unsigned(SEMAPHORE_ID_BITS),
            }
        )


class PositionLayout(data.StructLayout):
    """A granule of a list: its indices, and of each dimension the offsets at which its run began."""

    def __init__(self):
        super().__init__(
            {
                "indices": data.ArrayLayout(LIST_COUNT_BITS, LIST_DIMENSIONS),
                "sources": data.ArrayLayout(POSITION_BITS, LIST_DIMENSIONS),
                "destinations": data.ArrayLayout(POSITION_BITS, LIST_DIMENSIONS),
            }
        )


class ListPacketLayout(data.StructLayout):
    """A WRITE of a list: where it goes, the place that sends it and the low bits of its tag, and what differs between WRITEs."""

    def __init__(self, config: NodeConfig):
        super().__init__(
            {
                "destination": EndLayout(),
                "place": unsigned(place_bits(config)),
                "starter": unsigned(STARTER_BITS),
                "post": unsigned(1),
                "sem": unsigned(SEMAPHORE_ID_BITS),
                "mask": unsigned(config.line_bytes),
                "data": unsigned(8 * config.line_bytes),
            }
        )
