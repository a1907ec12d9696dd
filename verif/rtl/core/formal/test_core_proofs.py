# SPDX-License-Identifier: Apache-2.0
"""The core keeps its properties in every run of a few cycles, and does not with a mistake planted in it.

Shallow, to fit the suite; ``d1 campaign formal`` proves all of them, and deeper.
"""

from __future__ import annotations

import pytest

from golden.isa import INSTRUCTIONS as TABLE
from verif.formal.circuit import Circuit
from verif.formal.unrolled import first_cycle
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
)
from verif.rtl.core.formal.environment import PAIR, Check, Surroundings
from verif.rtl.core.formal.instructions import SPECIFICATION
from verif.rtl.core.formal.mistakes import FurtherMistake, MistakenCore
from verif.rtl.core.formal.suite import FIRST_RETIREMENT, Setting, bound, fails, reaches
from verif.rtl.node.mistakes import Mistake

#: One of each kind.
SOME = tuple(INSTRUCTIONS[name] for name in ("sraw", "jalr", "bge", "lh", "sb"))

#: The checks, and how many cycles behind the first retirement they are proved.
GENERAL = {PROGRAM_ORDER: 1, UNIQUE: 2, TRAPS: 1, LOADS: 2, STORES: 1, CODE: 1, LIVENESS: 3, **dict.fromkeys(SOME, 0)}


def proved(circuit: Circuit, check: Check, further: int) -> None:
    """The check holds so many cycles further than the first instruction takes, and is not true of nothing."""
    cycles = bound(FIRST_RETIREMENT + further)
    answer = first_cycle(circuit, fails(check), cycles, fixed={"mistake": Mistake.NONE})
    assert answer.cycle is None, f"{check.name} fails in cycle {answer.cycle}: {answer.run}"


def reached(circuit: Circuit, check: Check, further: int) -> None:
    answer = first_cycle(circuit, reaches(check), bound(FIRST_RETIREMENT + further), fixed={"mistake": Mistake.NONE})
    assert answer.cycle is not None, f"{check.name} is put to no test"


def found(circuit: Circuit, check: Check, mistake: int, further: int) -> None:
    cycles = bound(FIRST_RETIREMENT + further)
    # What fails can be made to wait for memory before it does.
    answer = first_cycle(circuit, fails(check), cycles, start=cycles - 1, fixed={"mistake": mistake})
    assert answer.cycle is not None, f"{check.name} does not find mistake {mistake}"


def test_properties_of_all_that_retires_hold_and_mistakes_break_them() -> None:
    circuit = Setting("pair", PAIR, Surroundings(), tuple(GENERAL)).circuit(MistakenCore)
    for check, further in GENERAL.items():
        proved(circuit, check, further)
    for check in (PROGRAM_ORDER, TRAPS, LOADS, STORES, CODE, *SOME):
        reached(circuit, check, 4)
    for check, mistake in (
        (PROGRAM_ORDER, Mistake.KILL_IGNORED),
        (PROGRAM_ORDER, Mistake.ISSUED_IN_SPITE_OF_REDIRECTION),
        (PROGRAM_ORDER, Mistake.BRANCH_NOT_REDIRECTED),
        (INSTRUCTIONS["bge"], FurtherMistake.BRANCH_TOO_FAR),
        (INSTRUCTIONS["bge"], FurtherMistake.MISALIGNED_TARGET_TAKEN),
        (INSTRUCTIONS["lh"], FurtherMistake.SIGN_LOST),
        (INSTRUCTIONS["lh"], Mistake.ACCESS_FAULT_FIRST),
    ):
        found(circuit, check, mistake, 2)


def test_registers_hold_what_was_written_last_and_mistakes_break_that() -> None:
    circuit = Setting("pair-registers", PAIR, Surroundings(registers=True, arithmetic=False), (REGISTERS,)).circuit(MistakenCore)
    proved(circuit, REGISTERS, 1)
    reached(circuit, REGISTERS, 2)
    for mistake, further in (
        (Mistake.X_NOT_FORWARDED, 1),
        (Mistake.X0_WRITTEN, 1),
        (Mistake.LOAD_RELEASED_EARLY, 1),
        (Mistake.PRODUCT_RELEASED_EARLY, 4),
        (Mistake.LATE_NOT_FORWARDED, 4),
    ):
        found(circuit, REGISTERS, mistake, further)


@pytest.mark.parametrize("name", SPECIFICATION)
def test_specification_and_table_encode_instructions_alike(name: str) -> None:
    assert (SPECIFICATION[name].mask, SPECIFICATION[name].match) == (TABLE[name].mask, TABLE[name].match)
