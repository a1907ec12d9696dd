# SPDX-License-Identifier: Apache-2.0
"""The generators of stochastic rounding of all threads."""

from amaranth.hdl import C, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import GOLDEN_RATIO, ZERO_STATE

__all__ = ["RANDOM_BITS", "SEEDS", "RandomLanes", "random_name"]

#: Random bits that a lane takes of a step.
RANDOM_BITS = 24

_STATE_BITS = 32

#: What the seed is combined with, by lane.
SEEDS = tuple((lane + 1) * GOLDEN_RATIO & 0xFFFF_FFFF for lane in range(16))


def random_name(config: NodeConfig) -> str:
    """Name of the module of the generators."""
    return f"d1_random_{config.fp32_lanes}_{config.threads}"


class RandomLanes(wiring.Component):
    """One xorshift32 generator per thread and lane, as docs/arithmetic.md has them.

    A node instantiates it as module ``random_name``, in whose place simulators may put code of their own.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    thread : In(2)
    reseed : In(1), seed : In(32)
        Put all lanes of the thread at their start for a seed, at the end of the cycle.
    draw : In(1)
        Random bits of the thread are wanted; without ``draw`` the outputs are 0, and nothing toggles in here.
    advance, twice : In(1)
        With ``draw``: the thread's generators advance at the end of the cycle, by one step or by two.
    first, second : Out(fp32_lanes x 24)
        Random bits after one step and after two.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        bits = data.ArrayLayout(RANDOM_BITS, config.fp32_lanes)
        super().__init__(
            {
                "thread": In(2),
                "reseed": In(1),
                "seed": In(_STATE_BITS),
                "draw": In(1),
                "advance": In(1),
                "twice": In(1),
                "first": Out(bits),
                "second": Out(bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        threads, lanes = self.config.threads, self.config.fp32_lanes
        layout = data.ArrayLayout(_STATE_BITS, lanes)
        m.submodules.states = states = Memory(shape=layout, depth=max(2, threads), init=[])
        read, write = states.read_port(domain="comb"), states.write_port()
        address = self.thread[: (max(2, threads) - 1).bit_length()]
        # Reset does not reach the states; until one is written, the thread has that of seed 0.
        seeded = Signal(threads)
        with m.If(write.en):
            m.d.sync += seeded.bit_select(address, 1).eq(1)

        m.d.comb += [read.addr.eq(address), write.addr.eq(address)]
        with m.If(self.reseed):
            m.d.comb += write.en.eq(1)
            for lane in range(lanes):
                state = self.seed ^ C(SEEDS[lane], _STATE_BITS)
                m.d.comb += write.data[lane].eq(Mux(state.any(), state, ZERO_STATE))
        with m.Elif(self.draw):
            m.d.comb += write.en.eq(self.advance)
            for lane in range(lanes):
                state = Mux(seeded.bit_select(address, 1), read.data[lane], SEEDS[lane])
                once = self._step(m, state, f"once{lane}")
                twice = self._step(m, once, f"twice{lane}")
                m.d.comb += [
                    self.first[lane].eq(once[_STATE_BITS - RANDOM_BITS :]),
                    self.second[lane].eq(twice[_STATE_BITS - RANDOM_BITS :]),
                    write.data[lane].eq(Mux(self.twice, twice, once)),
                ]
        return m

    @staticmethod
    def _step(m, state, name):
        """State after a step of xorshift32 with shifts 13, 17 and 5."""
        left, right, after = (Signal(_STATE_BITS, name=f"{name}_{part}") for part in ("left", "right", "after"))
        m.d.comb += [left.eq(state ^ (state << 13)), right.eq(left ^ (left >> 17)), after.eq(right ^ (right << 5))]
        return after
