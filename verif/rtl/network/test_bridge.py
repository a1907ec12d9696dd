# SPDX-License-Identifier: Apache-2.0
"""Bridges: nothing lost, doubled or out of order; on time; full rate at any length; classes do not hold up each other."""

from __future__ import annotations

from typing import Any

import cocotb
import pytest
from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import strategies as st

from golden.config import NodeConfig
from rtl.interfaces import LinkSignature
from rtl.network.bridge import Bridge, bridge_depth
from rtl.network.credits import Credits
from rtl.network.fifo import Fifo
from verif.bench import bench_parameters, bench_rng, check_property, run_bench, start
from verif.formal.netlist import registered_outputs
from verif.formal.proof import Counterexample, check_bounded, check_reachable
from verif.rtl.network.bridges import Bridges, Ends
from verif.rtl.network.flits import CONFIGS, NARROW_CONFIGS

#: Configurations, and cycles of the bridges under test: the shortest, some whose flits fill the wire exactly or not, the longest.
CASES: dict[str, tuple[NodeConfig, tuple[int, ...]]] = {
    "line16_depth3": (CONFIGS["line16_depth3"], (2, 3, 4, 7, 64, 200)),
    "line64_depth5": (CONFIGS["line64_depth5"], (2, 5, 33)),
    "line16_depth3_passes4": (NARROW_CONFIGS["line16_depth3_passes4"], (2, 3, 4, 5, 6, 41, 200)),
    "line64_depth5_passes2": (NARROW_CONFIGS["line64_depth5_passes2"], (2, 3, 12)),
}


@pytest.mark.parametrize("name", CASES)
def test_bridges(name: str) -> None:
    config, lengths = CASES[name]
    run_bench(Bridges([Bridge(config, cycles) for cycles in lengths]), parameters={"case": name})


@pytest.mark.parametrize("name", CASES)
def test_what_a_bridge_drives_comes_straight_from_flip_flops(name: str) -> None:
    config, (shortest, *_) = CASES[name]
    assert {"i__credit", "o__valid", "o__flit"} <= registered_outputs(Bridge(config, shortest))


@pytest.mark.parametrize("cycles", [1, 0, -3])
def test_a_bridge_of_less_than_two_cycles_is_refused(cycles: int) -> None:
    with pytest.raises(ValueError, match=f"cycles = {cycles}: a bridge takes at least 2"):
        Bridge(CONFIGS["line16_depth3"], cycles)


# ---------------------------------------------------------------------------------------------------------------------
# In simulation
# ---------------------------------------------------------------------------------------------------------------------


def case() -> tuple[NodeConfig, tuple[int, ...]]:
    return CASES[bench_parameters()["case"]]


async def play(ends: Ends, classes: list[int], prefers: list[int | None], limit: int) -> None:
    """Sends a flit of each class in the list, and checks that all arrive, in order."""
    for number, c in enumerate(classes):
        ends.send(number, c)
    while len(ends.left) < len(classes):
        assert ends.now < limit, f"{len(classes) - len(ends.left)} of {len(classes)} flits did not leave in {limit} cycles"
        await ends.step(prefers[ends.now % len(prefers)])
    for c, order in enumerate(ends.order):
        assert order == [number for number, of in enumerate(classes) if of == c]
    for _ in range(2 * ends.cycles + 8):
        await ends.step(0)
        assert ends.model.valid == 0
    assert ends.model.free == [bridge_depth(ends.config, ends.cycles)] * 2, "a place was lost or made"


@cocotb.test()
async def a_flit_that_nothing_holds_up_takes_one_cycle_less_than_the_link(dut: Any) -> None:
    await start(dut)
    config, lengths = case()
    for cycles in lengths:
        for c in range(2):
            ends = Ends(dut, config, cycles)
            await ends.reset()
            for number in range(3):
                ends.send(number, c)
                while number not in ends.left:
                    assert ends.now < 4 * (cycles + 10)
                    await ends.step(c)
                assert ends.left[number] - ends.entered[number] == cycles - 1
                for _ in range(number):
                    await ends.step(None)


@cocotb.test()
async def random_traffic_arrives_complete_and_in_order_as_in_the_model(dut: Any) -> None:
    await start(dut)
    config, lengths = case()

    async def check(length: int, classes: list[int], prefers: list[int | None], stalls: list[int]) -> None:
        ends = Ends(dut, config, length, [*stalls, 0])
        await ends.reset()
        limit = 300 + 4 * length + (2 + len(stalls)) * (2 + len(prefers)) * config.link_passes * (1 + len(classes))
        await play(ends, classes, [*prefers, 0, 1], limit)

    side = st.integers(0, 1)
    await check_property(
        check,
        max_examples=60,
        length=st.sampled_from(lengths),
        classes=st.lists(side, max_size=60),
        prefers=st.lists(st.none() | side, max_size=5),
        stalls=st.lists(st.integers(0, 3), max_size=8),
    )


