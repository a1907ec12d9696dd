# SPDX-License-Identifier: Apache-2.0
"""The store pipe against the golden node: masks, traps, accumulators as they are and converted, exits, requests, kills."""

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
from golden.layout import EXIT_BITS, GLOBAL_ADDRESS_BITS, SRAM_BASE, TOHOST_PAYLOAD_BITS, ControlRegister, FormatKind, Kind
from golden.packet import Packet
from rtl.core.pipes.store import StorePipe
from rtl.matrix.timing import convert_cycles, convert_turns
from verif.golden.encoding import encode
from verif.rtl.core.pipes.pipe_bench import Entering, Executed, Model, PipeBench, check_commit, enter, with_operands
from verif.rtl.simulate import Simulation, property_settings

_SMALL = preset("tiny").replace(sram_blocks=3, bank_lines=16)
#: Accumulators of one, two and four lines; one takes converters in turns.
CONFIGS = {
    16: _SMALL,
    32: _SMALL.replace(line_bytes=32, accumulators=4, matrix_passes=2),
    64: _SMALL.replace(line_bytes=64),
}
SIMULATIONS = {line_bytes: Simulation(PipeBench(StorePipe(config), config)) for line_bytes, config in CONFIGS.items()}
ROWS = [
    row
    for row in INSTRUCTIONS.values()
    if row.unit in (Unit.STORE, Unit.VECTOR_STORE, Unit.ACCUMULATOR_STORE) or row.mnemonic.startswith("n")
]
OF_ACCUMULATORS = [row for row in ROWS if row.unit is Unit.ACCUMULATOR_STORE]
#: What is on a bus that nobody looks at.
GARBAGE = 0x5A


@dataclass(frozen=True)
class Store:
    """A store or request with its operands, the format that it names, cycles before it, and whether it is killed."""

    entering: Entering
    vector: bytes
    accumulator: bytes
    descriptor: int
    pause: int
    killed: bool


