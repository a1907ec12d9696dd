# SPDX-License-Identifier: Apache-2.0
"""The surroundings of a store pipe: SRAM, the matrix array with its converters, and the golden node that all is compared with."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from typing import Any

from golden.config import NodeConfig
from golden.isa import Unit, decode
from golden.layout import SRAM_BASE, ControlRegister, FormatKind, Kind
from golden.packet import Packet
from rtl.matrix.timing import convert_cycles, convert_turns
from verif.rtl.core.pipes.pipe_bench import Entering, Executed, Model, PipeBench, check_commit, enter, with_operands

__all__ = ["Converters", "Player", "Store"]

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

    def __init__(self, context: Any, bench: PipeBench, model: Model, tohost: int, grants: list[bool]):
        self.context, self.bench, self.model, self.tohost = context, bench, model, tohost
        self.config, self.pipe = bench.config, bench.pipe
        self.grants = itertools.cycle(grants)
        self.memory = bytearray(model.node.sram)
        self.converters = Converters(bench.config)
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
        seen = tuple(context.get(getattr(address, name)) for name in ("upper", "exit", "y", "x", "offset"))
        assert seen == (packet.upper, packet.exit, packet.y, packet.x, packet.offset)
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
        converts = row.unit is Unit.ACCUMULATOR_STORE and not row.mnemonic.startswith("mst.f32")
        stochastic = converts and "s" in row.mnemonic.split(".")[-1]
        assert self.draws == (self.lines if stochastic else 0)
        assert self.flags == (self.lines if converts else 0)
