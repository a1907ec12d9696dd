# SPDX-License-Identifier: Apache-2.0
"""Scenarios of debug mode find mistakes planted in the sequential core's, all in one build: each node of a column makes one."""

from __future__ import annotations

import pytest

from golden.config import preset
from scripts.simulator import SimulatorError, build
from verif.rtl.node.debug_scenarios import SCENARIOS
from verif.rtl.node.debugged import Debugged
from verif.rtl.sequential.debug_mistakes import DebugMistake
from verif.rtl.sequential.mistakes import MistakenSequentialNode


def failing(mistake: DebugMistake) -> str | None:
    """The first scenario that fails in the node that makes the mistake."""
    library = build(preset("nano"), node=MistakenSequentialNode, quick=True)
    for name, scenario in SCENARIOS.items():
        with Debugged(library, nodes=len(DebugMistake), y=mistake) as both:
            try:
                scenario(both)
            except (AssertionError, SimulatorError):
                return name
    return None


@pytest.mark.rtl
def test_mistakes_planted_in_debug_mode_are_found() -> None:
    found = {mistake: failing(mistake) for mistake in DebugMistake}
    assert found.pop(DebugMistake.NONE) is None, found
    assert all(found.values()), f"found by no scenario: {[mistake.name for mistake, name in found.items() if name is None]}"