@cocotb.test()
async def each_class_alone_and_both_together_lose_no_cycle_even_after_stalls(dut: Any) -> None:
    await start(dut)
    config, lengths = case()
    rng = bench_rng()
    for cycles in lengths:
        room = bridge_depth(config, cycles)
        count = 3 * room + 20
        for mix in (lambda n: 0, lambda n: 1, lambda n: n & 1, lambda n: n >> 2 & 1, lambda n: int(rng.integers(2))):
            # For so long the receiver takes only some of the flits of either class, or none: until the bridge is full.
            rough = (2 * cycles + 2 * room) * config.link_passes
            holds = int(rng.integers(4)) or 3
            stalls = [int(rng.choice([0, holds, holds])) for _ in range(rough)] + [3 & holds] * room + [0] * 10**5
            ends = Ends(dut, config, cycles, stalls)
            await ends.reset()
            for number in range(3 * count):
                ends.send(number, mix(number))
            smooth = rough + room
            while ends.now < smooth + cycles + room * config.link_passes + 20:
                await ends.step(ends.now & 1)
            # Credits of the receiver take two cycles to the far end, where its places are the deepest channel's at most.
            assert not [cycle for cycle in ends.idle if cycle > smooth + 4], f"a link of {cycles} cycles lost cycles"
            assert len(ends.left) < 3 * count, "the sender ran out of flits before the end"


@cocotb.test()
async def a_class_that_is_held_up_never_holds_up_the_other_one(dut: Any) -> None:
    await start(dut)
    config, lengths = case()
    for cycles in lengths:
        for held in range(2):
            stalled = bridge_depth(config, cycles) + 2 * config.channel_depth
            count = stalled + 40
            ends = Ends(dut, config, cycles, [1 << held])
            await ends.reset()
            for number in range(count):
                ends.send(number, held)
                ends.send(count + number, 1 - held)
            limit = cycles + 10 + (stalled + count) * config.link_passes
            while len(ends.order[1 - held]) < count:
                assert ends.now < limit, f"class {1 - held} lost cycles on a link of {cycles} cycles"
                await ends.step(held)
            # All that there is room for has come.
            assert len(ends.order[held]) == config.channel_depth
            assert count - len(ends.queues[held]) == stalled - config.channel_depth
            ends.stalls = [0]
            while len(ends.left) < 2 * count:
                assert ends.now < limit + 4 * cycles + 10 * count * config.link_passes
                await ends.step(held)
            assert [len(order) for order in ends.order] == [count, count]


# ---------------------------------------------------------------------------------------------------------------------
# Proofs
# ---------------------------------------------------------------------------------------------------------------------


