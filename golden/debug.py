# SPDX-License-Identifier: Apache-2.0
"""The debug block of a golden thread: its registers, and instructions that a debugger injects."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from golden.instruction import Executable, Fields, IllegalInstruction, Trap
from golden.isa import Instruction, decode
from golden.layout import (
    DEBUG_BUSY,
    DEBUG_CAUSE,
    DEBUG_FAILED,
    Cause,
    DebugCommand,
    DebugControl,
    DebugReason,
    DebugRegister,
    ThreadState,
)
from golden.semantics_scalar import CONDITIONS, Semantics

if TYPE_CHECKING:
    from golden.thread import Thread

_ALL_CONTROLS = sum(DebugControl)
_WORD_MASK = 0xFFFF_FFFF

#: What would end or park the thread is illegal when it is injected.
_NOT_INJECTED = ("halt", "swait")
_JUMPS = ("jal", "jalr", "mret")


class DebugBlock:
    """What a debugger sees of a thread, and does to it.

    Commands take effect at once. An injected instruction executes at once as well, unless it names a vector register whose
    ``nread`` is under way; then it is tried again when the register has come.

    Parameters
    ----------
    thread : Thread
    semantics : dict of str to Semantics
        By mnemonic.

    Members
    -------
    control : int
        Bits of DebugControl.
    reason : DebugReason
        Why the thread became STOPPED last.
    data : int
        Register DATA and CSR dscratch0.
    stepping : bool
        A STEP is under way.
    injecting : bool
        An injected instruction is being executed, or waits.
    """

    def __init__(self, thread: Thread, semantics: dict[str, Semantics]):
        self.control = 0
        self.reason = DebugReason.NONE
        self.data = 0
        self.stepping = False
        self._thread = thread
        self._semantics = semantics
        self._word: int | None = None
        self._failure: Cause | None = None

    @property
    def injecting(self) -> bool:
        """Whether an injected instruction is under way."""
        return self._word is not None

    def read(self, register: int) -> int:
        """Value of the register at a byte offset in the block; 0 where there is none."""
        values: dict[int, Callable[[], int]] = {
            DebugRegister.CONTROL: lambda: self.control,
            DebugRegister.STATUS: lambda: self._status,
            DebugRegister.DATA: lambda: self.data,
        }
        return values.get(register, lambda: 0)()

    def write(self, register: int, value: int) -> None:
        """Write the register at a byte offset in the block; read-only and missing ones ignore it."""
        if register == DebugRegister.COMMAND:
            self._command(value)
        elif register == DebugRegister.CONTROL:
            self.control = value & _ALL_CONTROLS
        elif register == DebugRegister.INSTRUCTION:
            if self._thread.state is ThreadState.STOPPED and not self.injecting:
                self._word = value & _WORD_MASK
                self._failure = None
                self.attempt()
        elif register == DebugRegister.DATA:
            self.data = value

    def abandon(self) -> None:
        """A step, or an injected instruction that waits, is over."""
        self.stepping = False
        self._word = None

    def attempt(self) -> None:
        """Execute the injected instruction, if there is one and it need not wait."""
        if self._word is None:
            return
        thread = self._thread
        thread.blocked = None
        row = decode(self._word)
        fields = Fields(self._word)
        try:
            executable = self._bind(row, fields)
            # A branch changes no register, so what it compares can be looked at before.
            jumps = row is not None and self._jumps(row, fields)
            following = executable.operation()
            if following is None:
                following = executable.complete()
        except Trap as trap:
            self._failure = trap.cause
            self._word = None
            return
        if following is None:
            return
        self._word = None
        if jumps:
            thread.pc = following
        if executable.vector_write is not None:
            data = thread.v[executable.vector_write]
            assert data is not None, "only nread leaves a register busy"
            thread.node.note_vector_write(thread.number, executable.vector_write, data)

    @property
    def _status(self) -> int:
        value = self.reason | (self.stepping or self.injecting) << DEBUG_BUSY
        if self._failure is not None:
            value |= 1 << DEBUG_FAILED | self._failure << DEBUG_CAUSE
        return value

    def _command(self, command: int) -> None:
        thread = self._thread
        stopped = thread.state is ThreadState.STOPPED
        if command == DebugCommand.STOP and not stopped:
            thread.suspend(DebugReason.REQUEST)
        elif command in (DebugCommand.RESUME, DebugCommand.STEP) and stopped and not self.injecting:
            self.stepping = command == DebugCommand.STEP
            thread.state = ThreadState.RUNNING

    def _bind(self, row: Instruction | None, fields: Fields) -> Executable:
        """Bind the injected instruction at the thread's pc, without counting it; raises Trap if it is illegal."""
        thread = self._thread
        if row is None or row.mnemonic in _NOT_INJECTED:
            raise Trap(Cause.ILLEGAL_INSTRUCTION, fields.word)
        try:
            operation, complete = self._semantics[row.mnemonic](thread, fields, thread.pc)
        except IllegalInstruction:
            raise Trap(Cause.ILLEGAL_INSTRUCTION, fields.word) from None
        return Executable(fields, row, operation, complete)

    def _jumps(self, row: Instruction, fields: Fields) -> bool:
        """Whether the instruction moves the thread, be it to the next address."""
        if row.mnemonic in CONDITIONS:
            x = self._thread.x
            return CONDITIONS[row.mnemonic](x[fields.rs1], x[fields.rs2])
        return row.mnemonic in _JUMPS
