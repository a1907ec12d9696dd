# SPDX-License-Identifier: Apache-2.0
"""The core keeps its properties in every run of a few cycles, and does not with a mistake planted in it.

Shallow, to fit the suite; ``d1 campaign formal`` proves all of them, and deeper, and with ``--mistakes`` has settings that are
not here find what is planted.
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
from verif.rtl.core.formal.environment import Check
from verif.rtl.core.formal.instructions import SPECIFICATION
from verif.rtl.core.formal.planted import PLANTED, find, mistaken_circuit, planted_in
from verif.rtl.core.formal.suite import FIRST_RETIREMENT, SETTINGS, bound, fails, reaches
from verif.rtl.node.mistakes import Mistake

#: One of each kind.
SOME = tuple(INSTRUCTIONS[name] for name in ("sraw", "jalr", "bge", "lh", "sh"))

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


def found(circuit: Circuit, setting: str) -> None:
    """All that is planted in the setting is found."""
    for planted in planted_in(setting):
        assert find(circuit, planted).cycle is not None, f"{planted.name} does not find {planted.mistake.name}"


def test_every_check_of_every_setting_has_a_mistake_to_find() -> None:
    """Of instructions, some; the core that issues two at once stands for the one that issues one."""
    planted = {each.name for each in PLANTED}
    for setting in SETTINGS.values():
        for check in setting.checks:
            name = f"{setting.name}/{check.name}".replace("narrow", "pair")
            assert name in planted or check in INSTRUCTIONS.values(), name


def test_properties_of_all_that_retires_hold_and_mistakes_break_them() -> None:
    circuit = mistaken_circuit("pair", tuple(GENERAL))
    for check, further in GENERAL.items():
        proved(circuit, check, further)
    for check in (PROGRAM_ORDER, TRAPS, LOADS, STORES, CODE, *SOME):
        reached(circuit, check, 4)
    found(circuit, "pair")


def test_registers_hold_what_was_written_last_and_mistakes_break_that() -> None:
    circuit = mistaken_circuit("pair-registers")
    proved(circuit, REGISTERS, 1)
    reached(circuit, REGISTERS, 2)
    found(circuit, "pair-registers")


@pytest.mark.parametrize("name", SPECIFICATION)
def test_specification_and_table_encode_instructions_alike(name: str) -> None:
    assert (SPECIFICATION[name].mask, SPECIFICATION[name].match) == (TABLE[name].mask, TABLE[name].match)
