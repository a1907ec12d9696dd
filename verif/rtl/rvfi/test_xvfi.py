# SPDX-License-Identifier: Apache-2.0
"""The checks of XVFI take what a node shows of a program, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from golden.config import preset
from golden.layout import SRAM_BASE
from scripts.simulator.observation import XVFI_KINDS
from sw.assembler import assemble
from verif.rtl.rvfi.monitor import RvfiInstruction
from verif.rtl.rvfi.sources import check_records
from verif.rtl.rvfi.test_rvfi import run
from verif.rtl.rvfi.xvfi import XvfiError, rebuild

pytestmark = pytest.mark.rtl

TINY = preset("tiny")

SOURCE = """
_start: la a0, data
        li a1, 8
        li a2, 0x47
        setfmt f2, a2
        ld a3, 8(a0)
        sw a3, 4 * LINE_BYTES(a0)
        vld v1, (a0)
        vld.p v2, (a0), LINE_BYTES
        vlds.8 v3, (a0), a1
        vadd.f32 v4, v1, v3
        vst v4, LINE_BYTES(a0)
        pmv.p.x p1, a3
        pandn p2, p0, p1
        pmv.x.p a4, p2
        veq.i8 p3, v1, v1
        mzero m0
        mld.f32 m1, (a0)
        mstep.bf16 m0, v1, v3
        mstep.bf16.mm m1, (a0), (a0)
        mstep.x.mm m1, (a0), (a0), f0
        mstepz.x.mm m0, (a0), (a0), f2
        mst.f32 m1, (a0)
        mst.f32 m0, (a0)
        csrr a5, mnode
        nwrite v4, (a5)
        nread v5, (a5)
        vst v5, (a0)
        halt zero
        .align 6
data:   .dword 0x3f8040004040bf80, 0x3f003f803f814080, 0x4142c1423f423e42, 0x3fc0bfc03f203e20
        .dword 0x3f8040004040bf81, 0x3f003f803f814081, 0x4142c1423f423e43, 0x3fc0bfc03f203e21, 0, 0, 0, 0
"""


@pytest.fixture(scope="module")
def shown() -> tuple[list[RvfiInstruction], dict[str, npt.NDArray[np.void]]]:
    program = assemble(SOURCE, config=TINY)
    parts = [(address - SRAM_BASE, contents) for address, contents in program.segments]
    with run(TINY, parts, [program.entry]) as array:
        monitors = check_records(TINY, array.rvfi_records())
        return monitors[0, 0, 0].instructions, {kind: array.xvfi_records(kind) for kind in XVFI_KINDS}


def spoilt(records: dict[str, npt.NDArray[np.void]]) -> Iterator[tuple[str, dict[str, npt.NDArray[np.void]]]]:
    """Every record with every field changed, or left out, or shown twice."""
    for kind, events in records.items():
        for place in range(len(events)):
            yield f"{kind} {place} is missing", records | {kind: np.delete(events, place)}
            yield f"{kind} {place} twice", records | {kind: np.insert(events, place, events[place])}
            for name in events.dtype.names or ():
                if name in ("cycle", "x", "y"):
                    continue
                changed = events.copy()
                if changed[name].ndim == 1:
                    changed[name][place] ^= 1
                else:
                    changed[name][place] ^= 0xFF
                yield f"{name} of {kind} {place}", records | {kind: changed}


def test_what_a_node_shows_is_taken(shown: tuple[list[RvfiInstruction], dict[str, npt.NDArray[np.void]]]) -> None:
    instructions, records = shown
    assert all(len(events) for events in records.values())
    state = rebuild(TINY, {0: instructions}, records)[0]
    assert state.predicates[1:3] == [0x4080, 0xBF7F]
    assert all(state.vectors[1:6])


#: What does not matter, or is not known without doing what the SIMD unit does.
HARMLESS = (
    # The number of a port of which there is only one, or which only tells who wrote.
    r"port of (vector|predicate|write|send|matrix) \d",
    # A request that fails is not answered, one that reads has no data, and one that posts nothing names no semaphore.
    "vector 4 is missing", "(mask|data) of send 1", r"sem of send \d",
    # The result of a comparison.
    "data of predicate 2",
    # What an operation of the matrix array does not look at: those of clear and load, the line of steps, the bias of BF16.
    "(line|zero|half|kind_.|bias_.|a|b) of matrix 0", "(zero|half|kind_.|bias_.|b) of matrix 1", "line of matrix [2-7]",
    "bias_. of matrix [2-5]", "bias_b of matrix [67]",
)  # fmt: skip


def test_whatever_else_it_shows_is_found(shown: tuple[list[RvfiInstruction], dict[str, npt.NDArray[np.void]]]) -> None:
    instructions, records = shown
    missed = []
    for what, events in spoilt(records):
        try:
            rebuild(TINY, {0: instructions}, events)
        except XvfiError:
            continue
        missed.append(what)
    assert [what for what in missed if not re.fullmatch("|".join(HARMLESS), what)] == []
