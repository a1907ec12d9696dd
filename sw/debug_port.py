# SPDX-License-Identifier: Apache-2.0
"""A thread's debug block as the host uses it: commands, and injected instructions with what becomes of them."""

from __future__ import annotations

from golden.isa import INSTRUCTIONS
from golden.layout import (
    DEBUG_BUSY,
    DEBUG_CAUSE,
    DEBUG_FAILED,
    Cause,
    DebugCommand,
    DebugReason,
    DebugRegister,
    ThreadRegister,
    ThreadState,
    debug_offset,
    thread_offset,
)
from sw.backend import ArrayBackend, HostError, read_blocks, write_blocks
from sw.disassembler import disassemble
from sw.encoding import encode

__all__ = ["PATIENCE_CYCLES", "DebugError", "DebugPort", "NoAnswerError"]

#: After so many cycles a command or an instruction that has not finished never will, unless it waits for other threads.
PATIENCE_CYCLES = 100_000

#: Cycles between two looks: few at first, so that an array that runs with the host alone does not run on for long.
_LONGEST_PAUSE_CYCLES = 4096

#: Looks at an array in which nothing moves, before what is waited for is given up.
_STILL_LOOKS = 3

_BUSY = 1 << DEBUG_BUSY
_REASONS = 7
_CAUSES = 0x3F


class DebugError(HostError):
    """What was asked of a debugger cannot be done; the message says why."""


class NoAnswerError(DebugError):
    """A thread does not finish what a debugger has told it."""


class DebugPort:
    """Commands and injected instructions of one thread.

    Parameters
    ----------
    array : ArrayBackend
    x, y, thread : int
        A thread that is there.
    patience_cycles : int
        How long a command or an instruction may take.
    """

    def __init__(self, array: ArrayBackend, x: int, y: int, thread: int, patience_cycles: int = PATIENCE_CYCLES):
        self.array = array
        self.x = x
        self.y = y
        self.thread = thread
        self.patience_cycles = patience_cycles

    def __str__(self) -> str:
        return f"thread {self.thread} of the node in row {self.y}, column {self.x}"

    @property
    def state(self) -> ThreadState:
        """What the thread does."""
        return ThreadState(self.read_thread(ThreadRegister.STATE))

    @property
    def reason(self) -> DebugReason:
        """Why it became STOPPED last."""
        return DebugReason(self.read(DebugRegister.STATUS) & _REASONS)

    def read(self, register: DebugRegister) -> int:
        """A register of the debug block."""
        return self.array.read_register(self.x, self.y, debug_offset(self.thread, register))

    def write(self, register: DebugRegister, value: int) -> None:
        """Write a register of the debug block."""
        self.array.write_register(self.x, self.y, debug_offset(self.thread, register), value)

    def read_thread(self, register: ThreadRegister) -> int:
        """A register of the thread's block."""
        return self.array.read_register(self.x, self.y, thread_offset(self.thread, register))

    def require_stopped(self) -> None:
        """DebugError unless the thread is STOPPED."""
        if (state := self.state) is not ThreadState.STOPPED:
            raise DebugError(f"{self} is {state.name}, not STOPPED; stop it first")

    def command(self, command: DebugCommand) -> None:
        """Give a command, without waiting for it."""
        self.write(DebugRegister.COMMAND, command)

    def settle(self, what: str, patience_cycles: int | None = None) -> tuple[int, int]:
        """Wait until nothing is under way.

        Parameters
        ----------
        what : str
            What the thread was told, for the error.
        patience_cycles : int, optional
            Instead of the port's.

        Returns
        -------
        tuple of (int, int)
            STATUS and DATA.

        Raises
        ------
        NoAnswerError
            If it takes too long, or nothing moves in the array.
        """
        patience = self.patience_cycles if patience_cycles is None else patience_cycles
        passed, still, pause = 0, 0, 1
        while True:
            status, data = self._look()
            if not status & _BUSY:
                return status, data
            if passed >= patience or still == _STILL_LOOKS:
                raise NoAnswerError(f"{self} does not finish {what}: {self._obstacle(passed, patience)}")
            outcome = self.array.run(min(pause, patience - passed))
            passed += outcome.cycles
            still = 0 if outcome.reason == "limit" else still + 1
            pause = min(2 * pause, _LONGEST_PAUSE_CYCLES)

    def inject(self, mnemonic: str, **operands: int) -> None:
        """Let the STOPPED thread execute an instruction; raises as :meth:`execute`."""
        self.execute(encode(INSTRUCTIONS[mnemonic], operands))

    def execute(self, word: int, data: int | None = None) -> int:
        """Let the STOPPED thread execute an instruction word.

        Parameters
        ----------
        word : int
        data : int, optional
            Written to DATA before.

        Returns
        -------
        int
            DATA afterwards.

        Raises
        ------
        DebugError
            If the instruction traps.
        NoAnswerError
            If it does not finish.
        """
        writes = [(DebugRegister.INSTRUCTION, word)]
        if data is not None:
            writes.insert(0, (DebugRegister.DATA, data))
        write_blocks(
            self.array,
            [(self.x, self.y, debug_offset(self.thread, register), value.to_bytes(8, "little")) for register, value in writes],
        )
        what = f"the injected instruction `{disassemble(word)}`"
        status, result = self.settle(what)
        if status >> DEBUG_FAILED & 1:
            cause = status >> DEBUG_CAUSE & _CAUSES
            name = Cause(cause).name if cause in set(Cause) else f"cause {cause}"
            raise DebugError(f"{what} failed in {self}: {name}")
        return result

    def _look(self) -> tuple[int, int]:
        """STATUS, and DATA as it is then or later."""
        blocks = [(self.x, self.y, debug_offset(self.thread, each), 8) for each in (DebugRegister.STATUS, DebugRegister.DATA)]
        status, data = read_blocks(self.array, blocks)
        return int.from_bytes(status, "little"), int.from_bytes(data, "little")

    def _obstacle(self, passed: int, patience: int) -> str:
        """Why what was told does not finish."""
        if self.state is ThreadState.WAITING:
            return "it waits for a semaphore that nobody posts"
        if passed >= patience:
            return f"{passed} cycles were not enough"
        return "nothing moves in the array; a register that the instruction names may wait for a response that does not come"
