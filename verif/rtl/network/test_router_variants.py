# SPDX-License-Identifier: Apache-2.0
"""Routers without some of their links: in all else the full router, and nothing is left of those links."""

from __future__ import annotations

import re
from typing import Any

import cocotb
import pytest
from amaranth import Module, Value
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import strategies as st

from golden.config import NodeConfig
from rtl.network.router import Router
from rtl.network.routing import ALL_LINKS
from verif.bench import bench_parameters, check_property, run_bench, start
from verif.rtl.network.flits import CONFIGS, LINKS
from verif.rtl.network.test_router import INPUTS, Sent, Surroundings, X, Y, toward

CONFIG = CONFIGS["line16_depth3"]


class Pair(wiring.Component):
    """The full router, and beside it the variant: both get the same inputs, ``different`` tells that an output differs."""

    def __init__(self, config: NodeConfig, links: int):
        self.full, self.variant = Router(config), Router(config, links)
        super().__init__(dict(self.full.signature.members) | {"different": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.full, m.submodules.variant = self.full, self.variant
        different = 0
        for (_, member, outside), (_, _, full), (_, _, variant) in zip(
            ((path, member, value) for path, member, value in self.signature.flatten(self) if path != ("different",)),
            self.full.signature.flatten(self.full),
            self.variant.signature.flatten(self.variant),
            strict=True,
        ):
            outside, full, variant = Value.cast(outside), Value.cast(full), Value.cast(variant)
            if member.flow == In:
                m.d.comb += [full.eq(outside), variant.eq(outside)]
            else:
                m.d.comb += outside.eq(full)
                different |= full != variant
        m.d.comb += self.different.eq(different)
        return m


@pytest.mark.parametrize("links", [0b0000, 0b1000, 0b0110, 0b1001, 0b1110])
def test_a_variant_does_what_the_full_router_does(links: int) -> None:
    run_bench(Pair(CONFIG, links), parameters={"config": "line16_depth3", "links": links})


@cocotb.test()
async def both_do_the_same_in_every_cycle(dut: Any) -> None:
    await start(dut)
    links = bench_parameters()["links"]
    inputs = [name for name in INPUTS if name == "local" or links >> LINKS.index(name) & 1]
    destinations = st.tuples(st.sampled_from((0, -1, 1)), st.sampled_from((0, -1, 1)), st.sampled_from((*range(8), 0, 0)))
    traffic = st.lists(
        st.tuples(st.sampled_from(inputs), st.integers(0, 1), st.sampled_from((0, 0, 0, 1, 5)), destinations), max_size=60
    )
    holds = st.dictionaries(
        st.tuples(st.sampled_from(inputs), st.integers(0, 1)),
        st.lists(st.sampled_from((0, 0, 1, 3, 12)), min_size=1, max_size=4),
    )

    async def check(traffic: list[Any], holds: Any, absent: int) -> None:
        schedule: dict[tuple[str, int], list[tuple[int, Sent]]] = {}
        present = links & ~absent
        for number, (source, c, gap, (dx, dy, exit_port)) in enumerate(traffic):
            fields = toward("local", number, c, CONFIG, exit_port=exit_port)
            if source == "local" or present >> LINKS.index(source) & 1:
                sent = Sent(source, c, fields | {"x": X + dx, "y": Y + dy})
                schedule.setdefault((source, c), []).append((gap, sent))
        surroundings = Compared(dut, schedule, holds, present)
        await surroundings.run(limit=40 + 40 * len(traffic))
        surroundings.check()

    await check_property(check, max_examples=25, traffic=traffic, holds=holds, absent=st.sampled_from((0, 0, 0, 1, 2, 4, 8)))


class Compared(Surroundings):
    """Looks in every cycle whether the two still agree."""

    async def step(self) -> None:
        await super().step()
        assert not int(self.dut.different.value), f"cycle {self.cycle}"


@pytest.mark.parametrize("links", range(ALL_LINKS + 1))
def test_nothing_is_left_of_absent_links(links: int) -> None:
    text = rtlil.convert(Router(CONFIG, links), emit_src=False)
    parts = {link: set(re.findall(rf"^ *(?:wire|cell|module) .*?({link}[\w.]*)$", text, re.M)) for link in LINKS}
    ports = {link: {name for name in names if "__" in name} for link, names in parts.items()}
    for bit, link in enumerate(LINKS):
        assert ports[link]
        assert (parts[link] == ports[link]) == (not links >> bit & 1), parts[link] - ports[link]


@pytest.mark.parametrize("links", [-1, 16])
def test_links_that_are_no_mask_are_refused(links: int) -> None:
    with pytest.raises(ValueError, match="outside of 0 to 15"):
        Router(CONFIG, links)
