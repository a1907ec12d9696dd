# SPDX-License-Identifier: Apache-2.0
"""The generators of stochastic rounding of all threads."""

from amaranth.hdl import Array, C, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import GOLDEN_RATIO, ZERO_STATE

__all__ = ["RANDOM_BITS", "RandomLanes"]

#: Random bits that a lane takes of a step.
RANDOM_BITS = 24

_STATE_BITS = 32
_SEEDS = [(lane + 1) * GOLDEN_RATIO & 0xFFFF_FFFF for lane in range(16)]


def _seeded(seed, lane: int):
    """State of a lane's generator after a seed has been written, as a value and the condition that it is zero."""
    state = seed ^ C(_SEEDS[lane], _STATE_BITS)
    return state, ~state.any()


def _xorshift(m: Module, state, name: str) -> Signal:
    """State after a step of xorshift32 with shifts 13, 17 and 5."""
    first, second, third = (Signal(_STATE_BITS, name=f"{name}_{part}") for part in ("left", "right", "next"))
    m.d.comb += [
        first.eq(state ^ (state << 13)),
        second.eq(first ^ (first >> 17)),
        third.eq(second ^ (second << 5)),
    ]
    return third


class RandomLanes(wiring.Component):
    """One xorshift32 generator per thread and lane, as docs/arithmetic.md has them.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    reseed : In(threads), seed : In(32)
        Put all lanes of the threads at their start for a seed, at the end of the cycle.
    draw : In(1), thread : In(2)
        Random bits of this thread are wanted; without ``draw`` the outputs are 0.
    twice : In(1)
        The thread's generators advance by two steps instead of one at the end of the cycle, if ``draw`` and ``advance`` are set.
    advance : In(1)
    first, second : Out(fp32_lanes x 24)
        Random bits after one step and after two.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        bits = data.ArrayLayout(RANDOM_BITS, config.fp32_lanes)
        super().__init__(
            {
                "reseed": In(config.threads),
                "seed": In(_STATE_BITS),
                "draw": In(1),
                "thread": In(2),
                "twice": In(1),
                "advance": In(1),
                "first": Out(bits),
                "second": Out(bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        for lane in range(config.fp32_lanes):
            states = [Signal(_STATE_BITS, init=_SEEDS[lane], name=f"state{thread}_{lane}") for thread in range(config.threads)]
            chosen = Signal(_STATE_BITS, name=f"chosen{lane}")
            # Nothing toggles in here, and simulators compute nothing, unless random bits are wanted.
            with m.If(self.draw):
                m.d.comb += chosen.eq(Array(states)[self.thread])
            once = _xorshift(m, chosen, f"once{lane}")
            twice = _xorshift(m, once, f"twice{lane}")
            m.d.comb += [
                self.first[lane].eq(once[_STATE_BITS - RANDOM_BITS :]),
                self.second[lane].eq(twice[_STATE_BITS - RANDOM_BITS :]),
            ]
            start, is_zero = _seeded(self.seed, lane)
            for thread, state in enumerate(states):
                with m.If(self.reseed[thread]):
                    with m.If(is_zero):
                        m.d.sync += state.eq(ZERO_STATE)
                    with m.Else():
                        m.d.sync += state.eq(start)
                with m.Elif(self.draw & self.advance & (self.thread == thread)):
                    with m.If(self.twice):
                        m.d.sync += state.eq(twice)
                    with m.Else():
                        m.d.sync += state.eq(once)
        return m
