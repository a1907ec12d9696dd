# SPDX-License-Identifier: Apache-2.0
"""What the sequential core stores or sends has the right bytes wherever its mask is set."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import preset
from rtl.sequential.outgoing import Outgoing
from verif.rtl.simulate import Simulation, property_settings

LINES = (16, 32, 64)
SIMULATIONS = {
    line_bytes: Simulation(Outgoing(preset("nano").replace(line_bytes=line_bytes, simd_passes=1, matrix_passes=1)))
    for line_bytes in LINES
}
BYTES = st.binary(min_size=64, max_size=64)


@pytest.mark.parametrize("line_bytes", LINES)
@property_settings(150)
@given(
    kind=st.sampled_from(("store", "nsd", "vector_store", "nwrite", "accumulator_store", "converts")),
    size=st.integers(0, 3),
    place=st.integers(0, 63),
    scalar=st.binary(min_size=8, max_size=8),
    lines=st.tuples(BYTES, BYTES, BYTES),
)
def test_bytes_go_to_their_places(
    line_bytes: int, kind: str, size: int, place: int, scalar: bytes, lines: tuple[bytes, bytes, bytes]
) -> None:
    outgoing = SIMULATIONS[line_bytes].component
    vector, accumulator, converted = (line[:line_bytes] for line in lines)
    scale = size % 3
    if kind in ("store", "nsd"):
        width = 8 if kind == "nsd" else 1 << size
        value = scalar[:width]
    elif kind == "converts":
        width = line_bytes >> 2 - scale
        value = converted[:width]
    else:
        width = line_bytes
        value = vector if kind in ("vector_store", "nwrite") else accumulator
    at = place % line_bytes // width * width

    async def check(context: Any) -> None:
        context.set(outgoing.insn, size << 12)
        context.set(outgoing.decoded, {kind: 1, **({"accumulator_store": 1} if kind == "converts" else {})})
        context.set(outgoing.scale, scale if kind == "converts" else 2)
        context.set(outgoing.place, at)
        for name, line in (("scalar", scalar), ("vector", vector), ("accumulator", accumulator), ("converted", converted)):
            context.set(getattr(outgoing, name), int.from_bytes(line, "little"))
        # What the instruction stores is known in the next cycle.
        await context.tick()
        mask, data = context.get(outgoing.mask), context.get(outgoing.data).to_bytes(line_bytes, "little")
        assert mask == ((1 << width) - 1) << at
        assert data[at : at + width] == value

    SIMULATIONS[line_bytes].run(check)
