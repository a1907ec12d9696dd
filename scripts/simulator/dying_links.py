# SPDX-License-Identifier: Apache-2.0
"""Links of a simulated array that die while it runs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np

from golden.layout import LINK_PORTS, Port, TrafficClass, flit_bits
from golden.link_loss import KillPlan, LinkLoss, LostFlit, without_link
from golden.topology import Link, normal_link
from scripts.simulator.flits import unpack_flit
from scripts.simulator.handle import EngineHandle
from scripts.simulator.library import RunStatus, SeveredFacts, Stop

__all__ = ["DyingLinks"]


class DyingLinks(EngineHandle):
    """The part of :class:`scripts.simulator.array.SimulatedArray` that lets links die."""

    _kills: KillPlan

    def kill_link(self, x: int, y: int, port: Port) -> LinkLoss:
        """Let a link between two nodes die: from the next cycle on it carries nothing, and both routers see it as absent.

        ``topology`` says so from then on. Tables around it are for software to compute: docs/faults.md.

        Returns
        -------
        LinkLoss
            What was on it. Of flits that take several cycles, those that the nodes are about to send are lost too:
            ``lost_links`` has them when they have come out.

        Raises
        ------
        TopologyError
            If there is no such link between two nodes.
        SimulatorError
            If several processes simulate the array.
        """
        topology = without_link(self.topology, (x, y, port))
        end_x, end_y, end_port = normal_link((x, y, port))
        self._check(self._engine.d1_kill_link(self._array, self._index(end_x, end_y), LINK_PORTS.index(end_port)))
        self.topology = topology
        return self.lost_links[-1]

    def plan_kill(self, cycle: int, link: Link) -> None:
        """Let a link die before that cycle of the array, if it runs so far; raises as :meth:`golden.link_loss.KillPlan.add`."""
        self._kills.add(self.topology, self.cycle, cycle, link)

    @property
    def lost_links(self) -> tuple[LinkLoss, ...]:
        """Links that have died, oldest first."""
        losses = []
        for number in range(int(self._engine.d1_severed(self._array))):
            facts = SeveredFacts()
            self._engine.d1_severed_facts(self._array, number, ctypes.byref(facts))
            flits = np.empty((facts.lost, (flit_bits(self.config) + 31) // 32), "<u4")
            classes = np.empty(facts.lost, np.uint8)
            self._engine.d1_lost_flits(self._array, number, flits.ctypes.data, classes.ctypes.data)
            lost = tuple(
                LostFlit(TrafficClass(int(kind)), unpack_flit(self.config, flit.tobytes()))
                for kind, flit in zip(classes, flits, strict=True)
            )
            y, x = divmod(facts.site, self.columns)
            losses.append(LinkLoss(x, y, LINK_PORTS[facts.side], int(facts.cycle), lost))
        return tuple(losses)

    def _run(self, limit: int, for_host: bool, between: Callable[[RunStatus], None]) -> RunStatus:
        while True:
            planned = self._kills.next_cycle
            status = super()._run(limit if planned is None else min(limit, planned), for_host, between)
            if status.stop != Stop.CYCLES or planned is None or self.cycle < planned:
                return status
            for link in self._kills.take(self.cycle):
                self.kill_link(*link)
            if self.cycle >= limit:
                return status
