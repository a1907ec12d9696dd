# SPDX-License-Identifier: Apache-2.0
"""The sequential core's fetch against a memory that grants when it likes."""

from __future__ import annotations

import random
from typing import Any

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given
from hypothesis import strategies as st

from golden.config import preset
from golden.layout import OFFSET_BITS, SRAM_BASE
from rtl.core.decoder import DecodedLayout, Decoder
from rtl.sequential.fetch import SequentialFetch
from verif.bench import bench_seed
from verif.rtl.core.test_decoder import is_legal, words
from verif.rtl.simulate import Simulation, property_settings

CONFIG = preset("nano")
SIMULATION = Simulation(SequentialFetch(CONFIG))
END = SRAM_BASE + CONFIG.sram_bytes

#: Where the thread is sent: into SRAM, to its end, beside it, to where there is nothing.
TARGETS = st.one_of(
    st.integers(0, CONFIG.sram_bytes // 4 - 1).map(lambda word: SRAM_BASE + 4 * word),
    st.integers(1, 4).map(lambda words: END - 4 * words),
    st.sampled_from((0, END, SRAM_BASE - 4, SRAM_BASE + (1 << OFFSET_BITS), (1 << 64) - 4, 1 << 40)),
)
#: Whether SRAM grants, whether the thread runs, whether it takes, and where it is sent, if anywhere.
CYCLE = st.tuples(st.booleans(), st.integers(0, 7).map(bool), st.booleans(), st.one_of(*[st.none()] * 5, TARGETS))


def word_at(address: int) -> int:
    """What the memory holds: something else at every address."""
    return (address * 0x9E37_79B1 ^ address >> 3) & 0xFFFF_FFFF


def line_at(number: int) -> int:
    """A line of it."""
    start = SRAM_BASE + number * CONFIG.line_bytes
    return sum(word_at(start + 4 * place) << 32 * place for place in range(CONFIG.line_bytes // 4))


@property_settings(150)
@given(first=TARGETS, cycles=st.lists(CYCLE, max_size=80))
def test_every_instruction_comes_once_and_in_order(first: int, cycles: list[Any]) -> None:
    fetch = SIMULATION.component

    async def check(context: Any) -> None:
        pc, read, shown = first, None, first
        context.set(fetch.redirect, 1)
        context.set(fetch.target, first)
        await context.tick()
        for grants, runs, takes, target in cycles:
            context.set(fetch.run, runs)
            context.set(fetch.redirect, target is not None)
            context.set(fetch.target, target or 0)
            context.set(fetch.port.grant, 0)
            context.set(fetch.port.data, 0xDEAD_BEEF if read is None else line_at(read))
            valid = context.get(fetch.valid)
            assert context.get(fetch.pc) == shown
            in_sram = SRAM_BASE <= pc < END
            if context.get(fetch.coming):
                word = word_at(pc) if in_sram else 0
                assert (context.get(fetch.rs1), context.get(fetch.rs2)) == (word >> 15 & 31, word >> 20 & 31)
            if valid:
                assert context.get(fetch.coming)
                assert context.get(fetch.fault) == (not in_sram)
                assert context.get(fetch.insn) == (word_at(pc) if in_sram else 0)
            takes = takes and bool(valid) and in_sram and target is None
            context.set(fetch.take, takes)
            asked = context.get(fetch.port.req)
            assert not (asked and not runs)
            read = context.get(fetch.port.address) if asked and grants else None
            context.set(fetch.port.grant, read is not None)
            # An address that was taken shows for a cycle more.
            shown = pc
            if target is not None:
                shown = pc = target
            elif takes:
                pc += 4
            await context.tick()

    SIMULATION.run(check)


def test_a_word_comes_in_three_cycles_and_the_next_one_is_read_ahead() -> None:
    fetch = SIMULATION.component

    async def check(context: Any) -> None:
        context.set(fetch.run, 1)
        context.set(fetch.redirect, 1)
        context.set(fetch.target, SRAM_BASE)
        await context.tick()
        context.set(fetch.redirect, 0)
        context.set(fetch.port.grant, 1)
        context.set(fetch.port.data, line_at(0))
        for _ in range(3):
            assert not context.get(fetch.valid)
            await context.tick()
        assert context.get(fetch.valid)
        # If one is taken every fourth cycle, the next one always follows at once.
        for word in range(4):
            for take in (0, 0, 1):
                context.set(fetch.take, take)
                assert context.get(fetch.valid)
                assert context.get(fetch.insn) == word_at(SRAM_BASE + 4 * word)
                await context.tick()
            context.set(fetch.take, 0)
            assert not context.get(fetch.valid)
            assert context.get(fetch.coming)
            await context.tick()

    SIMULATION.run(check)


@property_settings(60)
@given(
    pc=TARGETS,
    ran=st.integers(0, 12),
    injected=st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 3)), min_size=1, max_size=3),
)
def test_what_is_injected_comes_once_instead_of_what_is_fetched_and_the_address_stays(
    pc: int, ran: int, injected: list[tuple[int, int]]
) -> None:
    fetch = SIMULATION.component

    async def check(context: Any) -> None:
        async def cycle(**inputs: int) -> None:
            """One cycle, with these inputs set and SRAM granting what is asked for."""
            for name in ("run", "redirect", "take", "keep", "inject", "word"):
                context.set(getattr(fetch, name), inputs.get(name, 0))
            asked = context.get(fetch.port.req)
            context.set(fetch.port.grant, asked)
            address = context.get(fetch.port.address)
            await context.tick()
            context.set(fetch.port.data, line_at(address) if asked else 0xDEAD_BEEF)

        context.set(fetch.target, pc)
        await cycle(redirect=1)
        for _ in range(ran):
            await cycle(run=1)
        await cycle()
        for word, waits in injected:
            await cycle(inject=1, word=word)
            assert context.get(fetch.coming)
            assert not context.get(fetch.valid)
            assert (context.get(fetch.rs1), context.get(fetch.rs2)) == (word >> 15 & 31, word >> 20 & 31)
            for _ in range(1 + waits):
                await cycle()
                assert (context.get(fetch.valid), context.get(fetch.insn), context.get(fetch.fault)) == (1, word, 0)
            await cycle(take=1, keep=1)
            for _ in range(6):
                assert not context.get(fetch.coming)
                assert context.get(fetch.pc) == pc
                await cycle()
        await cycle(redirect=1)
        for _ in range(4):
            await cycle(run=1)
        assert context.get(fetch.valid)
        assert context.get(fetch.insn) == (word_at(pc) if SRAM_BASE <= pc < END else 0)

    SIMULATION.run(check)