def stores(config: NodeConfig, tohost: int) -> st.SearchStrategy[Store]:
    end, line = SRAM_BASE + config.sram_bytes, config.line_bytes
    inside = st.integers(0, config.sram_bytes - 1)
    address = st.one_of(
        inside.map(lambda offset: SRAM_BASE + offset // line * line),
        inside.map(lambda offset: SRAM_BASE + offset // 8 * 8),
        inside.map(lambda offset: SRAM_BASE + offset),
        st.integers(-6, 2).map(lambda lines: end + lines * line),
        st.integers(-line, line).map(lambda distance: end + distance),
        st.just(tohost),
        st.just(tohost),
        st.sampled_from((tohost + 1, tohost + 8, 0, SRAM_BASE - 8, SRAM_BASE | 1 << 40, SRAM_BASE | 1 << 21)),
    )
    elsewhere = st.one_of(
        # Every exit as often, also those that are no port.
        st.builds(
            lambda where, exit_: where // line * line | exit_ << GLOBAL_ADDRESS_BITS - EXIT_BITS,
            st.integers(0, 2 ** (GLOBAL_ADDRESS_BITS - EXIT_BITS) - 1),
            st.sampled_from(range(8)),
        ),
        st.integers(0, 2**64 - 1).map(lambda where: where // 8 * 8),
        st.integers(0, 2**52 - 1),
    )
    contents = st.binary(min_size=line, max_size=line)
    corner = st.sampled_from((0, 1 << 31, 0x3F80_0000, 0x7F80_0000, 0x7F80_0001, 1, 0x7F7F_FFFF, 0xBF81_8181))
    elements = st.lists(corner | st.integers(0, 2**32 - 1), min_size=4, max_size=4)

    def different(chosen: list[int]) -> bytes:
        """Elements of an accumulator that has no two lines alike."""
        numbers = (chosen[n % 4] ^ n // 4 * 0x0101_0101 for n in range(config.accumulator_bytes // 4))
        return b"".join(number.to_bytes(4, "little") for number in numbers)

    accumulator = elements.map(different)
    descriptor = st.builds(lambda kind, bias: kind << 6 | bias, st.sampled_from(list(FormatKind)), st.integers(0, 63))

    def of_row(
        row: Any, noise: int, here: int, there: int, value: int, vector: bytes, accumulator: bytes, descriptor: int,
        pause: int, killed: bool,
    ) -> Store:  # fmt: skip
        if row.unit is Unit.ACCUMULATOR_STORE:
            noise = noise & ~(31 << 7) | noise % config.accumulators << 7
        if "sem" in row.operands:
            noise = noise & ~(31 << 7) | noise % config.semaphores << 7
        insn = int(row.match | noise & ~row.mask & 0xFFFF_FFFF)
        if insn >> 15 & 31 == 0:
            insn |= 1 << 15
        if "rs2" in row.operands and insn >> 20 & 31 == insn >> 15 & 31:
            insn ^= 1 << 21
        immediate = 0
        if "imm_s" in row.operands and not row.post_increment:
            immediate = ((insn >> 25 << 5 | insn >> 7 & 31) ^ 0x800) - 0x800
        address = there if row.unit is Unit.NETWORK else here - immediate
        entering = with_operands(Entering(insn, SRAM_BASE, address % 2**64, value, 0, noise >> 1 & 3))[0]
        return Store(entering, vector, accumulator, descriptor, pause, killed)

    return st.builds(
        of_row,
        st.sampled_from((Unit.STORE, Unit.VECTOR_STORE, Unit.ACCUMULATOR_STORE, Unit.ACCUMULATOR_STORE, Unit.NETWORK)).flatmap(
            lambda unit: st.sampled_from([row for row in ROWS if row.unit is unit])
        ),
        st.integers(0, 2**32 - 1),
        address,
        elsewhere,
        st.integers(0, 2**64 - 1),
        contents,
        accumulator,
        descriptor,
        st.sampled_from((0, 0, 0, 1, 3)),
        st.sampled_from((False,) * 5 + (True,)),
    )


class Converters:
    """The matrix array's converters: a line's codes come some cycles after ``convert``, and stay until the next one."""

    def __init__(self, config: NodeConfig):
        self.takes, self.turns = convert_cycles(config), convert_turns(config)
        self._due: deque[tuple[int, int]] = deque()
        self._shown: int | None = None
        self.held = 0
        self.cycle = 0

    def accept(self, codes: int) -> None:
        """A line's conversion starts."""
        assert not self._due, "a conversion starts before the one before has ended"
        self._due.append((self.cycle + self.takes, codes))
        self._shown = None
        self.held = self.turns

    @property
    def ends(self) -> bool:
        """Whether this is the last cycle of a conversion."""
        return bool(self._due) and self._due[0][0] == self.cycle + 1

    def step(self) -> int | None:
        """The next cycle; what is there in it."""
        self.cycle += 1
        self.held = max(0, self.held - 1)
        if self._due and self._due[0][0] == self.cycle:
            self._shown = self._due.popleft()[1]
        return self._shown


class Player:
    """Plays stores one right behind the other, serves as SRAM and matrix array, and compares every cycle."""

    def __init__(self, context: Any, config: NodeConfig, model: Model, tohost: int, grants: list[bool]):
        self.context, self.config, self.model, self.tohost = context, config, model, tohost
        self.bench = SIMULATIONS[config.line_bytes].component
        self.pipe = self.bench.pipe
        self.grants = itertools.cycle(grants)
        self.memory = bytearray(model.node.sram)
        self.converters = Converters(config)
        #: Entry and line of the accumulators that were addressed in the cycle before.
        self.addressed = self._held = (0, 0)
        self.expected: Executed
        self.codes: list[int] = []
        self.lines = self.stored = self.draws = self.flags = 0
        context.set(self.pipe.tohost, tohost)

    async def play(self, stimuli: list[Store]) -> None:
        context, pipe = self.context, self.pipe
        waiting = deque(stimuli)
        now: Store | None = None
        pause = waiting[0].pause
        while waiting or now:
            context.set(pipe.killed, bool(now and now.killed and context.get(pipe.first)))
            self._show_accumulator(now)
            granted = self._grant()
            self._convert(now)
            if now:
                leaves = self._in_x(now, granted)
            else:
                leaves = True
                for strobe in (pipe.commit.valid, pipe.x_valid, pipe.write.req, pipe.tx_valid, pipe.exit, pipe.exiting):
                    assert not context.get(strobe)
            assert context.get(pipe.stall) == (not leaves)
            if now and leaves:
                self._left(now)
            following = None
            if leaves and waiting:
                if pause:
                    pause -= 1
                else:
                    following = waiting.popleft()
                    pause = waiting[0].pause if waiting else 0
            enter(context, self.bench, following.entering if following else None)
            self.addressed = (context.get(pipe.accumulator_entry), context.get(pipe.accumulator_line))
            await context.tick()
            if following:
                self._begin(following)
            codes = self.converters.step()
            nothing = int.from_bytes(bytes([GARBAGE]) * self.config.line_bytes, "little")
            context.set(pipe.converted, nothing if codes is None else codes)
            if leaves:
                now = following

    def _begin(self, store: Store) -> None:
        """The store is in X for the first time: what the golden node makes of it."""
        context, pipe, model, entering = self.context, self.pipe, self.model, store.entering
        row = decode(entering.insn)
        assert row is not None
        vector = entering.insn >> 20 & 31
        model.thread.v[:] = [bytes(self.config.line_bytes)] * 32
        model.thread.v[vector] = store.vector
        context.set(pipe.vs2, int.from_bytes(store.vector, "little"))
        if row.unit is Unit.ACCUMULATOR_STORE:
            model.thread.accumulators.load(entering.insn >> 7 & 31, store.accumulator)
        model.thread.formats.write(entering.insn >> 20 & 15, store.descriptor)
        context.set(pipe.named, {"bias": store.descriptor & 63, "kind": store.descriptor >> 6})
        model.node.write_register(ControlRegister.TOHOST_ADDRESS, self.tohost)
        model.sent.clear()
        stored = model.thread.lines_stored
        self.memory[:4] = model.node.sram[:4] = entering.insn.to_bytes(4, "little")
        kept = bytes(model.node.sram)
        self.expected = model.execute(entering.insn, entering.pc, with_operands(entering)[1])
        self.lines = model.thread.lines_stored - stored
        self.stored = self.draws = self.flags = 0
        self.codes = []
        if self.lines and row.unit is Unit.ACCUMULATOR_STORE:
            start, lines = entering.rs1 - SRAM_BASE, self.config.accumulator_lines
            size = self._tile_bytes(store) // lines
            codes = bytes(model.node.sram[start : start + size * lines])
            self.codes = [int.from_bytes(codes[n * size : n * size + size], "little") for n in range(lines)]
        if store.killed:
            model.node.sram[:] = kept

    def _tile_bytes(self, store: Store) -> int:
        row = decode(store.entering.insn)
        assert row is not None
        kind = store.descriptor >> 6
        if row.mnemonic.startswith("mst.f32"):
            kind = FormatKind.FP32
        elif row.mnemonic.startswith("mst.bf16"):
            kind = FormatKind.BF16
        element = {FormatKind.FP32: 4, FormatKind.CFP8_143: 1, FormatKind.CFP8_152: 1}.get(FormatKind(kind), 2)
        return self.config.matrix_m * self.config.matrix_n * element

    def _show_accumulator(self, now: Store | None) -> None:
        """Show the line that was addressed in the cycle before."""
        context, pipe = self.context, self.pipe
        line = bytes([GARBAGE]) * self.config.line_bytes
        entry, number = self.addressed
        if now and entry == self._entry(now):
            line = now.accumulator[number * self.config.line_bytes :][: self.config.line_bytes]
        context.set(pipe.accumulator_data, int.from_bytes(line, "little"))

    def _convert(self, now: Store | None) -> None:
        """Take a line to convert; count what comes with it."""
        context, pipe = self.context, self.pipe
        entry, number = self.addressed
        if self.converters.held:
            assert self.addressed == self._held, "the line stays where it is read while it is converted"
        if context.get(pipe.convert):
            assert now
            assert entry == self._entry(now)
            row = decode(now.entering.insn)
            assert row is not None
            named = "fmt" in row.operands
            assert context.get(pipe.convert_format.kind) == (now.descriptor >> 6 if named else FormatKind.BF16)
            assert context.get(pipe.convert_format.bias) == (now.descriptor & 63 if named else 0)
            assert context.get(pipe.convert_stochastic) == ("s" in row.mnemonic.split(".")[-1])
            self._held = self.addressed
            self.converters.accept(self.codes[number])
        assert context.get(pipe.advance) == self.converters.ends
        self.draws += bool(context.get(pipe.draw) and context.get(pipe.advance))
        self.flags += context.get(pipe.convert_flags_valid)

    def _entry(self, store: Store) -> int:
        return store.entering.thread * self.config.accumulators + (store.entering.insn >> 7 & 31)

    def _grant(self) -> bool:
        """Answer a request, and write what it says."""
        context, write = self.context, self.pipe.write
        granted = bool(context.get(write.req) and next(self.grants))
        context.set(write.grant, granted)
        mask, value = context.get(write.mask), context.get(write.data)
        start = context.get(write.address) * self.config.line_bytes
        for byte in range(self.config.line_bytes):
            if granted and mask >> byte & 1:
                self.memory[start + byte] = value >> 8 * byte & 0xFF
        self.stored += context.get(self.pipe.stored)
        return granted

    def _in_x(self, store: Store, granted: bool) -> bool:
        """Compare the cycle of a store in X; whether it is its last."""
        context, pipe, entering = self.context, self.pipe, store.entering
        first, traps = bool(context.get(pipe.first)), self.expected.record.cause is not None
        exits = not traps and self.model.node.exited
        if store.killed:
            for strobe in (pipe.commit.valid, pipe.trap.valid, pipe.tx_valid, pipe.exit, pipe.convert):
                assert not context.get(strobe)
            return True
        assert context.get(pipe.commit.valid) == first
        if first:
            check_commit(context, pipe, entering, self.expected)
        assert context.get(pipe.bad) == (first and (traps or exits))
        assert context.get(pipe.tx_valid) == bool(self.model.sent)
        if self.model.sent:
            self._check_request(self.model.sent[0])
        leaves = traps or bool(self.model.sent) or (granted and self.stored == self.lines)
        assert context.get(pipe.exit) == (exits and leaves)
        if not traps:
            assert context.get(pipe.exiting) == exits
            assert context.get(pipe.redirect) == (first and exits)
        if exits:
            assert context.get(pipe.exit_value) == self.model.node.tohost
            assert context.get(pipe.target) == entering.pc + 4
        return leaves

    def _check_request(self, packet: Packet) -> None:
        context, pipe = self.context, self.pipe
        address = pipe.tx_address
        seen = tuple(context.get(getattr(address, name)) for name in ("exit", "y", "x", "offset"))
        assert seen == (packet.exit, packet.y, packet.x, packet.offset)
        reads = packet.kind is Kind.READ
        seen = tuple(context.get(getattr(pipe, f"tx_{name}")) for name in ("read", "tag"))
        assert seen == (reads, packet.tag)
        assert (context.get(pipe.tx_post), context.get(pipe.tx_sem)) == (packet.post, packet.sem)
        if not reads:
            mask = context.get(pipe.tx_mask)
            assert mask == packet.mask
            bits = sum(0xFF << 8 * byte for byte in range(self.config.line_bytes) if mask >> byte & 1)
            assert context.get(pipe.tx_data) & bits == int.from_bytes(packet.data, "little") & bits

    def _left(self, store: Store) -> None:
        """What the store has done in all."""
        assert self.memory == self.model.node.sram
        if store.killed or self.expected.record.cause is not None:
            assert self.draws == 0
            return
        assert self.stored == self.lines
        row = decode(store.entering.insn)
        assert row is not None
        converts = row in OF_ACCUMULATORS and not row.mnemonic.startswith("mst.f32")
        stochastic = converts and "s" in row.mnemonic.split(".")[-1]
        assert self.draws == (self.lines if stochastic else 0)
        assert self.flags == (self.lines if converts else 0)


@pytest.mark.parametrize("line_bytes", CONFIGS)
def test_stores_and_requests_do_what_the_golden_node_does_however_late_memory_grants(line_bytes: int) -> None:
    config = CONFIGS[line_bytes]
    model, tohost = Model(config), SRAM_BASE + 0x88

    @property_settings(100)
    @given(
        st.lists(stores(config, tohost), min_size=1, max_size=10),
        st.lists(st.booleans(), max_size=6).map(lambda some: [*some, True]),
    )
    def holds(stimuli: list[Store], grants: list[bool]) -> None:
        async def check(context: Any) -> None:
            await Player(context, config, model, tohost, grants).play(stimuli)

        SIMULATIONS[line_bytes].run(check)

    holds()


def store(config: NodeConfig, mnemonic: str, address: int, value: int = 0, descriptor: int = 0) -> Store:
    """A store at an address; of a scalar, or of accumulator 1 in the format of a descriptor."""
    row = INSTRUCTIONS[mnemonic]
    fields = {"rs2": 11, "vs2": 11, "fmt": 5}
    operands = (0 if name == "imm_s" else 1 if name == "md" else 10 if name == "rs1" else fields[name] for name in row.operands)
    contents = bytes(range(config.accumulator_bytes))
    entering = Entering(encode(mnemonic, *operands), SRAM_BASE, address, value)
    return Store(entering, contents[: config.line_bytes], contents, descriptor, 0, False)


@pytest.mark.parametrize("line_bytes", CONFIGS)
def test_accumulators_at_the_end_of_memory_are_stored_as_a_whole_or_not_at_all(line_bytes: int) -> None:
    """Every format, at every place there that is a multiple of an element."""
    config = CONFIGS[line_bytes]
    end = SRAM_BASE + config.sram_bytes
    stimuli = [
        store(config, mnemonic, end + distance, descriptor=kind << 6 | 5)
        for kind in FormatKind
        for mnemonic in ("mst.f32", "mst.bf16", "mst.x", "mst.x.sp")
        if kind == 0 or "fmt" in INSTRUCTIONS[mnemonic].operands
        for distance in range(-config.accumulator_bytes - line_bytes, line_bytes, line_bytes // 4)
    ]

    async def check(context: Any) -> None:
        await Player(context, config, Model(config), 0, [True]).play(stimuli)

    SIMULATIONS[line_bytes].run(check)


def test_scalar_stores_to_tohost_exit_if_bit_0_of_what_they_store_is_set_and_device_and_command_are_0() -> None:
    config = CONFIGS[16]
    tohost = SRAM_BASE + 0x88
    asking = [1 << bit | 1 for bit in range(TOHOST_PAYLOAD_BITS, 64)]
    stimuli = [
        store(config, mnemonic, tohost + distance, value)
        for mnemonic in ("sb", "sh", "sw", "sd", "vst")
        for value in (0, 1, 2, 0x4321_8765_4321, 0x8765_4321_8765_4321, 0xFFFF_FFFF_FFFF_FFFE, 0x100, *asking)
        for distance in (0, 1, -8, 8)
    ]

    async def check(context: Any) -> None:
        for grants in ([True], [False, False, True]):
            await Player(context, config, Model(config), tohost, grants).play(stimuli)

    SIMULATIONS[16].run(check)
