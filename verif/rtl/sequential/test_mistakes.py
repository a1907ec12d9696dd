# SPDX-License-Identifier: Apache-2.0
"""Random programs find mistakes planted in what the sequential core executes, all in one build: each row of nodes makes one."""

from __future__ import annotations

import pytest

from golden.config import preset
from scripts.simulator import build
from verif.rtl.node import lockstep
from verif.rtl.node.array_programs import array_program
from verif.rtl.sequential.debug_mistakes import DebugMistake
from verif.rtl.sequential.mistakes import ExecutionMistake, MistakenSequentialNode

#: Programs in which each mistake has to be found.
PROGRAMS = 12


def differing(mistake: int) -> int | None:
    """The first program that both nodes of a row, which make the mistake, do not run as the golden ones do."""
    library = build(preset("nano"), node=MistakenSequentialNode, quick=True)
    for number in range(PROGRAMS):
        program = array_program(preset("nano"), f"nano 1 {number}", rows=1, columns=2, first=(0, mistake))
        if lockstep.run(program, library).difference:
            return number
    return None


@pytest.mark.rtl
def test_mistakes_planted_in_execution_are_found() -> None:
    assert differing(DebugMistake.NONE) is None
    found = {mistake.name: differing(mistake) for mistake in ExecutionMistake}
    assert None not in found.values(), found
