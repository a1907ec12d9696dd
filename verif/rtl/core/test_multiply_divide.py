# SPDX-License-Identifier: Apache-2.0
"""Multiplication and division beside the control pipe: results and their registers, in their cycles, against the golden node."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from hypothesis import given
from hypothesis import strategies as st

from golden.config import preset
from golden.isa import DIVIDE_CYCLES, DIVIDE_WORD_CYCLES, INSTRUCTIONS, MULTIPLY_CYCLES, Unit
from golden.layout import SRAM_BASE
from rtl.core.decoder import Decoder
from rtl.core.multiply_divide import MultiplyDivide
from verif.golden.encoding import encode
from verif.rtl.core.pipes.pipe_bench import Model
from verif.rtl.core.test_alu import OPERANDS
from verif.rtl.simulate import Simulation, property_settings

CONFIG = preset("tiny")

#: From X to the cycle in which the result is there, of latencies that count from issue to issue. Who needs a product may be
#: issued in that cycle, who needs a quotient in the next one.
PRODUCT, QUOTIENT, WORD_QUOTIENT = MULTIPLY_CYCLES - 1, DIVIDE_CYCLES - 2, DIVIDE_WORD_CYCLES - 2
FEWEST = 2


class DecodedMultiplyDivide(wiring.Component):
    """The unit with what it takes decoded from a word."""

    def __init__(self) -> None:
        self.unit: Any = MultiplyDivide(CONFIG)
        super().__init__({"insn": In(32), "thread": In(2), "rs1": In(64), "rs2": In(64)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.unit = unit = self.unit
        m.submodules.decoder = decoder = Decoder(CONFIG)
        m.d.comb += [
            decoder.insn.eq(self.insn),
            unit.x.entry.insn.eq(self.insn),
            unit.x.entry.decoded.eq(decoder.decoded),
            *(getattr(unit.x, name).eq(getattr(self, name)) for name in ("thread", "rs1", "rs2")),
        ]
        return m


SIMULATION = Simulation(DecodedMultiplyDivide())
MNEMONICS = [row.mnemonic for row in INSTRUCTIONS.values() if row.unit in (Unit.MULTIPLY, Unit.DIVIDE)]


class Operation(NamedTuple):
    """An instruction, the cycles before it, and whether it retires."""

    mnemonic: str
    thread: int
    rd: int
    a: int
    b: int
    pause: int = 0
    retires: bool = True

    @property
    def divides(self) -> bool:
        return INSTRUCTIONS[self.mnemonic].unit is Unit.DIVIDE


OPERATIONS = st.builds(
    Operation,
    st.sampled_from(MNEMONICS),
    st.integers(0, CONFIG.threads - 1),
    st.integers(0, 31),
    OPERANDS,
    OPERANDS,
    st.sampled_from((0, 0, 0, 1, 2, 5)),
    st.sampled_from((True, True, True, False)),
)


async def play(context: Any, operations: list[Operation]) -> dict[int, int]:
    """Let operations enter as soon as there is room, and compare every cycle. Returns cycles of divisions, by their places."""
    dut, model = SIMULATION.component, Model(CONFIG)
    unit = dut.unit
    waiting = deque(enumerate(operations))
    pause = operations[0].pause
    products: dict[int, tuple[int, int, int]] = {}
    quotient: tuple[int, int, int] | None = None
    started, place, latencies = 0, 0, {}
    room, cycle = True, 0
    while waiting or products or quotient is not None:
        operation = None
        if waiting and pause:
            pause -= 1
        elif waiting and (room or not waiting[0][1].divides):
            number, operation = waiting.popleft()
            pause = waiting[0][1].pause if waiting else 0
        context.set(unit.valid, bool(operation and operation.retires))
        if operation:
            word = encode(operation.mnemonic, operation.rd, 1, 2)
            for name, value in (("insn", word), ("thread", operation.thread), ("rs1", operation.a), ("rs2", operation.b)):
                context.set(getattr(dut, name), value)
            expected = model.execute(word, SRAM_BASE, {1: operation.a, 2: operation.b})
            if operation.retires and operation.rd:
                result = (operation.thread, operation.rd, expected.record.writes[0][1])
                if operation.divides:
                    assert quotient is None
                    quotient, started, place = result, cycle, number
                else:
                    products[cycle + PRODUCT] = result
        assert context.get(unit.divides) == (quotient is not None and not context.get(unit.late[1].valid))
        assert context.get(unit.busy) or (not products and quotient is None) or operation
        seen = [
            tuple(context.get(getattr(late, name)) for name in ("thread", "number", "data")) if context.get(late.valid) else None
            for late in unit.late
        ]
        coming = [
            tuple(context.get(getattr(next_, name)) for name in ("thread", "number")) if context.get(next_.valid) else None
            for next_ in unit.coming
        ]
        assert seen[0] == products.pop(cycle, None)
        assert coming[0] == (products[cycle + 1][:2] if cycle + 1 in products else None)
        assert coming[1] == (seen[1][:2] if seen[1] else None)
        if seen[1]:
            assert seen[1] == quotient
            quotient = None
            latencies[place] = cycle - started
        assert quotient is None or cycle - started <= QUOTIENT, "a division does not end"
        room = not context.get(unit.divides)
        await context.tick()
        cycle += 1
    context.set(unit.valid, 0)
    for _ in range(3):
        assert not any(context.get(late.valid) for late in unit.late)
        await context.tick()
    assert not context.get(unit.busy)
    return latencies


@property_settings(40)
@given(st.lists(OPERATIONS, min_size=1, max_size=12))
def test_results_come_for_their_registers_whatever_is_under_way_beside_them(operations: list[Operation]) -> None:
    async def check(context: Any) -> None:
        latencies = await play(context, operations)
        for number, cycles in latencies.items():
            most = WORD_QUOTIENT if operations[number].mnemonic.endswith("w") else QUOTIENT
            assert FEWEST <= cycles <= most

    SIMULATION.run(check)


def test_a_multiplication_enters_in_every_cycle_also_beside_a_division() -> None:
    division = Operation("divu", 1, 9, 2**64 - 1, 3)
    products = [Operation("mulhu", n % 2, 1 + n % 31, 2**64 - 1 - n, 2**63 + n) for n in range(80)]

    async def check(context: Any) -> None:
        assert await play(context, [division, *products]) == {0: QUOTIENT}

    SIMULATION.run(check)


def test_divisions_take_seven_cycles_less_for_each_eight_zeros_that_lead_the_dividend() -> None:
    divisions = [Operation("divu", 0, 5, 2**64 - 1 >> 8 * zeros, 2**63 + 1) for zeros in range(8)]
    words = [Operation("divuw", 0, 5, 2**32 - 1 >> 8 * zeros, 2**31 + 1) for zeros in range(4)]

    async def check(context: Any) -> None:
        latencies = await play(context, [*divisions, *words])
        assert [latencies[n] for n in range(8)] == [QUOTIENT - 7 * zeros for zeros in range(8)]
        assert [latencies[8 + n] for n in range(4)] == [WORD_QUOTIENT - 7 * zeros for zeros in range(4)]

    SIMULATION.run(check)
