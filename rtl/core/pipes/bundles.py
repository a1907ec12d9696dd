# SPDX-License-Identifier: Apache-2.0
"""Bundles that pass between issue, the pipes, the scalar registers and retirement, and what all pipes share."""

from amaranth.hdl import C, Cat, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from golden.layout import OFFSET_BITS, SRAM_BASE
from rtl.core.csr import TrapLayout
from rtl.frontend.entry import QueueEntry

__all__ = [
    "CommitLayout", "IssueLayout", "ScalarWriteLayout", "commit", "enter_x", "execution_members", "in_window", "pipe_members",
    "write_scalar",
]  # fmt: skip


class IssueLayout(data.StructLayout):
    """An instruction on its way into a pipe: its thread, its place among those that the thread issues in the same cycle, oldest
    first, its entry of the instruction queue, and its scalar operands. ``corrected``: a branch which has been found to go on
    elsewhere than was predicted; the entry says where, and the front end does."""

    def __init__(self):
        super().__init__({"rs1": 64, "rs2": 64, "entry": QueueEntry(), "thread": 2, "position": 2, "corrected": 1})


class ScalarWriteLayout(data.StructLayout):
    """A write of a scalar register at the end of the cycle. Writes to x0 are never valid."""

    def __init__(self):
        super().__init__({"data": 64, "valid": 1, "thread": 2, "number": 5})


class CommitLayout(data.StructLayout):
    """An instruction that retires, or traps, at the end of the cycle. ``late``: its first register is written later."""

    def __init__(self):
        super().__init__(
            {
                "pc": 64,
                "value": 64,
                "insn": 32,
                "valid": 1,
                "thread": 2,
                "position": 2,
                "trap": 1,
                "cause": 6,
                "late": 1,
                "writes": data.ArrayLayout(ScalarWriteLayout(), 2),
            }
        )


def pipe_members() -> dict:
    """Members that all pipes have.

    Members
    -------
    issue_valid : In(1), issue : In(IssueLayout)
        Enters X at the end of the cycle; only while ``stall`` is 0.
    x_valid : Out(1), first : Out(1), x : Out(IssueLayout)
        The instruction in X, and whether this is its first cycle there.
    killed : In(1)
        In its first cycle: an older instruction of its thread traps or goes on elsewhere. It then does nothing, and leaves.
    stall : Out(1)
        It stays in X for another cycle.
    bad : Out(1)
        It traps or goes on elsewhere than was predicted, if it is not killed: what its thread issued with it behind it is to be
        killed.
    trap : Out(TrapLayout)
        In the cycle in which it commits; never of what is killed.
    writes : Out(2 x ScalarWriteLayout)
        Scalar registers that it writes at the end of this cycle, its first. They are valid even if it is killed or traps, so that
        they may be forwarded: what would use them is killed then as well.
    commit : Out(CommitLayout)
        It retires or traps at the end of the cycle: this is certain from then on, even if it stalls.
    """
    return {
        "issue_valid": In(1),
        "issue": In(IssueLayout()),
        "x_valid": Out(1),
        "first": Out(1),
        "x": Out(IssueLayout()),
        "killed": In(1),
        "stall": Out(1),
        "bad": Out(1),
        "trap": Out(TrapLayout()),
        "writes": Out(data.ArrayLayout(ScalarWriteLayout(), 2)),
        "commit": Out(CommitLayout()),
    }


def execution_members(names: data.StructLayout, operands: data.StructLayout, *, observe: bool) -> dict:
    """Members of pipes whose instructions may execute behind X, when they have left it.

    Such a pipe consists of two halves: X, in which instructions commit, and the part that executes them. What lies in between,
    :class:`rtl.core.vector_queue.VectorQueue` or, where the configuration has no queues, nothing, is outside of it.

    Members
    -------
    x_good : Out(1), x_names : Out(names), x_operands : Out(operands)
        The instruction in X is not killed, and does not trap; what is kept of it.
    x_order : In(64), if observed
        Its number.
    executes : In(1), good : In(1), thread : In(2), names : In(names), operands : In(operands)
        The instruction that executes, which may be that in X; and then it may still be killed or trap, if it is not ``good``.
    done : Out(1)
        This is its last cycle. Without queues, it stays in X until then.
    """
    return {
        "x_good": Out(1),
        "x_names": Out(names),
        "x_operands": Out(operands),
        **({"x_order": In(64)} if observe else {}),
        "executes": In(1),
        "good": In(1),
        "thread": In(2),
        "names": In(names),
        "operands": In(operands),
        "done": Out(1),
    }


def enter_x(m, pipe):
    """The register of stage X of a pipe; its operands may be changed while the instruction stalls."""
    x = Signal(IssueLayout(), name="x", reset_less=True)
    m.d.comb += pipe.x.eq(x)
    m.d.sync += pipe.first.eq(0)
    with m.If(~pipe.stall):
        m.d.sync += [pipe.x_valid.eq(pipe.issue_valid), pipe.first.eq(pipe.issue_valid)]
        with m.If(pipe.issue_valid):
            m.d.sync += x.eq(pipe.issue)
    return x


def in_window(word_address):
    """The 64-bit address of a word in the window of SRAM, from its number there."""
    return Cat(C(0, 2), word_address, C(SRAM_BASE >> OFFSET_BITS, 64 - OFFSET_BITS))


def write_scalar(pipe, number, value, enable, port: int = 0) -> list:
    """Statements that let the instruction in X write a scalar register, unless it is x0."""
    write = pipe.writes[port]
    return [
        write.valid.eq(pipe.first & enable & number.any()),
        write.thread.eq(pipe.x.thread),
        write.number.eq(number),
        write.data.eq(value),
    ]


def commit(pipe, when, trap, cause, value, pc=None, late=0) -> list:
    """Statements that commit the instruction in X, with the trap that it takes, if any.

    ``value`` is mtval. Without ``pc``, the instruction lies in the window of SRAM, as all do that can be fetched.
    """
    x, record = pipe.x, pipe.commit
    address = in_window(x.entry.pc) if pc is None else pc
    return [
        record.valid.eq(when),
        record.thread.eq(x.thread),
        record.position.eq(x.position),
        record.pc.eq(address),
        record.insn.eq(x.entry.insn),
        record.trap.eq(trap),
        record.cause.eq(cause),
        record.value.eq(value),
        record.late.eq(late),
        record.writes.eq(pipe.writes),
        pipe.trap.valid.eq(when & trap),
        pipe.trap.cause.eq(cause),
        pipe.trap.value.eq(value),
        pipe.trap.pc.eq(address),
    ]
