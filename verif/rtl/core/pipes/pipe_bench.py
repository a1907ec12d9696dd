# SPDX-License-Identifier: Apache-2.0
"""A pipe behind a decoder, and the golden node as the model of what one instruction does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from golden.config import NodeConfig
from golden.instruction import Retirement
from golden.isa import decode
from golden.layout import OFFSET_BITS, SRAM_BASE
from golden.node import GoldenNode
from golden.packet import Packet
from rtl.core.decoder import Decoder

__all__ = ["Entering", "Executed", "Model", "PipeBench", "check_commit", "enter", "with_operands", "written"]


class Entering(NamedTuple):
    """An instruction that enters X: its word, address and operands; where the front end has gone on if it predicted a branch."""

    insn: int
    pc: int = SRAM_BASE
    rs1: int = 0
    rs2: int = 0
    thread: int = 0
    position: int = 0
    follows: int | None = None
    fault: bool = False


class PipeBench(wiring.Component):
    """A pipe whose instructions are decoded as they enter.

    Members
    -------
    entering : In
        What enters the pipe, but for what the decoder finds.
    """

    def __init__(self, pipe: Any, config: NodeConfig):
        self.pipe, self.config = pipe, config
        fields = {"thread": 2, "position": 2, "pc": OFFSET_BITS - 2, "insn": 32, "fault": 1, "predicted": 1}
        fields |= {"follows": OFFSET_BITS - 2, "rs1": 64, "rs2": 64}
        super().__init__({"entering": In(data.StructLayout(fields))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.pipe = pipe = self.pipe
        m.submodules.decoder = decoder = Decoder(self.config)
        issue, entering = pipe.issue, self.entering
        m.d.comb += [
            decoder.insn.eq(entering.insn),
            issue.entry.decoded.eq(decoder.decoded),
            *(getattr(issue, name).eq(entering[name]) for name in ("thread", "position", "rs1", "rs2")),
            *(getattr(issue.entry, name).eq(entering[name]) for name in ("pc", "insn", "fault", "predicted", "follows")),
        ]
        return m


def with_operands(entering: Entering) -> tuple[Entering, dict[int, int]]:
    """The instruction with operands that registers can have, x0 being 0, and these registers. Other fields bring anything."""
    row = decode(entering.insn)
    registers = {0: 0}
    values = []
    for operand, shift, value in (("rs1", 15, entering.rs1), ("rs2", 20, entering.rs2)):
        if row is not None and operand in row.operands:
            value = registers.setdefault(entering.insn >> shift & 31, value)
        values.append(value)
    return entering._replace(rs1=values[0], rs2=values[1]), registers


def enter(context: Any, bench: PipeBench, entering: Entering | None) -> None:
    """Let an instruction, or nothing, enter X at the end of the cycle."""
    context.set(bench.pipe.issue_valid, entering is not None)
    if entering is None:
        return
    words = (1 << OFFSET_BITS - 2) - 1
    context.set(
        bench.entering,
        {
            **{name: getattr(entering, name) for name in ("thread", "position", "insn", "fault", "rs1", "rs2")},
            "pc": entering.pc >> 2 & words,
            "predicted": entering.follows is not None,
            "follows": (entering.follows or 0) >> 2 & words,
        },
    )


class Executed(NamedTuple):
    """What the golden node makes of an instruction."""

    record: Retirement
    next_pc: int
    vector: bytes | None


class Model:
    """A golden node that executes one instruction at a time.

    Members
    -------
    node : GoldenNode
    thread : Thread
        The one that executes.
    sent : list of Packet
        What it has sent.
    """

    def __init__(self, config: NodeConfig):
        self.sent: list[Packet] = []
        self.node = GoldenNode(config, transport=lambda node, packet: self.sent.append(packet))
        self.thread = self.node.threads[0]
        self._records: list[Retirement] = []
        self._vectors: list[bytes] = []
        self.node.on_retire = self._records.append
        self.node.on_vector_write = lambda thread, register, value: self._vectors.append(value)

    def execute(self, insn: int, pc: int, registers: Mapping[int, int]) -> Executed:
        """Execute an instruction at an address with these scalar registers. A trap ends the thread; memory keeps its effects."""
        offset = pc - SRAM_BASE
        if 0 <= offset < len(self.node.sram):
            self.node.sram[offset : offset + 4] = insn.to_bytes(4, "little")
        for number, value in registers.items():
            self.thread.x[number] = value if number else 0
        self.thread.start(pc)
        self._records.clear()
        self._vectors.clear()
        self.node.run(1)
        return Executed(self._records[0], self.thread.pc, self._vectors[0] if self._vectors else None)


def written(context: Any, commit: Any) -> tuple[tuple[int, int], ...]:
    """The scalar registers that a record of retirement shows as written, the even one first."""
    writes = [(context.get(w.number), context.get(w.data)) for w in commit.writes if context.get(w.valid)]
    return tuple(sorted(writes, key=lambda write: write[0] & 1))


def check_commit(context: Any, pipe: Any, entering: Entering, expected: Executed, *, late: bool = False) -> None:
    """The pipe commits what the golden node retires; ``late`` if its register is written later."""
    commit, record = pipe.commit, expected.record
    assert context.get(commit.valid)
    assert (context.get(commit.thread), context.get(commit.position)) == (entering.thread, entering.position)
    assert (context.get(commit.pc), context.get(commit.insn)) == (record.pc, entering.insn)
    traps = record.cause is not None
    assert context.get(commit.trap) == traps
    assert context.get(pipe.trap.valid) == traps
    if traps:
        assert (context.get(commit.cause), context.get(commit.value)) == (record.cause, record.value)
        seen = tuple(context.get(getattr(pipe.trap, name)) for name in ("cause", "value", "pc"))
        assert seen == (record.cause, record.value, record.pc)
        return
    assert context.get(commit.late) == late
    # What comes late is one register, and nothing of what has it is written before.
    assert written(context, commit) == (() if late else record.writes)
    for write in commit.writes:
        assert not context.get(write.valid) or context.get(write.thread) == entering.thread
