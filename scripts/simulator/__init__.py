# SPDX-License-Identifier: Apache-2.0
"""Arrays of nodes at speed: one node compiled with Verilator, any number of instances driven by an engine in C++.

``SimulatedArray`` (array.py; handle.py, host_access.py and observing.py are its parts) is what programs use. It loads the library
that ``build`` (build.py) makes and caches.
"""

from scripts.simulator.array import SimulatedArray
from scripts.simulator.build import SimulatorLibrary, build
from scripts.simulator.errors import ArrayTooLarge, BuildError, SimulatorError, ToolMissing

__all__ = [
    "ArrayTooLarge",
    "BuildError",
    "SimulatedArray",
    "SimulatorError",
    "SimulatorLibrary",
    "ToolMissing",
    "build",
]
