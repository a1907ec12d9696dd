# SPDX-License-Identifier: Apache-2.0
"""Which properties are proved of which core in which surroundings, and how far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Signal

from golden.config import NodeConfig
from rtl.core.observation.core import ObservedCore
from verif.formal.circuit import Circuit
from verif.rtl.core.formal.checks import (
    CODE,
    INSTRUCTIONS,
    LIVENESS,
    LOADS,
    PROGRAM_ORDER,
    REGISTERS,
    STORES,
    TRAPS,
    UNIQUE,
    VECTORS,
)
from verif.rtl.core.formal.environment import NARROW, PAIR, START_CYCLE, TWO_THREADS, Check, Environment, Surroundings

__all__ = ["FIRST_RETIREMENT", "SETTINGS", "Setting", "bound", "fails", "reaches"]

#: Cycles from the start of the thread to that in which its first instruction can show: F, D, I, X, and the port's flip-flop.
FIRST_RETIREMENT = 5

_OPERANDS = Surroundings(registers=True, arithmetic=False)


@dataclass(frozen=True)
class Setting:
    """A core in its surroundings, with the checks that are made there.

    Attributes
    ----------
    name : str
    config : NodeConfig
    surroundings : Surroundings
    checks : tuple of Check
    """

    name: str
    config: NodeConfig
    surroundings: Surroundings
    checks: tuple[Check, ...]

    def circuit(self, core: Callable[[NodeConfig, Signal], Any] = lambda config, mistake: ObservedCore(config)) -> Circuit:
        """The gates of it all."""
        return Environment(self.config, self.surroundings, self.checks, core).circuit()


_GENERAL = (PROGRAM_ORDER, UNIQUE, TRAPS, LOADS, STORES, CODE, LIVENESS)

#: By name. ``restarted``: packets stop and start the thread and requests fail at any time.
SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("narrow", NARROW, Surroundings(), (*INSTRUCTIONS.values(), *_GENERAL)),
        Setting("narrow-registers", NARROW, _OPERANDS, (REGISTERS,)),
        Setting("pair", PAIR, Surroundings(), (*INSTRUCTIONS.values(), *_GENERAL)),
        Setting("pair-registers", PAIR, _OPERANDS, (REGISTERS,)),
        Setting("threads", TWO_THREADS, Surroundings(), (PROGRAM_ORDER,)),
        Setting("threads-registers", TWO_THREADS, _OPERANDS, (REGISTERS,)),
        Setting("vectors", NARROW, Surroundings(arithmetic=False, vectors=True), (VECTORS,)),
        Setting("restarted", NARROW, Surroundings(restarts=True, errors=True), (PROGRAM_ORDER, UNIQUE, LOADS)),
    )
}


def fails(check: Check) -> str:
    """The output that is set where a check fails."""
    return f"fails_{check.name}"


def reaches(check: Check) -> str:
    """The output that is set where a check has been put to the test."""
    return f"reaches_{check.name}"


def bound(depth: int) -> int:
    """Cycles from reset that reach so many cycles behind the start of the thread."""
    return START_CYCLE + 1 + depth
