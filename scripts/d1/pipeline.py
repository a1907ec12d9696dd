# SPDX-License-Identifier: Apache-2.0
"""Follows every instruction of a node through the pipeline, from what is observed of each cycle, into a Kanata file."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from golden.isa import decode
from golden.layout import Event
from scripts.d1.instruction_facts import Label, Register, ResultKind, Write, late_result, registers
from scripts.d1.kanata import DETAIL, KanataFile

__all__ = ["FIRST_QUEUED_PIPE", "STAGES", "WAITS", "Execution", "Issue", "ObservedCycle", "PipelineFollower"]

#: Stages of X by pipe, in the order of ``rtl.core.grouping.PIPES``.
X_STAGES = ("Xalu", "Xctl", "Xld", "Xst", "Xsimd", "Xmat")

#: Of pipes from this one on, instructions may leave X before they execute, where nodes have queues for them.
FIRST_QUEUED_PIPE = X_STAGES.index("Xsimd")

#: Stages in the order in which an instruction passes them; it may leave out those in lower case, and what lies behind X.
STAGES = ("F", "b", "D", "q", "I", *X_STAGES, "Q", "E", "M", "W")

#: What the second lane shows: why a thread's oldest instruction was not issued, or that it was held up in X.
WAITS: dict[int, str] = {
    Event.OPERAND: "operand",
    Event.BANK: "bank",
    Event.CREDIT: "credit",
    Event.STRUCTURAL: "structural",
}
#: An instruction stays in X because SRAM does not grant its access; because it works there, or its unit is occupied.
_WAITS_FOR_SRAM, _OCCUPIES = WAITS[Event.BANK], "busy"


class Issue(NamedTuple):
    """An instruction that a pipe takes: number ``slot`` of those that its thread issues in this cycle, the oldest being 0."""

    pipe: int
    thread: int
    slot: int


class Execution(NamedTuple):
    """A pipe with queues executes the oldest instruction that a thread has there. ``stays``: it will in the next cycle as well;
    ``waits``: since SRAM does not grant."""

    pipe: int
    thread: int
    stays: bool = False
    waits: bool = False


class ObservedCycle(NamedTuple):
    """What happens in one cycle of a node.

    Attributes
    ----------
    cycle : int
    fetch : tuple of (thread, address, words) or None
        Words of code that enter a thread's fetch buffer at the end of the cycle, and the address of the first.
    injections : sequence of (thread, word)
        Words that a debugger puts into the buffers of threads that are stopped.
    decode : sequence of int
        Per thread, how many words leave the buffer and enter the queue of instructions.
    correct : int
        Mask of threads whose buffer is emptied: a decoder has found that they go on elsewhere.
    redirect : int
        Mask of threads of which everything that is not issued before this cycle is dropped.
    issues : sequence of Issue
    stays, waits, killed, commits, traps : int
        Masks by pipe, of what is in X: it will still be there in the next cycle; because SRAM does not grant; an older one of its
        thread has made it void; it retires or traps; it traps.
    stalls : sequence of int
        Per thread, the :class:`golden.layout.Event` that counts this cycle as lost, or 0.
    executions : sequence of Execution
        What executes in pipes with queues, be it in X or behind it.
    starved : sequence of int
        Of each pipe with queues, mask of threads whose oldest instruction that has not begun waits for an operand.
    """

    cycle: int
    fetch: tuple[int, int, Sequence[int]] | None = None
    injections: Sequence[tuple[int, int]] = ()
    decode: Sequence[int] = (0, 0, 0, 0)
    correct: int = 0
    redirect: int = 0
    issues: Sequence[Issue] = ()
    stays: int = 0
    waits: int = 0
    killed: int = 0
    commits: int = 0
    traps: int = 0
    stalls: Sequence[int] = (0, 0, 0, 0)
    executions: Sequence[Execution] = ()
    starved: Sequence[int] = ()


class _Instruction:
    """One instruction under way. ``number`` is that in the file, None if it is not written there; ``pc`` is None of what a
    debugger injects."""

    __slots__ = (
        "commit",
        "held",
        "number",
        "order",
        "pc",
        "producer",
        "sequence",
        "stage",
        "thread",
        "trapped",
        "waited",
        "word",
    )

    def __init__(self, thread: int, sequence: int, pc: int | None, word: int):
        self.thread = thread
        self.sequence = sequence
        self.pc = pc
        self.word = word
        self.number: int | None = None
        self.stage = ""
        #: What it waits for, as the second lane shows it.
        self.held = ""
        #: It has waited for an operand.
        self.waited = False
        #: Its number among those of its thread that have retired, 0 if it is injected, and among those of the file; -1 before.
        self.commit = -1
        self.order = -1
        self.trapped = False
        #: Who wrote last what it reads, by number in the file.
        self.producer: int | None = None


class _Thread:
    """What the front end holds of a thread, and how far it has come."""

    def __init__(self) -> None:
        self.buffer: deque[_Instruction] = deque()
        self.queue: deque[_Instruction] = deque()
        self.waiting: _Instruction | None = None
        #: Who has written a register last, by number in the file.
        self.writers: dict[Register, int | None] = {}
        self.fetched = 0
        self.retired = 0


class PipelineFollower:
    """Knows where every instruction of a node is, and writes when it goes where.

    An instruction of the file begins when it is fetched. It ends in the cycle after its last one in the pipeline, be it X or the
    one in which its result is written: retired, or flushed if it was dropped, killed, trapped, or parked by ``swait`` to be
    executed again. Retired ones are numbered as they commit; of each thread, that is the order of the program. An arrow leads to
    what has waited for an operand.

    What is held in memory is what is under way: at most what the buffers of a node hold and one instruction for each register.

    Parameters
    ----------
    file : KanataFile
    threads : int
    symbols : mapping of str to int, optional
        Names for addresses.
    first, cycles : int
        Only instructions that are fetched in ``cycles`` cycles are written, from the first one on that is fetched in cycle
        ``first`` or later.
    queues : bool
        The node has queues of vector instructions.

    Members
    -------
    done : bool
        No further instruction will be written.
    left_out : bool
        Instructions that were fetched later were not written.
    """

    def __init__(
        self,
        file: KanataFile,
        threads: int,
        symbols: Mapping[str, int] | None = None,
        first: int = 0,
        cycles: int | None = None,
        queues: bool = False,
    ):
        self._file = file
        self._threads = [_Thread() for _ in range(threads)]
        self._text = functools.lru_cache(maxsize=1 << 14)(Label(symbols or {}))
        self._first = first
        self._cycles = cycles
        self._end: int | None = None
        #: What is in X, by pipe.
        self._pipes: list[_Instruction | None] = [None] * len(X_STAGES)
        #: What has committed in pipes with queues and not been executed, by pipe and thread.
        self._queues = {
            (pipe, thread): deque[_Instruction]()
            for pipe in range(FIRST_QUEUED_PIPE, len(X_STAGES))
            for thread in range(threads)
            if queues
        }
        #: What the results that are to come belong to.
        self._awaited: dict[Write, _Instruction] = {}
        #: What enters X in the next cycle, what waits in the front end from then on unless it goes on, and what ends.
        self._entering: list[tuple[_Instruction, str]] = []
        self._settling: list[tuple[_Instruction, str]] = []
        self._leaving: list[_Instruction] = []
        self._ending: list[tuple[_Instruction, str]] = []
        self._last = -1
        self._open = 0
        self._retired = 0
        self.left_out = False

    @property
    def done(self) -> bool:
        """No further instruction will be written."""
        return self.left_out and not self._open

    def cycle(self, observed: ObservedCycle, writes: Sequence[Write] = ()) -> None:
        """Take in a cycle, later than those before. In cycles that are left out, nothing has happened."""
        now = observed.cycle
        decoded, issued = self._taken(observed)
        follows = now == self._last + 1
        begun = [queue[0] for each in observed.executions if (queue := self._queues[each.pipe, each.thread])]
        going_on = {id(each) for each in (*decoded, *(each for each, _ in issued), *begun)} if follows else set()
        written = [(self._awaited.pop(write, None), write) for write in writes]
        writing = {id(each) for each, write in written if write.kind is not ResultKind.SCALAR} if follows else set()
        self._settle(going_on, writing, follows)
        self._last = now
        self._show_waits(observed)
        if observed.fetch is not None:
            self._fetch(now, *observed.fetch)
        for number, word in observed.injections:
            self._enter_buffer(now, number, None, word)
        for each in decoded:
            self._enter(each, "D", now)
            self._settling.append((each, "q"))
        for each, pipe in issued:
            self._enter(each, "I", now)
            self._entering.append((each, X_STAGES[pipe]))
        self._execute(observed)
        for each, _ in issued:
            self._show_producer(each)
        for instruction, write in written:
            if instruction is not None:
                if write.kind is not ResultKind.SCALAR:
                    self._enter(instruction, "W", now)
                self._ending.append((instruction, ""))
        for _, pipe in issued:
            # Who was there has left in this cycle.
            self._pipes[pipe] = None
        for each, pipe in issued:
            self._pipes[pipe] = each
        for number, thread in enumerate(self._threads):
            if (observed.redirect | observed.correct) >> number & 1:
                self._drop(thread.buffer)
            if observed.redirect >> number & 1:
                self._drop(thread.queue)

    def close(self) -> None:
        """End what is still under way."""
        for write, instruction in list(self._awaited.items()):
            self._forget(write, instruction)
        for thread in self._threads:
            self._drop(thread.buffer, "under way when the run ended")
            self._drop(thread.queue, "under way when the run ended")
        for held in self._pipes:
            if held is not None:
                self._ending.append((held, "under way when the run ended" if held.commit < 0 else ""))
        for queue in self._queues.values():
            self._ending += [(each, "") for each in queue]
            queue.clear()
        self._pipes = [None] * len(X_STAGES)
        self._settle(set(), set(), False)

    # -- one cycle ----------------------------------------------------------------------------------------------------

    def _taken(self, observed: ObservedCycle) -> tuple[list[_Instruction], list[tuple[_Instruction, int]]]:
        """What is decoded and what is issued, taken from buffers and queues; what is decoded is in its queue then."""
        issued = []
        heads = [list(thread.queue) for thread in self._threads] if observed.issues else []
        for pipe, number, slot in sorted(observed.issues, key=lambda issue: (issue.thread, issue.slot)):
            issued.append((heads[number][slot], pipe))
            self._threads[number].queue.popleft()
        decoded = []
        for thread, count in zip(self._threads, observed.decode, strict=False):
            for _ in range(count):
                instruction = thread.buffer.popleft()
                thread.queue.append(instruction)
                decoded.append(instruction)
        return decoded, issued

    def _settle(self, going_on: set[int], writing: set[int], follows: bool) -> None:
        """Write what the cycle before has brought about, in the one behind it."""
        now = self._last + 1
        if not follows:
            for thread in self._threads:
                self._wait(thread.waiting, "", now)
                thread.waiting = None
        # What has ended is not written any more, so that it need not be taken out of the other lists.
        for instruction, reason in self._ending:
            self._finish(instruction, reason, now)
        for instruction, stage in self._entering:
            self._enter(instruction, stage, now)
        for instruction, stage in self._settling:
            if id(instruction) not in going_on:
                self._enter(instruction, stage, now)
        for instruction in self._leaving:
            if id(instruction) not in writing:
                self._enter(instruction, "M", now)
        self._entering, self._settling, self._leaving, self._ending = [], [], [], []

    def _fetch(self, now: int, number: int, pc: int, words: Sequence[int]) -> None:
        if self._end is None and now >= self._first and self._cycles is not None:
            self._end = now + self._cycles
        for place, word in enumerate(words):
            self._enter_buffer(now, number, pc + 4 * place, word)

    def _enter_buffer(self, now: int, number: int, pc: int | None, word: int) -> None:
        thread = self._threads[number]
        instruction = _Instruction(number, thread.fetched, pc, word)
        thread.fetched += 1
        thread.buffer.append(instruction)
        if self._end is not None and now >= self._end:
            self.left_out = True
        elif now >= self._first:
            self._open += 1
            self._file.at(now)
            instruction.number = self._file.begin(instruction.sequence, number)
            self._file.label(instruction.number, self._text(pc, word))
        self._enter(instruction, "F", now)
        self._settling.append((instruction, "b"))

    def _execute(self, observed: ObservedCycle) -> None:
        """What is in X: who commits there, who leaves."""
        now = observed.cycle
        committing = []
        for pipe, instruction in enumerate(self._pipes):
            if instruction is None:
                continue
            bit = 1 << pipe
            if observed.commits & bit:
                instruction.trapped = bool(observed.traps & bit)
                if not instruction.trapped:
                    committing.append(instruction)
        for instruction in sorted(committing, key=lambda each: (each.thread, each.sequence)):
            self._commit(instruction, now)
        for pipe, instruction in enumerate(self._pipes):
            if instruction is None:
                continue
            bit = 1 << pipe
            stays = bool(observed.stays & bit)
            held = (_WAITS_FOR_SRAM if observed.waits & bit else _OCCUPIES) if stays else ""
            self._wait(instruction, held, now)
            if stays:
                continue
            self._pipes[pipe] = None
            if (pipe, instruction.thread) in self._queues and instruction.commit >= 0:
                self._queues[pipe, instruction.thread].append(instruction)
                self._settling.append((instruction, "Q"))
            else:
                self._leave(instruction, bool(observed.killed & bit))
        for execution in observed.executions:
            self._execute_queued(execution, now)
        begun = {(each.pipe, each.thread) for each in observed.executions}
        for (pipe, number), queue in self._queues.items():
            if queue and (pipe, number) not in begun:
                starved = bool(observed.starved) and bool(observed.starved[pipe - FIRST_QUEUED_PIPE] >> number & 1)
                self._wait(queue[0], WAITS[Event.OPERAND] if starved else "", now)
                queue[0].waited |= starved

    def _execute_queued(self, execution: Execution, now: int) -> None:
        """What executes in a pipe with queues: it may have been in X for its first cycle, or it comes out of the queue."""
        queue = self._queues[execution.pipe, execution.thread]
        instruction = queue[0]
        self._settling = [each for each in self._settling if each[0] is not instruction]
        if instruction.stage == "Q":
            self._enter(instruction, "E", now)
            self._show_producer(instruction)
        held = _WAITS_FOR_SRAM if execution.waits else _OCCUPIES
        self._wait(instruction, held if execution.stays else "", now)
        if not execution.stays:
            queue.popleft()
            self._leave(instruction, False)

    def _commit(self, instruction: _Instruction, now: int) -> None:
        thread = self._threads[instruction.thread]
        reads, writes = registers(instruction.word)
        instruction.producer = self._last_writer(instruction.thread, reads)
        for register in writes:
            thread.writers[register] = instruction.number
        if instruction.pc is None:
            instruction.commit = 0
            text = "injected by a debugger: executed, and not counted as retired"
        else:
            thread.retired += 1
            instruction.commit = thread.retired
            # The retirement log counts a cycle as its port does, which shows what has happened in the cycle before.
            text = f"retired as number {thread.retired} of thread {instruction.thread}, cycle {now + 1} of the log"
        if instruction.number is not None:
            instruction.order = self._retired
            self._retired += 1
            self._detail(instruction, text)

    def _leave(self, instruction: _Instruction, killed: bool) -> None:
        """An instruction has had its last cycle in X."""
        if instruction.trapped:
            self._ending.append((instruction, "trapped"))
        elif killed:
            self._ending.append((instruction, "killed by an older instruction of its group"))
        elif instruction.commit < 0:
            row = decode(instruction.word)
            if row is not None and row.mnemonic == "swait":
                self._ending.append((instruction, "parked: executed again when the semaphore covers it"))
            else:
                self._ending.append((instruction, "not executed: the thread was stopped"))
        else:
            result = late_result(instruction.thread, instruction.word)
            if result is None:
                self._ending.append((instruction, ""))
                return
            before = self._awaited.get(result)
            if before is not None:
                # A register has one writer at a time: what this one waited for has failed.
                self._forget(result, before)
            self._awaited[result] = instruction
            self._leaving.append(instruction)

    def _forget(self, result: Write, instruction: _Instruction) -> None:
        del self._awaited[result]
        self._detail(instruction, "its result has not come")
        self._ending.append((instruction, ""))

    def _drop(self, instructions: deque[_Instruction], reason: str = "dropped: the thread went on elsewhere") -> None:
        for instruction in instructions:
            self._ending.append((instruction, reason))
        instructions.clear()

    def _show_waits(self, observed: ObservedCycle) -> None:
        for thread, event in zip(self._threads, observed.stalls, strict=False):
            held = WAITS.get(event, "")
            head = thread.queue[0] if held and thread.queue else None
            if thread.waiting is not None and thread.waiting is not head:
                self._wait(thread.waiting, "", observed.cycle)
            if head is not None:
                self._wait(head, held, observed.cycle)
                head.waited |= event == Event.OPERAND
            thread.waiting = head

    def _show_producer(self, instruction: _Instruction) -> None:
        """An arrow to an instruction that has waited for an operand, from the last one that writes what it reads."""
        if instruction.waited and instruction.number is not None:
            producer = instruction.producer
            if instruction.commit < 0:
                producer = self._last_writer(instruction.thread, registers(instruction.word)[0])
            if producer is not None:
                self._file.depend(instruction.number, producer)
                instruction.waited = False

    def _last_writer(self, thread: int, reads: Iterable[Register]) -> int | None:
        """Of those that have written these registers last, the last one, by its number in the file."""
        writers = self._threads[thread].writers
        return max((number for register in reads if (number := writers.get(register)) is not None), default=None)

    # -- the file -----------------------------------------------------------------------------------------------------

    def _enter(self, instruction: _Instruction, stage: str, now: int) -> None:
        if instruction.number is None:
            return
        self._file.at(now)
        if instruction.stage:
            self._file.end(instruction.number, instruction.stage)
        self._file.start(instruction.number, stage)
        instruction.stage = stage

    def _wait(self, instruction: _Instruction | None, held: str, now: int) -> None:
        if instruction is None or instruction.number is None or instruction.held == held:
            return
        self._file.at(now)
        if instruction.held:
            self._file.end(instruction.number, instruction.held, 1)
        if held:
            self._file.start(instruction.number, held, 1)
        instruction.held = held

    def _detail(self, instruction: _Instruction, text: str) -> None:
        if instruction.number is not None:
            self._file.label(instruction.number, f"{text}\n", DETAIL)

    def _finish(self, instruction: _Instruction, reason: str, now: int) -> None:
        if instruction.number is None:
            return
        self._wait(instruction, "", now)
        self._file.at(now)
        self._file.end(instruction.number, instruction.stage)
        if reason:
            self._detail(instruction, reason)
            self._file.flush(instruction.number, self._retired)
        else:
            self._file.retire(instruction.number, instruction.order)
        self._open -= 1
        instruction.number = None
