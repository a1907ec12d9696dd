# SPDX-License-Identifier: Apache-2.0
"""Mistakes that checks of the core find: which, where, and how far behind the first instruction."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import IntEnum

from verif.formal.circuit import Circuit
from verif.formal.unrolled import Answer, first_cycle
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
from verif.rtl.core.formal.environment import Check
from verif.rtl.core.formal.mistakes import FurtherMistake, MistakenCore
from verif.rtl.core.formal.suite import FIRST_RETIREMENT, SETTINGS, bound, fails
from verif.rtl.node.mistakes import Mistake

__all__ = ["PLANTED", "Planted", "find", "mistaken_circuit", "planted_in"]


@dataclass(frozen=True)
class Planted:
    """A mistake of the core of a setting, and the check that fails of it.

    Attributes
    ----------
    setting : str
    check : Check
    mistake : Mistake or FurtherMistake
    further : int
        Cycles behind the first retirement in which the check can fail. What needs fewer can be made to wait for memory.
    """

    setting: str
    check: Check
    mistake: IntEnum
    further: int

    @property
    def name(self) -> str:
        return f"{self.setting}/{self.check.name}"


PLANTED = (
    Planted("pair", PROGRAM_ORDER, Mistake.KILL_IGNORED, 2),
    Planted("pair", PROGRAM_ORDER, Mistake.ISSUED_IN_SPITE_OF_REDIRECTION, 2),
    Planted("pair", PROGRAM_ORDER, Mistake.BRANCH_NOT_REDIRECTED, 2),
    Planted("pair", UNIQUE, FurtherMistake.LOAD_SHOWN_TWICE, 2),
    Planted("pair", TRAPS, FurtherMistake.ECALL_SHOWS_ADDRESS, 0),
    Planted("pair", LOADS, FurtherMistake.LOADED_TOO_SOON, 1),
    Planted("pair", STORES, FurtherMistake.STORED_TOO_FAR, 0),
    # The way from a redirection to what comes behind it.
    Planted("pair", CODE, FurtherMistake.OLD_WORD_BEHIND_REDIRECTION, 4),
    # More cycles than a thread may be idle, behind the first trap.
    Planted("pair", LIVENESS, FurtherMistake.KILLED_PRODUCT_AWAITED, 7),
    Planted("pair", INSTRUCTIONS["bge"], FurtherMistake.BRANCH_TOO_FAR, 2),
    Planted("pair", INSTRUCTIONS["bge"], FurtherMistake.MISALIGNED_TARGET_TAKEN, 2),
    Planted("pair", INSTRUCTIONS["lh"], FurtherMistake.SIGN_LOST, 2),
    Planted("pair", INSTRUCTIONS["lh"], Mistake.ACCESS_FAULT_FIRST, 2),
    Planted("pair", INSTRUCTIONS["sh"], Mistake.STORE_ACCESS_FAULT_FIRST, 2),
    Planted("pair-registers", REGISTERS, Mistake.X_NOT_FORWARDED, 1),
    Planted("pair-registers", REGISTERS, Mistake.X0_WRITTEN, 1),
    Planted("pair-registers", REGISTERS, Mistake.LOAD_RELEASED_EARLY, 1),
    Planted("pair-registers", REGISTERS, Mistake.PRODUCT_RELEASED_EARLY, 4),
    Planted("pair-registers", REGISTERS, Mistake.LATE_NOT_FORWARDED, 4),
    Planted("threads", PROGRAM_ORDER, FurtherMistake.REDIRECTION_LOSES_ALL, 2),
    Planted("threads-registers", REGISTERS, Mistake.OTHER_THREADS_OPERANDS, 1),
    Planted("vectors", VECTORS, Mistake.VECTOR_NOT_AWAITED, 2),
    Planted("restarted", PROGRAM_ORDER, FurtherMistake.ISSUED_IN_SPITE_OF_START, 3),
    Planted("restarted", UNIQUE, FurtherMistake.LOAD_SHOWN_TWICE, 2),
    Planted("restarted", LOADS, FurtherMistake.LOADED_TOO_SOON, 1),
)


def planted_in(setting: str) -> tuple[Planted, ...]:
    """What is found in that setting."""
    return tuple(planted for planted in PLANTED if planted.setting == setting)


def mistaken_circuit(setting: str, checks: tuple[Check, ...] = ()) -> Circuit:
    """The gates of a setting around a core that makes the mistake that its input ``mistake`` names: with these checks, or all
    that find one."""
    chosen = checks or tuple(dict.fromkeys(planted.check for planted in planted_in(setting)))
    return dataclasses.replace(SETTINGS[setting], checks=chosen).circuit(MistakenCore)


def find(circuit: Circuit, planted: Planted) -> Answer:
    """Have the check find the mistake, in that very cycle."""
    cycles = bound(FIRST_RETIREMENT + planted.further)
    return first_cycle(circuit, fails(planted.check), cycles, start=cycles - 1, fixed={"mistake": planted.mistake})
