# SPDX-License-Identifier: Apache-2.0
"""Lists as the units of the hardware pass them on, made of descriptors of the model; and random ones, good and bad."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.layout import LIST_DIMENSIONS, GlobalAddress, Port
from golden.list_descriptor import GRANULES, Dimension, End, ListDescriptor
from verif.golden.list_oracle import patterns

#: Where the node under test is.
X, Y = 0x0AAA, 0x1555

#: Lines of all sizes, and SRAM in several blocks that do not fill a power of two.
CONFIGS = {
    "line16": preset("tiny").replace(sram_blocks=3, sram_ways=2, bank_lines=64, lists=2),
    "line32": preset("medium").replace(sram_blocks=2, sram_ways=2, bank_lines=32, lists=4),
    "line64": preset("d1").replace(sram_blocks=3, sram_ways=1, bank_lines=64, lists=8),
}


def here(offset: int) -> int:
    """A global address in the node under test."""
    return int(GlobalAddress(X, Y, offset))


def description_of(descriptor: ListDescriptor) -> dict[str, Any]:
    """What ListLayout holds for a descriptor."""
    used = [
        {
            "source_stride": dimension.source_stride % (1 << 32),
            "destination_stride": dimension.destination_stride % (1 << 32),
            "count": dimension.count,
            "first": dimension.first,
            "end": dimension.last_valid,
        }
        for dimension in descriptor.dimensions
    ]
    unused = {"source_stride": 0, "destination_stride": 0, "count": 1, "first": 0, "end": 1}
    return {
        "granule": GRANULES.index(descriptor.granule),
        "source": End.of(descriptor.source)._asdict(),
        "destination": End.of(descriptor.destination)._asdict(),
        "dimensions": [*used, *[unused] * (LIST_DIMENSIONS - len(used))],
        "post_source": int(descriptor.post_source is not None),
        "source_sem": descriptor.post_source or 0,
        "post_destination": int(descriptor.post_destination is not None),
        "destination_sem": descriptor.post_destination or 0,
    }


@st.composite
def pushes(draw: st.DrawFn, config: NodeConfig, most: int = 40) -> ListDescriptor:
    """Lists that a node can push without an error, to other nodes, many nodes and attached memories."""
    size = config.sram_bytes
    pattern = draw(patterns(config.line_bytes, size, most))
    exit = draw(st.sampled_from([Port.LOCAL, Port.LOCAL, Port.EAST]))
    x, y = draw(st.tuples(st.integers(0, 8191), st.integers(0, 8191)))
    upper = draw(st.integers(0, (1 << 14) - 1))
    semaphore = st.none() | st.integers(0, config.semaphores - 1)
    return ListDescriptor(
        pattern.granule,
        here(pattern.source),
        int(GlobalAddress(x, y, pattern.destination, exit)) | upper << 50,
        pattern.dimensions,
        post_source=draw(semaphore),
        post_destination=draw(semaphore),
    )


@st.composite
def stretched(draw: st.DrawFn, config: NodeConfig) -> ListDescriptor:
    """Lists with a stride that may lead anywhere."""
    descriptor = draw(pushes(config, 12))
    dimensions = list(descriptor.dimensions)
    number = draw(st.integers(0, len(dimensions) - 1))
    far = draw(st.sampled_from([1 << 14, 1 << 20, 1 << 21, 1 << 30, -(1 << 31), -(1 << 21), -(1 << 10), (1 << 31) - 64]))
    side = draw(st.sampled_from(["source_stride", "destination_stride"]))
    dimensions[number] = dataclasses.replace(dimensions[number], **{side: far})
    return dataclasses.replace(descriptor, dimensions=tuple(dimensions))


def one_granule(descriptor: ListDescriptor) -> ListDescriptor:
    """The same list with a single granule."""
    return dataclasses.replace(descriptor, dimensions=(Dimension(1),))
