# SPDX-License-Identifier: Apache-2.0
"""A board's netlist at its pins: it does what the board does, a fault in it shows, and a wrong one is refused."""

from __future__ import annotations

import dataclasses
import json
import threading
from typing import Any

import pytest

from fpga.choice import choose
from verif.campaigns import netlist as campaign
from verif.netlist.board import NoNetlist, board_netlist
from verif.netlist.faults import plant_faults
from verif.netlist.netlist import clock_of_pll

HELLO = choose("ulx3s-85f", design="hello", baud=3_000_000)

#: The same on a board whose second, in which the line comes again, is shorter to simulate.
SLOW_HELLO = dataclasses.replace(
    HELLO,
    board=dataclasses.replace(HELLO.board, oscillator_hz=1_600_000, node_hz=1_600_000),
    settings=dataclasses.replace(HELLO.settings, clock_hz=1_600_000, baud=200_000),
)


@pytest.mark.rtl
def test_netlist_says_hello_and_with_a_fault_it_does_not() -> None:
    stages: list[str] = []
    threads = threading.active_count()
    outcome = campaign.run(
        SLOW_HELLO, "hello", lambda stage, share, note: stages.append(stage), faults=5, seed=2, least_seconds=4
    )
    assert threading.active_count() == threads
    assert outcome.passed, outcome.message
    assert outcome.lines[-1] == "passed"
    assert {"LUT4", "FAULTY_LUT4", "TRELLIS_FF", "TRELLIS_INPUT", "TRELLIS_OUTPUT"} <= set(outcome.cells)
    assert len(outcome.faults) == 5
    assert outcome.caught >= 2
    assert outcome.good
    assert set(stages) >= {"synthesis", "step", "faults"}


def test_board_without_models_of_its_cells_is_refused() -> None:
    with pytest.raises(NoNetlist, match="tang-nano-20k has no ECP5"):
        board_netlist(choose("tang-nano-20k", design="hello"))


def test_clock_that_the_netlist_does_not_make_is_refused() -> None:
    other = dataclasses.replace(HELLO.settings, clock_hz=50_000_000)
    with pytest.raises(NoNetlist, match="25 MHz, and that of the design 50 MHz"):
        board_netlist(dataclasses.replace(HELLO, settings=other))


def dividers(reference: int, feedback: int, post: int) -> dict[str, Any]:
    return {name: f"{n:032b}" for name, n in (("CLKI_DIV", reference), ("CLKFB_DIV", feedback), ("CLKOP_DIV", post))}


def test_clock_of_a_pll_follows_from_its_dividers() -> None:
    assert clock_of_pll(dividers(1, 2, 12), 25_000_000) == 50_000_000
    assert clock_of_pll(dividers(4, 5, 10), 48_000_000) == 60_000_000
    with pytest.raises(ValueError, match="100 MHz, not at 400 to 800"):
        clock_of_pll(dividers(1, 2, 2), 25_000_000)


def test_faults_are_planted_in_tables_chosen_by_seed() -> None:
    def module() -> dict[str, Any]:
        cells = {f"lut{n}": {"type": "LUT4", "parameters": {"INIT": "0" * 16}} for n in range(40)}
        return {"cells": {**cells, "ff": {"type": "TRELLIS_FF", "parameters": {}}}}

    first, again, other = module(), module(), module()
    chosen = plant_faults(first, 5, 1)
    assert plant_faults(again, 5, 1) == chosen != plant_faults(other, 5, 2)
    assert json.dumps(first) == json.dumps(again)
    for number, name in enumerate(chosen, 1):
        assert first["cells"][name]["type"] == "FAULTY_LUT4"
        assert int(first["cells"][name]["parameters"]["FAULT"], 2) == number
    assert sum(cell["type"] == "FAULTY_LUT4" for cell in first["cells"].values()) == 5
    assert len(plant_faults(module(), 100, 1)) == 40
