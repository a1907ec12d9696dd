# SPDX-License-Identifier: Apache-2.0
"""What holds back the instructions of a thread: from the contract (docs/architecture.md) and the instruction table alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS, Instruction, Unit
from golden.simd import transpose_group

__all__ = ["Named", "UnderWay", "has_operands", "named", "pipe_of", "ready", "wants"]

_PIPES = {
    Unit.ALU: "alu",
    Unit.LOAD: "load",
    Unit.VECTOR_LOAD: "load",
    Unit.STORE: "store",
    Unit.VECTOR_STORE: "store",
    Unit.ACCUMULATOR_STORE: "store",
    Unit.NETWORK: "store",
    Unit.SIMD: "simd",
    Unit.PREDICATE: "simd",
    Unit.MATRIX: "matrix",
}

#: Issued without any other instruction of their thread, beside those that access CSRs.
_ALONE = ("setfmt", "fence.i", "mret", "halt", "swait", "spost", "ecall", "ebreak")


@dataclass(frozen=True)
class Named:
    """What an instruction names, and what it does to memory. ``row`` is None of one that is illegal."""

    row: Instruction | None
    scalars_read: frozenset[int] = frozenset()
    scalars_written: frozenset[int] = frozenset()
    vectors_read: frozenset[int] = frozenset()
    vectors_written: frozenset[int] = frozenset()
    predicates_read: frozenset[int] = frozenset()
    predicates_written: frozenset[int] = frozenset()
    accumulator: int | None = None

    def unit(self, *units: Unit) -> bool:
        return self.row is not None and self.row.unit in units

    def mnemonic(self, *mnemonics: str) -> bool:
        return self.row is not None and self.row.mnemonic in mnemonics

    @property
    def alone(self) -> bool:
        return self.unit(Unit.CSR) or self.mnemonic(*_ALONE)

    @property
    def gathers(self) -> bool:
        return self.row is not None and self.row.mnemonic.startswith(("vlds", "vldx"))

    @property
    def reads_memory(self) -> bool:
        return self.unit(Unit.LOAD, Unit.VECTOR_LOAD) or (self.unit(Unit.MATRIX) and bool(self.scalars_read))

    @property
    def writes_memory(self) -> bool:
        """Requests to the network count as writes."""
        return self.unit(Unit.STORE, Unit.VECTOR_STORE, Unit.ACCUMULATOR_STORE, Unit.NETWORK)

    @property
    def goes_on_reading_vectors(self) -> bool:
        """Steps wait in their pipe before they take their registers, and transposes read them one pair after another."""
        return self.row is not None and ("part" in self.row.operands or (self.unit(Unit.MATRIX) and "vs1" in self.row.operands))


@dataclass(frozen=True)
class UnderWay:
    """What of the thread's instructions is under way, and what the threads share. Fields as in the hardware's
    ThreadHazards; those of queues, of which ``full`` and ``starved`` name pipes, say nothing where there are none."""

    scalars: frozenset[int] = frozenset()
    vectors: frozenset[int] = frozenset()
    predicates: frozenset[int] = frozenset()
    accumulators_busy: frozenset[int] = frozenset()
    accumulators_closed: frozenset[int] = frozenset()
    flags: frozenset[str] = frozenset()
    queued_writes: frozenset[int] = frozenset()
    queued_reads: frozenset[int] = frozenset()
    queued_step_reads: frozenset[int] = frozenset()
    queued_predicates: frozenset[int] = frozenset()
    full: frozenset[str] = frozenset()
    starved: frozenset[str] = frozenset()
    network_room: bool = True
    list_room: bool = True
    division_room: bool = True


def named(config: NodeConfig, word: int) -> Named:
    """What a word names, of which the instruction table knows the operands and the contract what else is illegal."""
    row = next((row for row in INSTRUCTIONS.values() if row.encodes(word)), None)
    if row is None or (row.mnemonic == "nlist" and not config.lists):
        return Named(None)
    operands = set(row.operands)
    rd, rs1, rs2 = word >> 7 & 31, word >> 15 & 31, word >> 20 & 31
    fields = {"rs1": rs1, "rs2": rs2}
    group = transpose_group(config, int(row.mnemonic[6:])) if "part" in operands else 1
    illegal = (
        ("md" in operands and rd >= config.accumulators)
        or ("sem" in operands and rd >= config.semaphores)
        or (len(row.post_increment) == 2 and rs1 % 2 == rs2 % 2)
        or ("part" in operands and (rs1 % group != 0 or rs2 % 16 >= group))
    )
    if illegal:
        return Named(None)

    def numbers(**places: int) -> frozenset[int]:
        return frozenset(number for operand, number in places.items() if operand in operands)

    advanced = frozenset(fields[operand] for operand in row.post_increment)
    first_vectors = frozenset((rs1 + n) % 32 for n in range(group)) if "vs1" in operands else frozenset()
    return Named(
        row,
        scalars_read=numbers(rs1=rs1, rs2=rs2),
        scalars_written=(numbers(rd=rd) - {0}) | advanced,
        vectors_read=first_vectors | numbers(vs2=rs2),
        vectors_written=numbers(vd=rd),
        predicates_read=numbers(pm=word >> 29 & 7, ps1=rs1 & 7, ps2=rs2 & 7),
        predicates_written=numbers(pd=rd & 7),
        accumulator=rd if "md" in operands else None,
    )


def pipe_of(instruction: Named) -> str:
    """The pipe that it needs; ``alu`` stands for both that execute plain integer operations."""
    row = instruction.row
    if row is None or row.mnemonic in ("pmv.x.p", "setfmt"):
        return "control"
    return _PIPES.get(row.unit, "control")


def has_operands(instruction: Named, state: UnderWay) -> bool:
    """Whether no vector register, predicate or accumulator that it operates on waits for anything that has begun."""
    i = instruction
    return not (
        (i.vectors_read | i.vectors_written) & state.vectors
        or (i.predicates_read | i.predicates_written) & state.predicates
        or (i.unit(Unit.MATRIX) and i.accumulator in state.accumulators_closed)
    )


def _waits_for_vectors(config: NodeConfig, instruction: Named, state: UnderWay) -> bool:
    """Whether vector registers, predicates or accumulators hold it back at issue."""
    i, there = instruction, has_operands(instruction, state)
    if not config.vector_queue:
        return not there or bool(i.vectors_written and "held_operands" in state.flags)
    pipe = pipe_of(i)
    if pipe == "simd":
        draws = i.row is not None and i.row.mnemonic.endswith(".s")
        behind = i.vectors_written & state.queued_step_reads or (draws and ("simd_waits" in state.flags or not there))
    elif pipe == "matrix":
        behind = i.vectors_read & state.queued_writes
    else:
        reserved = state.queued_writes | state.queued_reads | state.queued_step_reads
        behind = (
            not there
            or i.vectors_read & state.queued_writes
            or i.vectors_written & reserved
            or (i.predicates_read | i.predicates_written) & state.queued_predicates
        )
    return bool(behind or pipe in state.full & state.starved)


def wants(config: NodeConfig, instruction: Named, state: UnderWay) -> bool:
    """Whether nothing of its own thread that is under way holds it back, other than a full queue."""
    i = instruction
    return not (
        "gathering" in state.flags
        or bool((i.scalars_read | i.scalars_written) & state.scalars)
        or _waits_for_vectors(config, i, state)
        or (i.unit(Unit.ACCUMULATOR_STORE) and i.accumulator in state.accumulators_busy)
        or (i.reads_memory and "writing" in state.flags)
        or (i.writes_memory and "reading" in state.flags)
        or (i.alone and bool({"occupying", "reading"} & state.flags))
        or (i.unit(Unit.CSR) and "simd_pending" in state.flags)
    )


def _lacks(instruction: Named, state: UnderWay) -> bool:
    """Whether something that the threads share, other than its pipe, is not free for it."""
    i = instruction
    return (
        (i.unit(Unit.DIVIDE) and not state.division_room)
        or (i.unit(Unit.NETWORK) and not (state.list_room if i.mnemonic("nlist") else state.network_room))
        or (i.unit(Unit.VECTOR_LOAD) and "response_waiting" in state.flags)
    )


def _apart(config: NodeConfig, older: Named, younger: Named) -> bool:
    """Whether they may not be issued in the same cycle."""
    vectors = younger.vectors_read | younger.vectors_written
    transposes = younger.row is not None and "part" in younger.row.operands
    return (
        older.alone
        or younger.alone
        or older.gathers
        or bool(older.scalars_written & (younger.scalars_read | younger.scalars_written))
        or bool(older.vectors_written & vectors)
        # Of a group, transposes and predicates are not looked at by number.
        or bool(older.vectors_written and transposes)
        or bool(older.predicates_written and (younger.predicates_read or younger.predicates_written))
        or bool(older.goes_on_reading_vectors and younger.vectors_written)
        or bool(config.vector_queue and older.unit(Unit.SIMD) and older.vectors_read & younger.vectors_written)
        or (older.accumulator is not None and older.accumulator == younger.accumulator)
        or (older.reads_memory and younger.writes_memory)
        or (older.writes_memory and younger.reads_memory)
    )


def ready(config: NodeConfig, oldest: Sequence[Named], state: UnderWay) -> list[bool]:
    """Which of a thread's oldest instructions may be issued in this cycle, if all that are older are."""
    full = state.full if config.vector_queue else frozenset()
    return [
        wants(config, instruction, state)
        and not _lacks(instruction, state)
        and pipe_of(instruction) not in full
        and not any(_apart(config, older, instruction) for older in oldest[:place])
        for place, instruction in enumerate(oldest)
    ]