def test_the_lowest_bits_of_a_target_show_for_one_cycle() -> None:
    fetch = SIMULATION.component

    async def check(context: Any) -> None:
        context.set(fetch.redirect, 1)
        context.set(fetch.target, SRAM_BASE + 6)
        await context.tick()
        context.set(fetch.redirect, 0)
        assert context.get(fetch.pc) == SRAM_BASE + 6
        await context.tick()
        assert context.get(fetch.pc) == SRAM_BASE + 4

    SIMULATION.run(check)


class FetchBesideDecoder(wiring.Component):
    """The fetch unit on a memory that is full of one word, which is fetched anew after ``restart``, and what the decoder makes
    of the word."""

    def __init__(self) -> None:
        super().__init__(
            {
                "word": In(32),
                "restart": In(1),
                "valid": Out(1),
                "rejected": Out(1),
                "decoded": Out(DecodedLayout()),
                "expected": Out(DecodedLayout()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.fetch = fetch = SequentialFetch(CONFIG)
        m.submodules.decoder = decoder = Decoder(CONFIG)
        m.d.comb += [
            fetch.run.eq(1),
            fetch.redirect.eq(self.restart),
            fetch.target.eq(SRAM_BASE),
            fetch.port.grant.eq(fetch.port.req),
            fetch.port.data.eq(self.word.replicate(CONFIG.line_bytes // 4)),
            decoder.insn.eq(self.word),
            self.valid.eq(fetch.valid),
            self.rejected.eq(fetch.rejected),
            self.decoded.eq(fetch.decoded),
            self.expected.eq(decoder.decoded),
        ]
        return m


def test_instructions_are_decoded_as_everywhere_and_what_is_illegal_is_known_a_cycle_later() -> None:
    simulation = Simulation(FetchBesideDecoder())
    dut = simulation.component
    late = 0

    async def check(context: Any) -> None:
        nonlocal late
        for word in random.Random(bench_seed()).sample(words(bench_seed()), 1500):
            context.set(dut.word, word)
            context.set(dut.restart, 1)
            await context.tick()
            context.set(dut.restart, 0)
            await context.tick().until(dut.valid)
            decoded = context.get(dut.decoded)
            await context.tick()
            rejected = context.get(dut.rejected)
            assert (decoded.illegal or rejected) == (not is_legal(CONFIG, word)), f"{word:#010x}"
            if not rejected:
                assert decoded.as_bits() == context.get(dut.expected).as_bits(), f"{word:#010x}"
            late += rejected

    simulation.run(check)
    assert late > 10, "hardly any word was illegal in a way that the table does not know"
