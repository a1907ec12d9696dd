# SPDX-License-Identifier: Apache-2.0
"""The fast tier of benches: small components in Amaranth's own simulator, reset for every hypothesis example."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import hypothesis
from amaranth.hdl import UnusedElaboratable
from amaranth.lib import wiring
from amaranth.sim import Simulator

from verif.bench import bench_seed

__all__ = ["Simulation", "property_settings"]


class Simulation:
    """A component that is built once and run many times, each time from reset.

    Parameters
    ----------
    component : wiring.Component
    clocked : bool
        Whether it has a clock. Without one, the test bench only sets and gets.
    """

    def __init__(self, component: wiring.Component, *, clocked: bool = True):
        self.component: Any = component
        self._process: Callable[[Any], Awaitable[None]] | None = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnusedElaboratable)
            self._simulator = Simulator(component)
        if clocked:
            self._simulator.add_clock(1e-6)
        self._simulator.add_testbench(self._run)
        self._fresh = True

    async def _run(self, context: Any) -> None:
        assert self._process is not None
        await self._process(context)

    def run(self, process: Callable[[Any], Awaitable[None]]) -> None:
        """Reset everything and run ``process`` (a coroutine function of the simulator's context) to its end."""
        if not self._fresh:
            self._simulator.reset()
        self._fresh = False
        self._process = process
        self._simulator.run()


def property_settings(max_examples: int = 100) -> Callable[[Any], Any]:
    """Decorator for hypothesis tests on simulations: the project's seed, no deadline, a line that repeats a failure."""

    def decorate(test: Any) -> Any:
        settings = hypothesis.settings(max_examples=max_examples, deadline=None, print_blob=True, database=None)
        return settings(hypothesis.seed(bench_seed())(test))

    return decorate
