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
        write, write_data = Signal(), Signal(layout)
        if threads == 1:
            states = Signal(layout, init=SEEDS[:lanes])
            with m.If(write):
                m.d.sync += states.eq(write_data)
        else:
            m.submodules.states = memory = Memory(shape=layout, depth=threads, init=[])
            read_port, write_port = memory.read_port(domain="comb"), memory.write_port()
            address = self.thread[: (threads - 1).bit_length()]
            # Reset does not reach the states; until one is written, the thread has that of seed 0.
            seeded = Signal(threads)
            with m.If(write):
                m.d.sync += seeded.bit_select(address, 1).eq(1)
            states = Signal(layout)
            m.d.comb += [
                read_port.addr.eq(address),
                write_port.addr.eq(address),
                write_port.en.eq(write),
                write_port.data.eq(write_data),
                *(
                    states[lane].eq(Mux(seeded.bit_select(address, 1), read_port.data[lane], SEEDS[lane]))
                    for lane in range(lanes)
                ),
            ]

        m.d.comb += write.eq(self.reseed | (self.draw & self.advance))
        for lane in range(lanes):
            state = Signal(_STATE_BITS, name=f"state{lane}")
            with m.If(self.draw):
                m.d.comb += state.eq(states[lane])
            once = self._step(m, state, f"once{lane}")
            twice = self._step(m, once, f"twice{lane}")
            seed = self.seed ^ C(SEEDS[lane], _STATE_BITS)
            m.d.comb += [
                self.first[lane].eq(once[_STATE_BITS - RANDOM_BITS :]),
                self.second[lane].eq(twice[_STATE_BITS - RANDOM_BITS :]),
                write_data[lane].eq(Mux(self.reseed, Mux(seed.any(), seed, ZERO_STATE), Mux(self.twice, twice, once))),
            ]
        return m

    @staticmethod
    def _step(m, state, name):
        """State after a step of xorshift32 with shifts 13, 17 and 5."""
        left, right, after = (Signal(_STATE_BITS, name=f"{name}_{part}") for part in ("left", "right", "after"))
        m.d.comb += [left.eq(state ^ (state << 13)), right.eq(left ^ (left >> 17)), after.eq(right ^ (right << 5))]
        return after
