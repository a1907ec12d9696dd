# SPDX-License-Identifier: Apache-2.0
"""The router of links that carry a flit in several cycles: what the wide one promises, at the rate of its links."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cocotb
import pytest

from rtl.network.narrow_router import NarrowRouter
from verif.bench import run_bench, start
from verif.formal.netlist import combinational_inputs, registered_outputs
from verif.rtl.network.flits import CLASSES, LINKS, NARROW_CONFIGS
from verif.rtl.network.phit_links import FlitLinks
from verif.rtl.network.test_router import Surroundings, config_under_test, flit

#: Those of the wide router's properties that do not count cycles.
PROPERTIES = (
    "every_flit_leaves_once_unchanged_in_order_by_the_right_port",
    "a_flit_leaves_by_the_link_of_its_exit_but_never_turns_back_or_goes_to_another_node",
    "a_class_without_credits_does_not_hold_up_the_other",
    "random_traffic_at_full_load_arrives_complete",
)


@pytest.mark.parametrize("name", NARROW_CONFIGS)
def test_narrow_router_keeps_what_the_wide_one_promises(name: str) -> None:
    run_bench(
        FlitLinks(NARROW_CONFIGS[name]),
        test_module="verif.rtl.network.test_router",
        tests=PROPERTIES,
        parameters={"config": name},
    )


@pytest.mark.parametrize("name", NARROW_CONFIGS)
def test_narrow_router_keeps_its_rate(name: str) -> None:
    run_bench(FlitLinks(NARROW_CONFIGS[name]), parameters={"config": name})


@pytest.mark.parametrize("name", NARROW_CONFIGS)
def test_link_outputs_come_straight_from_flip_flops(name: str) -> None:
    wanted = {f"{link}_{port}" for link in LINKS for port in ("out__valid", "out__flit", "in__credit")}
    assert wanted <= registered_outputs(NarrowRouter(NARROW_CONFIGS[name]))


@pytest.mark.parametrize("name", NARROW_CONFIGS)
def test_what_the_network_interface_takes_reaches_no_output_in_the_same_cycle(name: str) -> None:
    taken = {f"eject_{c}__ready" for c in CLASSES}
    assert not {output for output, inputs in combinational_inputs(NarrowRouter(NARROW_CONFIGS[name])).items() if inputs & taken}


@cocotb.test()
async def flits_cross_one_after_the_other_without_a_gap(dut: Any) -> None:
    await start(dut)
    count = 40
    ways = {"north": "south", "south": "north", "east": "west", "west": "east"}
    passes = config_under_test().link_passes
    flows = [{a: b} for a, b in ways.items()] + [ways]
    for c, flow in ((c, flow) for c in range(2) for flow in flows):
        schedule = {(a, c): [(0, flit(a, c, b, 1000 * i + n)) for n in range(count)] for i, (a, b) in enumerate(flow.items())}
        surroundings = Surroundings(dut, schedule)
        await surroundings.run(limit=count * len(flow) + 10)
        surroundings.check()
        # Each link has its turn as often as the others do.
        for port in flow.values():
            cycles = [seen.cycle for seen in surroundings.seen if seen.port == port]
            steps = {later - earlier for earlier, later in pairwise(cycles)}
            assert steps == {passes * len(flow)}, (port, steps)


@cocotb.test()
async def a_hop_takes_four_cycles_beyond_those_on_the_link(dut: Any) -> None:
    await start(dut)
    for source in LINKS:
        for target in LINKS:
            if source == target:
                continue
            surroundings = Surroundings(dut, {(source, 0): [(0, flit(source, 0, target, 5))]})
            await surroundings.run(limit=10)
            surroundings.check()
            # Beside the router: a cycle each in the queue, the sender and the receiver of the bench.
            assert surroundings.seen[0].cycle - surroundings.sent[0].cycle == config_under_test().link_passes + 6, (
                source,
                target,
            )
