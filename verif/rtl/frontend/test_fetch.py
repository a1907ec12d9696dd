# SPDX-License-Identifier: Apache-2.0
"""Fetch follows predictions from window to window, thread by thread, and stays where an address lies outside of SRAM."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig
from golden.layout import OFFSET_BITS, SRAM_BASE
from rtl.frontend.fetch import FetchUnit
from verif.rtl.simulate import Simulation, property_settings

CONFIGS = [
    NodeConfig(threads=1, fetch_bytes=8, decode_width=4),
    NodeConfig(threads=2, fetch_bytes=16, sram_blocks=1, sram_ways=1, bank_lines=16),
    NodeConfig(threads=4, fetch_bytes=32, sram_blocks=1, sram_ways=1, bank_lines=16),
]
SIMULATIONS = {config: Simulation(FetchUnit(config)) for config in CONFIGS}

#: Words in and outside of SRAM, of this node's window and of others.
PLACE = st.sampled_from((0, 1, 5, 8, 250, 255, 256, 2**19 - 1, 2**19, 2**30, -1)) | st.integers(0, 260)
#: Per cycle: does the lookup hit; what is predicted of it; masks of threads that wait, go first, run, and have a window taken;
#: and perhaps a redirection or a correction of a thread.
CYCLE = st.tuples(
    st.sampled_from((True, True, False)),
    st.none() | st.tuples(st.integers(0, 7), st.integers(0, 260)),
    st.sampled_from((0, 0, 0, 1, 2, 5, 15)),
    st.sampled_from((0, 0, 1, 2, 12)),
    st.sampled_from((15, 15, 15, 7, 2)),
    st.integers(0, 15),
    st.none() | st.tuples(st.sampled_from(("redirect", "correct")), st.integers(0, 3), PLACE),
)


def word(address: int) -> int:
    """Code at a word address."""
    return address * 0x9E37_79B1 % 2**32


class Thread:
    """Where one thread is, and the windows that wait for decoders: first word, count, prediction, fault."""

    def __init__(self) -> None:
        self.pc = 0
        self.windows: list[tuple[int, int, int | None, bool]] = []


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"window{config.window_bytes}-threads{config.threads}")
@property_settings(40)
@given(cycles=st.lists(CYCLE, min_size=1, max_size=60))
def test_windows_follow_each_other_as_predicted(config: NodeConfig, cycles: list[Any]) -> None:
    simulation = SIMULATIONS[config]
    fetch = simulation.component
    size = config.window_bytes // 4
    everyone = (1 << config.threads) - 1

    async def check(context: Any) -> None:
        last_chosen = -1
        threads = [Thread() for _ in range(config.threads)]
        starts = [(True, None, 0, 0, 15, 0, ("redirect", number, 0)) for number in range(config.threads)]
        for hits, prediction, waits, first, runs, takes, event in starts + cycles:
            context.set(fetch.waits, waits & everyone)
            context.set(fetch.first, first & everyone)
            for number, thread in enumerate(threads):
                port = fetch.threads[number]
                kind, place = (event[0], event[2]) if event and event[1] % config.threads == number else ("", 0)
                place = place % 2**19 if kind == "correct" else place
                context.set(port.run, runs >> number & 1)
                context.set(port.redirect, kind == "redirect")
                context.set(port.redirect_target, (SRAM_BASE + 4 * place) % 2**64)
                context.set(port.correct, kind == "correct")
                context.set(port.correct_target, place)
                taken = bool(thread.windows) and takes >> number & 1
                context.set(port.lane_a, taken)
                context.set(port.lane_b, taken)
                assert context.get(port.fetch_pc) == thread.pc % 2**OFFSET_BITS // 4
                assert context.get(port.upper) == thread.pc >> OFFSET_BITS
                assert context.get(port.valid) == bool(thread.windows)
                if thread.windows:
                    window, (begin, count, follows, fault) = context.get(port.window), thread.windows[0]
                    assert (window.pc, window.count, window.fault) == (begin, count, fault)
                    assert window.predicted == (follows is not None)
                    assert follows is None or window.follows == follows
                    assert [window.words[i] for i in range(count)] == [0 if fault else word(begin + i) for i in range(count)]

            wants = [
                number for number, thread in enumerate(threads)
                if runs >> number & 1 and not waits >> number & 1 and len(thread.windows) < 2
            ]  # fmt: skip
            urgent = [number for number in wants if first >> number & 1] or wants
            chosen = min(urgent, key=lambda number: (number <= last_chosen, number), default=None)
            pc = 0 if chosen is None else threads[chosen].pc
            inside = chosen is not None and SRAM_BASE <= pc < SRAM_BASE + config.sram_bytes
            address = pc % 2**OFFSET_BITS // 4
            start = address % size
            assert context.get(fetch.lookup) == (1 << (chosen or 0) if inside else 0)
            assert chosen is None or context.get(fetch.address) == address
            end, target = (max(prediction[0] % size, start), prediction[1]) if prediction else (size - 1, None)
            context.set(fetch.taken, target is not None)
            context.set(fetch.word, end)
            context.set(fetch.target, target or 0)
            context.set(fetch.hit, hits)
            context.set(fetch.words, sum(word(address - start + i) << 32 * i for i in range(size)))
            await context.tick()

            for number, thread in enumerate(threads):
                if thread.windows and takes >> number & 1:
                    thread.windows.pop(0)
            if chosen is not None:
                last_chosen = chosen
                thread = threads[chosen]
                if not inside:
                    thread.windows.append((address, 1, None, True))
                elif hits:
                    thread.windows.append((address, end - start + 1, target, False))
                    follows = address - start + size if target is None else target
                    thread.pc = thread.pc >> OFFSET_BITS << OFFSET_BITS | 4 * follows
            if event:
                kind, number, place = event
                thread = threads[number % config.threads]
                thread.windows.clear()
                thread.pc = (
                    (SRAM_BASE + 4 * place) % 2**64
                    if kind == "redirect"
                    else thread.pc >> OFFSET_BITS << OFFSET_BITS | 4 * (place % 2**19)
                )

    simulation.run(check)
