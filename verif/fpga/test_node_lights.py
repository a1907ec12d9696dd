# SPDX-License-Identifier: Apache-2.0
"""Lights of nodes: dark until a node runs, then on, and blinking while it is trapped."""

from __future__ import annotations

from typing import Any

from amaranth.sim import Simulator

from fpga.node_lights import NodeLights

#: Blinks fast: a light changes every eight cycles.
CLOCK_HZ = 64


def test_lights_show_what_each_node_does_and_did() -> None:
    lights = NodeLights(3, CLOCK_HZ)
    seen: dict[str, set[int]] = {}

    async def watch(ctx: Any, name: str) -> None:
        seen[name] = set()
        for _ in range(40):
            await ctx.tick()
            seen[name].add(ctx.get(lights.o))

    async def bench(ctx: Any) -> None:
        await watch(ctx, "dark")
        ctx.set(lights.active, 0b101)
        await ctx.tick()
        await watch(ctx, "two run")
        ctx.set(lights.active, 0)
        ctx.set(lights.trapped, 0b100)
        await watch(ctx, "one has ended, one is trapped")
        ctx.set(lights.trapped, 0)
        await watch(ctx, "both have ended")
        ctx.set(lights.reset, 1)
        await ctx.tick()
        ctx.set(lights.reset, 0)
        await watch(ctx, "reset")
        ctx.set(lights.trapped, 0b010)
        await ctx.tick()
        await watch(ctx, "one trapped at once")

    simulator = Simulator(lights)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == {
        "dark": {0b000},
        "two run": {0b101},
        "one has ended, one is trapped": {0b001, 0b101},
        "both have ended": {0b101},
        "reset": {0b000},
        "one trapped at once": {0b000, 0b010},
    }
