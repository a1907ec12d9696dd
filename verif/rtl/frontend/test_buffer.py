# SPDX-License-Identifier: Apache-2.0
"""The fetch buffer gives its words in order, the next one in front, two windows at most: on random traffic, and proved."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Array, Assert, Assume, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig
from rtl.frontend.buffer import FetchBuffer
from rtl.frontend.entry import lane_widths, window_words
from verif.formal.proof import check_bounded, check_reachable
from verif.rtl.simulate import Simulation, property_settings

CONFIGS = [
    NodeConfig(fetch_bytes=fetch_bytes, decode_width=decode_width)
    for fetch_bytes, decode_width in ((8, 1), (8, 8), (16, 3), (32, 4), (32, 5), (32, 8))
]
SIMULATIONS = {config: Simulation(FetchBuffer(config)) for config in CONFIGS}

#: Per cycle: does a window enter, from which word on and how many; which lanes take; is all dropped.
CYCLE = st.tuples(st.booleans(), st.integers(0, 7), st.integers(1, 8), st.integers(0, 3), st.sampled_from((0,) * 9 + (1,)))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"window{c.window_bytes}-decode{c.decode_width}")
@property_settings(40)
@given(cycles=st.lists(CYCLE, min_size=1, max_size=40))
def test_words_leave_in_the_order_in_which_they_entered(config: NodeConfig, cycles: list[Any]) -> None:
    simulation = SIMULATIONS[config]
    buffer = simulation.component
    size = config.window_bytes // 4
    widths = lane_widths(config)

    async def check(context: Any) -> None:
        windows: list[dict[str, Any]] = []
        for number, (enters, start, count, lanes, drop) in enumerate(cycles):
            assert context.get(buffer.valid) == bool(windows)
            assert context.get(buffer.room) == (len(windows) < 2)
            if windows:
                shown, expected = context.get(buffer.window), windows[0]
                assert (shown.pc, shown.count) == (expected["pc"], expected["count"])
                assert [shown.words[i] for i in range(shown.count)] == expected["words"][: shown.count]
                assert (shown.predicted, shown.follows, shown.fault) == (
                    expected["predicted"], expected["follows"], expected["fault"]
                )  # fmt: skip
            enters = enters and len(windows) < 2
            start %= size
            count = min(count, size - start)
            words = [number << 8 | i for i in range(count)]
            entering = {
                "pc": number * size + start,
                "count": count,
                "predicted": number & 1,
                "follows": number,
                "fault": lanes & 1,
            }
            context.set(buffer.enter, enters)
            context.set(buffer.entering, {**entering, "words": words + [0] * (size - count)})
            # Lane B without lane A serves the thread alone.
            lanes &= 3 if widths[1] else 1
            takes = lanes if windows else 0
            context.set(buffer.lane_a, takes & 1)
            context.set(buffer.lane_b, takes >> 1)
            context.set(buffer.drop, drop)
            await context.tick()
            taken = widths[0] * (takes & 1) + widths[1] * (takes >> 1)
            if windows and taken >= windows[0]["count"]:
                windows.pop(0)
            elif windows:
                windows[0].update(
                    pc=windows[0]["pc"] + taken, count=windows[0]["count"] - taken, words=windows[0]["words"][taken:]
                )
            if enters:
                windows.append({**entering, "words": words})
            if drop:
                windows.clear()

    simulation.run(check)


#: Words are told by their addresses, of two windows of eight words, and by a bit that changes freely.
LABEL_BITS = 5


class Contract(wiring.Component):
    """The buffer beside an ideal one of single places: an address, a free bit, and whether the word ends its window."""

    def __init__(self, config: NodeConfig):
        self.config = config
        words = window_words(config)
        super().__init__(
            {
                "enter": In(1),
                "start": In(range(words)),
                "count": In(range(words + 1)),
                "window": In(1),
                "label": In(1),
                "predicted": In(1),
                "fault": In(1),
                "lanes": In(2),
                "drop": In(1),
                "full": Out(1),
                "replaced": Out(1),
                "partly": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        words = window_words(self.config)
        width_a, width_b = lane_widths(self.config)
        m.submodules.buffer = buffer = FetchBuffer(self.config)
        entering = buffer.entering
        address = Signal(LABEL_BITS - 1)
        labels = [Signal(LABEL_BITS, name=f"label{i}") for i in range(words)]
        m.d.comb += [
            address.eq(self.window * words + self.start),
            *(label.eq(Cat((address + i)[: LABEL_BITS - 1], self.label)) for i, label in enumerate(labels)),
            Assume((self.count > 0) & (self.start + self.count <= words)),
            Assume(~self.enter | buffer.room),
            Assume((self.lanes == 0) | buffer.valid),
            Assume(self.lanes[1] == 0) if not width_b else Assume(1),
            buffer.enter.eq(self.enter),
            entering.pc.eq(address),
            entering.count.eq(self.count),
            entering.predicted.eq(self.predicted),
            entering.fault.eq(self.fault),
            entering.follows.eq(labels[0]),
            *(entering.words[i].eq(labels[i]) for i in range(words)),
            buffer.lane_a.eq(self.lanes[0]),
            buffer.lane_b.eq(self.lanes[1]),
            buffer.drop.eq(self.drop),
        ]

        # Of each window that is there, the older one first: its words, and what belongs to it.
        windows = [
            {"count": Signal(range(words + 1), name=f"count{i}"), "about": Signal(2 + LABEL_BITS, name=f"about{i}")}
            for i in range(2)
        ]
        places = Array(Signal(LABEL_BITS, name=f"place{i}") for i in range(2 * words))
        here = Signal(range(3))
        older, younger = windows
        shown = buffer.window
        m.d.comb += [
            here.eq((older["count"] != 0) + (younger["count"] != 0)),
            Assert(buffer.valid == (here != 0)),
            Assert(buffer.room == (here != 2)),
            Assert(~buffer.valid | (shown.count == older["count"])),
            Assert(~buffer.valid | (shown.pc == places[0][:-1])),
            Assert(~buffer.valid | (Cat(shown.predicted, shown.fault, shown.follows[:LABEL_BITS]) == older["about"])),
            *(Assert(~buffer.valid | (shown.count <= i) | (shown.words[i] == places[i])) for i in range(words)),
        ]
        wanted, taken = Signal(range(2 * words + 1)), Signal(range(words + 1))
        rest, left = Signal(range(words + 1)), Signal(range(2 * words + 1))
        m.d.comb += [
            wanted.eq(Mux(self.lanes[0], width_a, 0) + Mux(self.lanes[1], width_b, 0)),
            taken.eq(Mux(wanted < older["count"], wanted, older["count"])),
            rest.eq(older["count"] - taken),
            left.eq(rest + younger["count"]),
        ]
        entered = Mux(self.enter, self.count, 0)
        about = Cat(self.predicted, self.fault, labels[0])
        with m.If(rest != 0):
            m.d.sync += older["count"].eq(rest)
            with m.If(self.enter):
                m.d.sync += [younger["count"].eq(self.count), younger["about"].eq(about)]
        with m.Elif(younger["count"] != 0):
            m.d.sync += [older["count"].eq(younger["count"]), older["about"].eq(younger["about"]), younger["count"].eq(entered)]
            m.d.sync += younger["about"].eq(about)
        with m.Else():
            m.d.sync += [older["count"].eq(entered), older["about"].eq(about)]
        for i in range(2 * words):
            # What is here moves up by what is taken; what enters goes behind it.
            moved = places[(i + taken)[: (2 * words).bit_length()]] if i < 2 * words - 1 else places[i]
            new = Array(labels)[(i - left)[: words.bit_length() - 1]]
            m.d.sync += places[i].eq(Mux(self.enter & (i >= left), new, moved))
        with m.If(self.drop):
            m.d.sync += [older["count"].eq(0), younger["count"].eq(0)]
        m.d.comb += [
            self.full.eq((here == 2) & (older["count"] + younger["count"] == 2 * words)),
            self.replaced.eq((here == 1) & (rest == 0) & self.enter & ~self.drop),
            self.partly.eq((rest != 0) & (taken != 0) & self.enter & ~self.drop),
        ]
        return m


PROVED = {config: cycles for config, cycles in zip(CONFIGS, (8, 8, 7, 6, 6, 5), strict=True)}


@pytest.mark.parametrize("config", PROVED, ids=lambda c: f"window{c.window_bytes}-decode{c.decode_width}")
def test_it_equals_an_ideal_buffer_in_every_run(config: NodeConfig) -> None:
    check_bounded(Contract(config), PROVED[config])


@pytest.mark.parametrize("output", ["full", "replaced", "partly"])
def test_what_is_hard_about_it_can_happen(output: str) -> None:
    check_reachable(Contract(CONFIGS[2]), output, 4)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"window{c.window_bytes}-decode{c.decode_width}")
def test_an_injected_word_is_all_that_an_empty_buffer_shows(config: NodeConfig) -> None:
    simulation = SIMULATIONS[config]
    buffer = simulation.component

    async def check(context: Any) -> None:
        # What a fault and a prediction have left.
        context.set(buffer.entering, {"pc": 3, "count": 2, "predicted": 1, "fault": 1, "words": [7] * (config.window_bytes // 4)})
        context.set(buffer.enter, 1)
        context.set(buffer.drop, 0)
        await context.tick()
        context.set(buffer.enter, 0)
        context.set(buffer.drop, 1)
        await context.tick()
        context.set(buffer.drop, 0)
        for pc, word in ((5, 0x1234_5678), (0x7_FFFF, 0xFFFF_FFFF)):
            for signal, value in ((buffer.inject, 1), (buffer.pc, pc), (buffer.word, word)):
                context.set(signal, value)
            await context.tick()
            context.set(buffer.inject, 0)
            window = context.get(buffer.window)
            assert (context.get(buffer.valid), context.get(buffer.room)) == (1, 1)
            assert (window.pc, window.count, window.predicted, window.fault, window.words[0]) == (pc, 1, 0, 0, word)
            context.set(buffer.lane_a, 1)
            await context.tick()
            context.set(buffer.lane_a, 0)
            assert not context.get(buffer.valid)

    simulation.run(check)
