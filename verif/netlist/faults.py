# SPDX-License-Identifier: Apache-2.0
"""Faults planted in a netlist, any one of which can be switched on when the simulation starts."""

from __future__ import annotations

import random
from typing import Any

__all__ = ["FAULT_VARIABLE", "plant_faults"]

#: Environment variable with the number of the fault that a simulation has; none and 0 stand for none.
FAULT_VARIABLE = "D1_FAULT"

_FAULTY = "FAULTY_LUT4"


def plant_faults(module: dict[str, Any], count: int, seed: int) -> tuple[str, ...]:
    """Let look-up tables of a module fail on demand: a table whose fault is on gives the inverse.

    Parameters
    ----------
    module : dict
        As Yosys' ``write_json`` has it; changed in place.
    count : int
        How many tables; all if there are fewer.
    seed : int
        Of their choice.

    Returns
    -------
    tuple of str
        Names of the cells. Fault n, from 1 on, is that of the n-th.
    """
    tables = sorted(name for name, cell in module["cells"].items() if cell["type"] == "LUT4")
    chosen = tuple(random.Random(seed).sample(tables, min(count, len(tables))))
    for number, name in enumerate(chosen, 1):
        cell = module["cells"][name]
        cell["type"] = _FAULTY
        cell["parameters"]["FAULT"] = f"{number:032b}"
    return chosen
