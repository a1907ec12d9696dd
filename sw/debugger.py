# SPDX-License-Identifier: Apache-2.0
"""A debugger for one thread of an array: stop, step, breakpoints, every register, by packets alone.

>>> with Debugger(array) as debugger:
...     debugger.stop()
...     debugger.add_breakpoint(program.symbols["loop"])
...     print(debugger.run_until_stop(max_cycles=10_000))
...     debugger.write("a0", debugger.read("a0") + 1)
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from golden.layout import Cause, DebugCommand, DebugControl, DebugReason, DebugRegister, ThreadRegister, ThreadState
from sw.backend import ArrayBackend
from sw.breakpoints import NodeMemory
from sw.debug_port import PATIENCE_CYCLES, DebugError, DebugPort, NoAnswerError
from sw.debug_registers import RegisterFile
from sw.host import check_thread

__all__ = ["DebugError", "Debugger", "NoAnswerError", "Whereabouts"]

#: Cycles between two looks at a thread that runs: few at first, more and more later.
_SHORTEST_PAUSE_CYCLES = 64
_LONGEST_PAUSE_CYCLES = 65_536

_ACTIVE = (ThreadState.RUNNING, ThreadState.WAITING)


@dataclass(frozen=True)
class Whereabouts:
    """Where a thread is, and why.

    Attributes
    ----------
    state : ThreadState
    reason : DebugReason
        Why it became STOPPED last.
    pc : int
        Next instruction; of a TRAPPED thread, the one that trapped.
    cause, value : int or None
        ``mcause`` and ``mtval`` of a thread that is TRAPPED, or was stopped behind a trap.
    """

    state: ThreadState
    reason: DebugReason
    pc: int
    cause: int | None = None
    value: int | None = None

    def __str__(self) -> str:
        text = f"{self.state.name} at pc {self.pc:#x}"
        if self.state is ThreadState.STOPPED:
            text += f", reason {self.reason.name}"
        if self.cause is not None and self.value is not None:
            name = Cause(self.cause).name if self.cause in set(Cause) else f"cause {self.cause}"
            text += f": {name}, value {self.value:#x}"
        return text


class Debugger:
    """A debugger for one thread.

    From its making on until ``detach``, ``ebreak`` stops the thread. Other threads of the node trap at breakpoints unless they
    have a debugger too, which :meth:`beside` makes; all of them share the breakpoints.

    Parameters
    ----------
    array : ArrayBackend
        The golden array, a simulated one, a board.
    x, y : int
        Column and row of the node.
    thread : int
    scratch : int, optional
        Address of memory that vector registers and accumulators go through, see :class:`sw.debug_registers.RegisterFile`.
    patience_cycles : int
        How long a stop, a step or an injected instruction may take.

    Members
    -------
    registers : RegisterFile
    memory : NodeMemory

    Raises
    ------
    HostError
        If there is no such node or thread.
    DebugError
        If ``scratch`` is not allowed. Other members raise it with one sentence about what is wrong.
    """

    def __init__(
        self,
        array: ArrayBackend,
        x: int = 0,
        y: int = 0,
        thread: int = 0,
        *,
        scratch: int | None = None,
        patience_cycles: int = PATIENCE_CYCLES,
    ):
        check_thread(array, x, y, thread)
        self._port = DebugPort(array, x, y, thread, patience_cycles)
        self.registers = RegisterFile(self._port, scratch)
        self.memory = NodeMemory(array, x, y)
        self._scratch = scratch
        self.memory.users.add(thread)
        self._control = DebugControl.EBREAK
        #: Version of the memory that the thread's fetch is known to have.
        self._fetched = -1
        self._port.write(DebugRegister.CONTROL, self._control)

    def beside(self, thread: int) -> Debugger:
        """A debugger for another thread of the node, with the same breakpoints."""
        port = self._port
        other = Debugger(
            port.array, port.x, port.y, thread, scratch=self._scratch, patience_cycles=port.patience_cycles
        )  # fmt: skip
        other.memory = self.memory
        other.memory.users.add(thread)
        return other

    def detach(self) -> None:
        """Let the thread go on if it is STOPPED, with ``ebreak`` trapping again.

        The last debugger of a node takes the breakpoints away.
        """
        self.memory.users.discard(self._port.thread)
        if not self.memory.users and self.memory.breakpoints:
            if self._port.state in _ACTIVE:
                self.stop()
            for address in self.breakpoints:
                self.memory.remove(address)
        self._port.write(DebugRegister.CONTROL, 0)
        if self._port.state is ThreadState.STOPPED:
            self._refetch()
            self._port.command(DebugCommand.RESUME)

    def __enter__(self) -> Debugger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not isinstance(error, NoAnswerError):
            self.detach()

    # -- going and stopping -------------------------------------------------------------------------------------------

    @property
    def state(self) -> ThreadState:
        """What the thread does."""
        return self._port.state

    def whereabouts(self) -> Whereabouts:
        """Where the thread is, and why."""
        port = self._port
        state, reason, pc = port.state, port.reason, port.read_thread(ThreadRegister.PC)
        if state is ThreadState.TRAPPED or (state is ThreadState.STOPPED and reason is DebugReason.TRAP):
            cause, value = port.read_thread(ThreadRegister.CAUSE), port.read_thread(ThreadRegister.VALUE)
            return Whereabouts(state, reason, pc, cause, value)
        return Whereabouts(state, reason, pc)

    @property
    def halts_on_traps(self) -> bool:
        """Whether the thread stops behind traps that its handler takes, before the handler's first instruction."""
        return bool(self._control & DebugControl.TRAP)

    @halts_on_traps.setter
    def halts_on_traps(self, halts: bool) -> None:
        self._control = DebugControl.EBREAK | (DebugControl.TRAP if halts else DebugControl(0))
        self._port.write(DebugRegister.CONTROL, self._control)

    def stop(self) -> Whereabouts:
        """Stop the thread, whatever it does."""
        self._port.command(DebugCommand.STOP)
        self._port.settle("a STOP")
        self._port.require_stopped()
        return self.whereabouts()

    def resume(self, max_cycles: int | None = None) -> None:
        """Let the STOPPED thread go on.

        If there is a breakpoint where it is, it steps past it first, for which it gets ``max_cycles`` as in :meth:`step`; when it
        stops there for another reason, be it a trap, it stays so.
        """
        self._port.require_stopped()
        if self._port.read_thread(ThreadRegister.PC) in self.memory.breakpoints:
            past = self._step(max_cycles)
            if past.state is not ThreadState.STOPPED or past.reason is not DebugReason.STEP:
                return
        self._refetch()
        self._port.command(DebugCommand.RESUME)

    def step(self, count: int = 1, max_cycles: int | None = None) -> Whereabouts:
        """Let the STOPPED thread execute so many instructions, whether there are breakpoints at them or not.

        They are fewer if it ends, meets an ``ebreak`` of its program, or traps and is to halt then.

        Parameters
        ----------
        count : int
            At least 1.
        max_cycles : int, optional
            How long a step may take, which may wait for other threads.

        Raises
        ------
        NoAnswerError
            If an instruction does not end. The step is still under way then; ``stop`` ends it.
        """
        if count < 1:
            raise DebugError(f"{count} steps cannot be taken; there must be at least 1")
        self._port.require_stopped()
        for _ in range(count):
            reached = self._step(max_cycles)
            if reached.state is not ThreadState.STOPPED or reached.reason is not DebugReason.STEP:
                break
        return reached

    def run_until_stop(self, max_cycles: int) -> Whereabouts:
        """Let the thread go on if it is STOPPED, and wait until it is STOPPED, HALTED or TRAPPED.

        Raises
        ------
        NoAnswerError
            If it is none of these after ``max_cycles``, or nothing can move before.
        """
        port = self._port
        if port.state is ThreadState.STOPPED:
            self.resume(max_cycles)
        passed, pause = 0, _SHORTEST_PAUSE_CYCLES
        while port.state in _ACTIVE:
            if passed >= max_cycles:
                raise NoAnswerError(f"{port} did not stop in {max_cycles} cycles; it is {self.whereabouts()}")
            outcome = port.array.run(min(pause, max_cycles - passed))
            passed += outcome.cycles
            pause = min(2 * pause, _LONGEST_PAUSE_CYCLES)
            if outcome.reason != "limit" and port.state in _ACTIVE:
                raise NoAnswerError(f"{port} cannot stop, since nothing moves in the array; it is {self.whereabouts()}")
        return self.whereabouts()

    # -- registers, memory, breakpoints -------------------------------------------------------------------------------

    def read(self, name: str) -> int | bytes:
        """Value of a register of the STOPPED thread: bytes of vector registers and accumulators, else a number."""
        return self.registers.read(name)

    def write(self, name: str, value: int | bytes) -> None:
        """Write a register of the STOPPED thread."""
        self.registers.write(name, value)

    def read_memory(self, address: int, length: int) -> bytes:
        """Bytes of the node's SRAM by the address that threads use; breakpoints do not show."""
        return self.memory.read(address, length)

    def write_memory(self, address: int, contents: bytes) -> None:
        """Write bytes of the node's SRAM; breakpoints stay."""
        self.memory.write(address, contents)

    @property
    def breakpoints(self) -> tuple[int, ...]:
        """Addresses of the node's breakpoints, ascending."""
        return tuple(sorted(self.memory.breakpoints))

    def add_breakpoint(self, address: int) -> None:
        """Stop the thread before the instruction at an address, whenever it comes there. It has to be STOPPED."""
        self._port.require_stopped()
        self.memory.add(address)

    def remove_breakpoint(self, address: int) -> None:
        """Take a breakpoint away. The thread has to be STOPPED."""
        self._port.require_stopped()
        self.memory.remove(address)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _step(self, max_cycles: int | None) -> Whereabouts:
        """One instruction, whether there is a breakpoint at it or not."""
        pc = self._port.read_thread(ThreadRegister.PC)
        if pc not in self.memory.breakpoints:
            return self._step_freely(max_cycles)
        with self.memory.lifted(pc):
            return self._step_freely(max_cycles)

    def _step_freely(self, max_cycles: int | None) -> Whereabouts:
        self._refetch()
        self._port.command(DebugCommand.STEP)
        self._port.settle("a STEP", max_cycles)
        return self.whereabouts()

    def _refetch(self) -> None:
        """Let the thread fetch anew what has been written since it was let go last."""
        if self._fetched != self.memory.version:
            self._port.inject("fence.i")
            self._fetched = self.memory.version
