# SPDX-License-Identifier: Apache-2.0
"""The load pipe against the golden node: all sizes, traps, gathers granule by granule, stalls, and what enters right behind."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.isa import INSTRUCTIONS, Unit, decode
from golden.layout import SRAM_BASE
from rtl.core.pipes.load import LoadPipe
from verif.golden.encoding import encode
from verif.rtl.core.pipes.pipe_bench import Entering, Executed, Model, PipeBench, check_commit, enter, with_operands
from verif.rtl.simulate import Simulation, property_settings

#: SRAM does not end at a power of two; lines hold two granules of eight bytes, and eight.
CONFIGS = {line_bytes: preset("tiny").replace(line_bytes=line_bytes, sram_blocks=3, bank_lines=16) for line_bytes in (16, 64)}
SIMULATIONS = {line_bytes: Simulation(PipeBench(LoadPipe(config), config)) for line_bytes, config in CONFIGS.items()}
ROWS = [row for row in INSTRUCTIONS.values() if row.unit in (Unit.LOAD, Unit.VECTOR_LOAD)]
GATHERS = [row for row in ROWS if row.mnemonic.startswith(("vlds", "vldx"))]


@dataclass(frozen=True)
class Load:
    """A load with its operands, cycles before it, and whether it is killed."""

    entering: Entering
    indices: bytes
    pause: int
    killed: bool


@dataclass(frozen=True)
class Granule:
    """A part of a load: where it is, and whether it is beyond the bound."""

    address: int
    skipped: bool


def granules(config: NodeConfig, load: Load) -> list[Granule] | None:
    """The granules of a gather, by the instruction table's description, or None if it is another load."""
    row = decode(load.entering.insn)
    assert row is not None
    if row not in GATHERS:
        return None
    name, size = row.mnemonic.split(".")
    rs1, rs2 = load.entering.rs1, load.entering.rs2
    stride, bound = ((rs2 >> shift & 0xFFFF_FFFF ^ 1 << 31) - (1 << 31) for shift in (0, 32))
    found = []
    for number in range(config.line_bytes // int(size)):
        step = int.from_bytes(load.indices[4 * number : 4 * number + 4], "little") if name == "vldx" else number * stride
        found.append(Granule((rs1 + step) % 2**64, name == "vldsz" and number >= bound))
    return found


def loads(config: NodeConfig) -> st.SearchStrategy[Load]:
    end = SRAM_BASE + config.sram_bytes
    line = config.line_bytes
    inside = st.integers(0, config.sram_bytes - 1)
    address = st.one_of(
        inside.map(lambda offset: SRAM_BASE + offset // line * line),
        inside.map(lambda offset: SRAM_BASE + offset // 8 * 8),
        inside.map(lambda offset: SRAM_BASE + offset),
        st.integers(-2 * line, 2 * line).map(lambda distance: end + distance // 8 * 8),
        st.integers(-line, line).map(lambda distance: end + distance),
        st.sampled_from((0, 1, SRAM_BASE - 8, SRAM_BASE - 1, SRAM_BASE | 1 << 40, SRAM_BASE | 1 << 21, 2**64 - 8)),
    )
    stride = st.one_of(st.integers(-4, 4).map(lambda n: 8 * n), st.integers(-2, 2).map(lambda n: 16 * n), st.integers(-9, 9))
    bound = st.one_of(st.integers(-1, line // 8 + 1), st.sampled_from((-(2**31), 2**31 - 1, 64)))
    index = st.one_of(st.integers(0, 4).map(lambda n: 16 * n), st.integers(0, 8).map(lambda n: 8 * n), st.integers(0, 2**32 - 1))
    indices = st.lists(index, min_size=line // 4, max_size=line // 4).map(
        lambda lanes: b"".join(n.to_bytes(4, "little") for n in lanes)
    )

    def of_row(row: Any, noise: int, address: int, stride: int, bound: int, indices: bytes, pause: int, killed: bool) -> Load:
        insn = int(row.match | noise & ~row.mask & 0xFFFF_FFFF)
        immediate = 0 if row in GATHERS or row.post_increment else (insn >> 20 ^ 0x800) - 0x800
        if insn >> 15 & 31 == 0:
            insn |= 1 << 15
        # Stride and base are registers of their own; the indices may not be both.
        if "rs2" in row.operands and insn >> 20 & 31 in (0, insn >> 15 & 31):
            insn ^= 1 << 21
            insn |= (1 << 20) * (insn >> 20 & 31 == 0)
        operands = ((address - immediate) % 2**64, (bound << 32 | stride % 2**32) % 2**64)
        return Load(with_operands(Entering(insn, SRAM_BASE, *operands, noise & 1, noise >> 1 & 3))[0], indices, pause, killed)

    row = st.one_of(st.sampled_from(ROWS), st.sampled_from(GATHERS))
    pause = st.sampled_from((0, 0, 0, 1, 3))
    killed = st.sampled_from((False,) * 5 + (True,))
    return st.builds(of_row, row, st.integers(0, 2**32 - 1), address, stride, bound, indices, pause, killed)


class Player:
    """Plays loads one right behind the other, answers as SRAM does, and compares every cycle."""

    def __init__(self, context: Any, config: NodeConfig, model: Model, grants: list[bool]):
        self.context, self.config, self.model = context, config, model
        self.bench = SIMULATIONS[config.line_bytes].component
        self.pipe = self.bench.pipe
        self.grants = itertools.cycle(grants)
        self.left: deque[Granule] | None = None
        self.expected: Executed
        self.lines = 0
        #: What the next cycle shows of scalars; what the second next one shows of vectors.
        self.late: tuple[int, int, int] | None = None
        self._next_late: tuple[int, int, int] | None = None
        self.vectors: deque[tuple[int, int, int] | None] = deque([None, None, None])

    async def play(self, stimuli: list[Load]) -> None:
        context, pipe = self.context, self.pipe
        waiting = deque(stimuli)
        now: Load | None = None
        pause = waiting[0].pause
        tail = 3
        while waiting or now or tail:
            tail -= not waiting and not now
            context.set(pipe.killed, bool(now and now.killed and context.get(pipe.first)))
            line, address = self._grant()
            if now:
                leaves = self._in_x(now, line is not None, address)
            else:
                leaves = True
                assert not context.get(pipe.commit.valid)
                assert not context.get(pipe.x_valid)
            self._check_results(bool(now))
            assert context.get(pipe.stall) == (not leaves)
            following = None
            if leaves and waiting:
                if pause:
                    pause -= 1
                else:
                    following = waiting.popleft()
                    pause = waiting[0].pause if waiting else 0
            enter(context, self.bench, following.entering if following else None)
            data = line if line is not None else bytes([0xA5]) * self.config.line_bytes
            await context.tick()
            context.set(pipe.read.data, int.from_bytes(data, "little"))
            if following:
                self._begin(following)
            if leaves:
                now = following

    def _begin(self, load: Load) -> None:
        """The load is in X for the first time: what the golden node makes of it."""
        entering, registers = with_operands(load.entering)
        indices = entering.insn >> 20 & 31
        self.model.thread.v[indices] = load.indices
        self.context.set(self.pipe.vs2, int.from_bytes(load.indices, "little"))
        before = self.model.thread.lines_loaded
        self.expected = self.model.execute(entering.insn, entering.pc, registers)
        self.lines = self.model.thread.lines_loaded - before
        found = granules(self.config, load)
        self.left = deque(found) if found is not None else None

    def _grant(self) -> tuple[bytes | None, int]:
        """Answer a request; the line that is read, if there is one, and its address."""
        context, read = self.context, self.pipe.read
        granted = bool(context.get(read.req) and next(self.grants))
        context.set(read.grant, granted)
        address = context.get(read.address) * self.config.line_bytes
        if not granted:
            return None, address
        # What traps may ask for anything.
        line = bytes(self.model.node.sram[address : address + self.config.line_bytes])
        return line.ljust(self.config.line_bytes, b"\0"), address

    def _in_x(self, load: Load, granted: bool, address: int) -> bool:
        """Compare the cycle of a load in X; whether it is its last."""
        context, pipe, record = self.context, self.pipe, self.expected.record
        first, traps = context.get(pipe.first), record.cause is not None
        row = decode(load.entering.insn)
        assert row is not None
        scalar = row.unit is Unit.LOAD
        assert context.get(pipe.gathers) == (self.left is not None)
        if load.killed:
            assert not context.get(pipe.commit.valid)
            assert not context.get(pipe.trap.valid)
            assert not context.get(pipe.loaded)
            return True
        number = load.entering.insn >> 7 & 31
        if self.left is None:
            leaves = traps or granted
            commits = bool(first)
            assert context.get(pipe.bad) == (bool(first) and traps)
        else:
            granule = self.left[0]
            size = int(row.mnemonic.split(".")[1])
            inside = 0 <= granule.address - SRAM_BASE < self.config.sram_bytes
            bad = not granule.skipped and (not inside or granule.address % size != 0)
            done = granule.skipped or granted
            assert not (granule.skipped and context.get(pipe.read.req)), "what is beyond the bound is not read"
            assert (
                bad
                or granule.skipped
                or address == (granule.address - SRAM_BASE) // self.config.line_bytes * self.config.line_bytes
            )
            if done and not bad:
                self.left.popleft()
            leaves = bad or not self.left
            commits = leaves
            assert not bad or traps
            # Whether it goes bad with the first granule is all that is asked for.
            assert context.get(pipe.bad) == (bool(first) and bad)
        assert context.get(pipe.commit.valid) == commits
        self.lines -= context.get(pipe.loaded)
        if commits:
            check_commit(context, pipe, load.entering, self.expected, late=scalar and number != 0)
        if leaves and not traps:
            assert self.lines == 0, "lines are counted as the golden node counts them"
            where = load.entering.thread, number
            if scalar and number:
                self._next_late = (*where, record.writes[0][1])
            if not scalar:
                assert self.expected.vector is not None
                self.vectors[-1] = (*where, int.from_bytes(self.expected.vector, "little"))
        return bool(leaves)

    def _check_results(self, in_x: bool) -> None:
        """What is on its way to registers arrives in its cycle, and nothing else does."""
        context, pipe = self.context, self.pipe
        late = tuple(context.get(getattr(pipe.late, name)) for name in ("thread", "number", "data"))
        assert (late if context.get(pipe.late.valid) else None) == self.late
        vector = self.vectors.popleft()
        seen = (context.get(pipe.vector_write.thread), context.get(pipe.vector_write.number), context.get(pipe.vector_data))
        assert (seen if context.get(pipe.vector_write.valid) else None) == vector
        assert context.get(pipe.busy) or not (in_x or self.late or vector or any(self.vectors))
        self.late, self._next_late = self._next_late, None
        self.vectors.append(None)


@pytest.mark.parametrize("line_bytes", CONFIGS)
def test_loads_do_what_the_golden_node_does_however_late_memory_grants(line_bytes: int) -> None:
    config, model = CONFIGS[line_bytes], Model(CONFIGS[line_bytes])

    @property_settings(100)
    @given(
        stimuli=st.lists(loads(config), min_size=1, max_size=10),
        grants=st.lists(st.booleans(), max_size=6).map(lambda some: [*some, True]),
        memory=st.binary(min_size=31, max_size=31),
    )
    def holds(stimuli: list[Load], grants: list[bool], memory: bytes) -> None:
        model.node.sram[:] = (memory * config.sram_bytes)[: config.sram_bytes]

        async def check(context: Any) -> None:
            await Player(context, config, model, grants).play(stimuli)

        SIMULATIONS[line_bytes].run(check)

    holds()


@pytest.mark.parametrize("line_bytes", CONFIGS)
def test_gathers_trap_in_any_granule_and_what_enters_right_behind_starts_with_its_own_first(line_bytes: int) -> None:
    config, model = CONFIGS[line_bytes], Model(CONFIGS[line_bytes])
    end = SRAM_BASE + config.sram_bytes
    model.node.sram[:] = bytes(n * 37 % 251 for n in range(config.sram_bytes))
    count = config.line_bytes // 8

    def load(insn: int, rs1: int, rs2: int = 0, *, killed: bool = False) -> Load:
        indices = b"".join((8 * n).to_bytes(4, "little") for n in range(config.line_bytes // 4))
        return Load(Entering(insn, SRAM_BASE, rs1, rs2, 1, 2), indices, 0, killed)

    good = load(encode("vlds.8", 9, 10, 11), SRAM_BASE + 64, 8)
    behind = [
        good,
        load(encode("ld", 5, 8, 10), SRAM_BASE + 128),
        load(encode("vld", 7, 0, 10), SRAM_BASE + 128),
        load(encode("vldx.8", 9, 10, 12), SRAM_BASE + 32),
    ]
    stimuli: list[Load] = []
    for bad, following in itertools.product(range(count), behind):
        for gather in (
            load(encode("vlds.8", 3, 10, 11), end - 8 * bad, 8),
            load(encode("vlds.8", 3, 10, 11), SRAM_BASE + 8 * (bad - 1) + 8, 2**32 - 8),
            load(encode("vldsz.8", 3, 10, 11), end - 8 * bad, bad << 32 | 8),
            load(encode("vldx.8", 3, 10, 12), end - 8 * bad),
            load(encode("vlds.8", 3, 10, 11), SRAM_BASE, 8, killed=True),
            load(encode("vldsz.16", 3, 10, 11), SRAM_BASE + 32, (1 << 32) | 16),
        ):
            stimuli += [gather, following]

    async def check(context: Any) -> None:
        for grants in ([True], [True, False, False]):
            await Player(context, config, model, grants).play(stimuli)

    SIMULATIONS[line_bytes].run(check)
