# SPDX-License-Identifier: Apache-2.0
"""Plain integer operations, in both pipes that execute them, against the golden node: one per cycle, none that stalls."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import preset
from golden.isa import INSTRUCTIONS, Unit
from golden.layout import OFFSET_BITS, SRAM_BASE
from rtl.core.pipes.alu import AluPipe
from rtl.core.pipes.control import ControlPipe
from verif.rtl.core.pipes.pipe_bench import Entering, Model, PipeBench, check_commit, enter, with_operands
from verif.rtl.core.test_alu import OPERANDS
from verif.rtl.simulate import Simulation, property_settings

CONFIG = preset("tiny")
SIMULATIONS = {
    "alu": Simulation(PipeBench(AluPipe(), CONFIG)),
    "control": Simulation(PipeBench(ControlPipe(CONFIG), CONFIG)),
}
ROWS = [row for row in INSTRUCTIONS.values() if row.unit is Unit.ALU]

REGISTER = st.integers(0, 31)


def instructions() -> st.SearchStrategy[tuple[Entering, bool]]:
    """An operation with its operands, and whether it is killed."""

    def of_row(row: Any, noise: int, rs1: int, rs2: int, place: int, thread: int, position: int) -> Entering:
        insn = row.match | noise & ~row.mask & 0xFFFF_FFFF
        return with_operands(Entering(insn, SRAM_BASE + 4 * place, rs1, rs2, thread, position))[0]

    noise, place = st.integers(0, 2**32 - 1), st.integers(0, CONFIG.sram_bytes // 4 - 1)
    small = st.integers(0, 3)
    entering = st.builds(of_row, st.sampled_from(ROWS), noise, OPERANDS, OPERANDS, place, small, small)
    return st.tuples(entering, st.sampled_from((False, False, False, True)))


@pytest.mark.parametrize("name", SIMULATIONS)
def test_operations_write_what_the_golden_node_writes(name: str) -> None:
    simulation, model = SIMULATIONS[name], Model(CONFIG)
    bench = simulation.component
    pipe = bench.pipe

    @property_settings(80)
    @given(st.lists(st.one_of(st.none(), instructions(), instructions(), instructions()), min_size=1, max_size=16))
    def holds(stimuli: list[tuple[Entering, bool] | None]) -> None:
        async def check(context: Any) -> None:
            before = None
            if name == "control":
                context.set(pipe.upper, SRAM_BASE >> OFFSET_BITS)
            for now in [*stimuli, None]:
                enter(context, bench, now[0] if now else None)
                context.set(pipe.killed, 0)
                assert context.get(pipe.first) == context.get(pipe.x_valid) == (before is not None)
                assert not context.get(pipe.stall)
                assert not context.get(pipe.bad)
                if before is None:
                    assert not context.get(pipe.commit.valid)
                    assert not context.get(pipe.writes[0].valid)
                elif before[1]:
                    context.set(pipe.killed, 1)
                    assert not context.get(pipe.commit.valid)
                else:
                    entering, registers = with_operands(before[0])
                    check_commit(context, pipe, entering, model.execute(entering.insn, entering.pc, registers))
                await context.tick()
                before = now

        simulation.run(check)

    holds()
