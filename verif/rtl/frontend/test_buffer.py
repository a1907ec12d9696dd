# SPDX-License-Identifier: Apache-2.0
"""The fetch buffer gives its words in order, the next one in front, two windows at most."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig
from rtl.frontend.buffer import FetchBuffer
from rtl.frontend.entry import lane_widths
from verif.rtl.simulate import Simulation, property_settings

CONFIGS = [
    NodeConfig(fetch_bytes=fetch_bytes, decode_width=decode_width)
    for fetch_bytes, decode_width in ((8, 1), (8, 8), (16, 3), (32, 4), (32, 5), (32, 8))
]
SIMULATIONS = {config: Simulation(FetchBuffer(config)) for config in CONFIGS}

#: Per cycle: does a window enter, from which word on and how many; which lanes take; is all dropped.
CYCLE = st.tuples(st.booleans(), st.integers(0, 7), st.integers(1, 8), st.integers(0, 3), st.sampled_from((0,) * 9 + (1,)))


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