class Contract(wiring.Component):
    """A bridge between a sender and a receiver that do what they like as long as their credits allow it.

    Ideal queues remember what was sent, a bit of each phit. With ``eager``, the sender sends requests in every cycle and the
    receiver gives a credit back for each in the next.
    """

    def __init__(self, bridge: Bridge | Mistaken, *, eager: bool = False):
        self.bridge = bridge
        self.eager = eager
        super().__init__({"send": In(2), "bit": In(1), "give": In(2), "all_used": Out(1), "crossed": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.bridge = bridge = self.bridge
        config, passes = bridge.config, bridge.config.link_passes
        depth = config.channel_depth
        flit_in, flit_out = Value.cast(bridge.i.flit), Value.cast(bridge.o.flit)
        sending, coming = Signal(range(passes)), Signal(range(passes))
        was, came = Signal(2), Signal(2)
        starts, ends = Signal(2), Signal(2)
        m.d.comb += [
            starts.eq(self.send & (sending == 0).replicate(2)),
            ends.eq(bridge.o.valid & (coming == 0).replicate(2)),
            Assume(self.send != 3),
            Assume((sending == 0) | (self.send == was)),
            Assert(bridge.o.valid != 3),
            Assert((coming == 0) | (bridge.o.valid == came)),
            bridge.o.credit.eq(self.give),
        ]
        # As a router's output, a cycle after the credit was spent.
        link_valid, link_bit = Signal(2), Signal()
        m.d.sync += [link_valid.eq(self.send), link_bit.eq(self.bit)]
        m.d.comb += [bridge.i.valid.eq(link_valid), flit_in.eq(link_bit)]
        if passes > 1:
            with m.If(self.send.any()):
                m.d.sync += [sending.eq(sending + 1), was.eq(self.send)]
            with m.If(bridge.o.valid.any()):
                m.d.sync += [coming.eq(coming + 1), came.eq(bridge.o.valid)]
        crossed = Signal(2)
        for c in range(2):
            m.submodules[f"credits{c}"] = credits = Credits(depth)
            held, owed = Signal(range(2 * depth + 2), name=f"held{c}"), Signal(name=f"owed{c}")
            ideal_depth = (bridge.places + depth) * passes + 1
            m.submodules[f"ideal{c}"] = ideal = Fifo(1, ideal_depth)
            returned = bridge.i.credit[c]
            m.d.sync += [held.eq(held + ends[c] - self.give[c]), owed.eq(ends[c])]
            m.d.comb += [
                credits.spend.eq(starts[c]),
                credits.refund.eq(returned),
                Assert(~returned | (credits.count != depth)),
                # Ideal queues have room for all that can be under way, and what comes was sent before it.
                ideal.i.valid.eq(self.send[c]),
                ideal.i.payload.eq(self.bit),
                ideal.o.ready.eq(bridge.o.valid[c]),
                Assert(~self.send[c] | ideal.i.ready),
                Assert(~bridge.o.valid[c] | (ideal.o.valid & (flit_out == ideal.o.payload))),
                Assume(~self.give[c] | (held != 0)),
                Assert(held + ends[c] <= depth),
                crossed[c].eq(bridge.o.valid[c]),
            ]
            if self.eager:
                m.d.comb += [Assume(self.give[c] == owed), Assert(credits.available)]
            else:
                m.d.comb += Assume(~starts[c] | credits.available)
        seen = Signal(2)
        m.d.sync += seen.eq(seen | crossed)
        m.d.comb += [self.all_used.eq(m.submodules.ideal0.level >= bridge.places * passes), self.crossed.eq(seen == 3)]
        if self.eager:
            m.d.comb += Assume(self.send == 1)
        return m


NARROWEST = CONFIGS["line16_depth3"]

#: Mistakes at the ends of a bridge, each made once.
MISTAKES = ("a flit is lost", "a flit comes twice", "a flit changes its class", "a credit is made", "a credit is lost")


class Mistaken(wiring.Component):
    """A bridge of two cycles that makes one of ``MISTAKES``, at its second flit or credit."""

    def __init__(self, mistake: str):
        self.mistake = mistake
        self.bridge = Bridge(NARROWEST, 2)
        self.config, self.places = self.bridge.config, self.bridge.places
        super().__init__({"i": In(LinkSignature(self.config)), "o": Out(LinkSignature(self.config))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.bridge = bridge = self.bridge
        wiring.connect(m, wiring.flipped(self.i), bridge.i)
        wiring.connect(m, bridge.o, wiring.flipped(self.o))
        valid, credit = bridge.o.valid, bridge.i.credit
        flits, credits = Signal(2), Signal(2)
        m.d.sync += [flits.eq(flits + (valid.any() & (flits != 2))), credits.eq(credits + (credit[0] & (credits != 2)))]
        before, second = Signal(2), valid.any() & (flits == 1)
        m.d.sync += before.eq(valid & second.replicate(2))
        wrong = {
            "a flit is lost": self.o.valid.eq(valid & ~second.replicate(2)),
            "a flit comes twice": self.o.valid.eq(Mux(before.any(), before, valid)),
            "a flit changes its class": self.o.valid.eq(Mux(second, Cat(valid[1], valid[0]), valid)),
            "a credit is made": self.i.credit.eq(credit | (before != 0)),
            "a credit is lost": self.i.credit.eq(credit & ~Cat(credits == 1)),
        }
        m.d.comb += wrong[self.mistake]
        return m


@pytest.mark.parametrize("passes, cycles, steps", [(1, 2, 12), (1, 3, 12), (1, 4, 13), (2, 2, 13), (2, 3, 17)])
def test_nothing_is_lost_doubled_or_out_of_order_in_any_run(passes: int, cycles: int, steps: int) -> None:
    config = NARROWEST.replace(link_passes=passes)
    check_bounded(Contract(Bridge(config, cycles)), steps)
    for condition in ("all_used", "crossed"):
        check_reachable(Contract(Bridge(config, cycles)), condition, steps)


@pytest.mark.parametrize("cycles", [3, 4])
def test_the_places_of_a_bridge_suffice_for_full_rate_and_one_less_does_not(cycles: int) -> None:
    steps = 4 * cycles + 8
    check_bounded(Contract(Bridge(NARROWEST, cycles), eager=True), steps)
    short = Bridge(NARROWEST, cycles)
    short.places -= 1
    with pytest.raises(Counterexample):
        check_bounded(Contract(short, eager=True), steps)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_planted_mistakes_are_found(mistake: str) -> None:
    with pytest.raises(Counterexample):
        check_bounded(Contract(Mistaken(mistake), eager=mistake == "a credit is lost"), 12)
