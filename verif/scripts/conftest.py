# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the engine's tests: simulators of the stand-in and of the smallest node, from the cache or built once."""

from __future__ import annotations

import pytest

from golden.config import preset
from scripts.simulator import SimulatorLibrary, build
from verif.scripts.standin import StandInNode


@pytest.fixture(scope="session")
def standin() -> SimulatorLibrary:
    """The stand-in node, smallest preset."""
    return build(preset("tiny"), node=StandInNode)


@pytest.fixture(scope="session")
def tiny_macro() -> SimulatorLibrary:
    """The node of the smallest preset with macro arithmetic."""
    return build(preset("tiny"), "macro")
