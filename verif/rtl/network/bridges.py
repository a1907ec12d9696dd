# SPDX-License-Identifier: Apache-2.0
"""Bridges in one design, a model of a bridge, and routers' ends of the link that it makes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from amaranth import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import FallingEdge

from golden.config import NodeConfig
from golden.layout import phit_bits
from rtl.network.bridge import Bridge, bridge_depth
from verif.rtl.network.flits import join_phits, kind_of, pack, phits, unpack

__all__ = ["BridgeModel", "Bridges", "Ends"]

_CLASSES = range(2)

#: From a credit at a router's input to the flit that it pays for at its output.
_SENDER_CYCLES = 2


class Bridges(wiring.Component):
    """Any number of bridges side by side; ports of the one that takes n cycles begin with ``b<n>_``."""

    def __init__(self, bridges: Sequence[Bridge]):
        self.bridges = bridges
        members: dict[str, Any] = {}
        for bridge in bridges:
            prefix, bits = f"b{bridge.cycles}", phit_bits(bridge.config)
            members |= {f"{prefix}_i_valid": In(2), f"{prefix}_i_flit": In(bits), f"{prefix}_i_credit": Out(2)}
            members |= {f"{prefix}_o_valid": Out(2), f"{prefix}_o_flit": Out(bits), f"{prefix}_o_credit": In(2)}
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for bridge in self.bridges:
            prefix = f"b{bridge.cycles}"
            m.submodules[prefix] = bridge
            for side, name in (("i", "valid"), ("i", "flit"), ("o", "credit")):
                m.d.comb += Value.cast(getattr(getattr(bridge, side), name)).eq(getattr(self, f"{prefix}_{side}_{name}"))
            for side, name in (("o", "valid"), ("o", "flit"), ("i", "credit")):
                m.d.comb += getattr(self, f"{prefix}_{side}_{name}").eq(Value.cast(getattr(getattr(bridge, side), name)))
        return m


class BridgeModel:
    """What a bridge drives in every cycle, from the places of its flits instead of registers.

    Members
    -------
    valid, flit, credit : int
        What it drives in this cycle; ``flit`` is 0 before the first one.
    """

    def __init__(self, config: NodeConfig, cycles: int):
        self.config = config
        self.cycles = cycles
        self.free = [bridge_depth(config, cycles)] * 2
        self.room = [config.channel_depth] * 2
        self.under_way: deque[tuple[int, int, int]] = deque()
        self.freed: deque[tuple[int, int]] = deque()
        self.waiting: list[deque[int]] = [deque(), deque()]
        self.now = self.entered = self.left = self.last = 0
        self.valid = self.flit = self.credit = 0

    def step(self, valid: int, flit: int, credit: int) -> None:
        """One cycle with these inputs."""
        over = self.cycles - 2
        first = valid if self.entered == 0 else 0
        if valid:
            self.under_way.append((self.now + over, valid >> 1, flit))
            self.entered = (self.entered + 1) % self.config.link_passes
        while self.under_way and self.under_way[0][0] == self.now:
            _, c, phit = self.under_way.popleft()
            self.waiting[c].append(phit)
        leaves = self.last if self.left else self._choose()
        if leaves is not None:
            if self.left == 0:
                self.last = leaves
                self.room[leaves] -= 1
                self.freed.append((self.now + over, leaves))
            self.left = (self.left + 1) % self.config.link_passes
            self.flit = self.waiting[leaves].popleft()
        self.valid = 0 if leaves is None else 1 << leaves
        self.credit = 0
        owed = [max(0, self.config.channel_depth - self.free[c]) for c in _CLASSES]
        while self.freed and self.freed[0][0] == self.now:
            self.free[self.freed.popleft()[1]] += 1
        for c in _CLASSES:
            came = first >> c & 1
            self.free[c] -= came
            self.credit |= owed[c] + came - max(0, self.config.channel_depth - self.free[c]) << c
            self.room[c] += credit >> c & 1
        self.now += 1

    def _choose(self) -> int | None:
        able = [c for c in _CLASSES if self.waiting[c] and self.room[c]]
        return 1 - self.last if len(able) == 2 else next(iter(able), None)


class Ends:
    """A router's output before a bridge and a router's input behind it, with a model beside the bridge.

    Parameters
    ----------
    dut
        Handle of ``Bridges``.
    stalls : sequence
        Repeats: a bit for each class that the receiver leaves in its buffer in that cycle.

    Members
    -------
    queues : flits still to be sent, by class
    entered, left : dict
        Number of each flit: cycles in which its first phit came and went.
    order : numbers by class, as they left
    idle : set of cycles in which no phit went out
    """

    def __init__(self, dut: Any, config: NodeConfig, cycles: int, stalls: Sequence[int] = (0,)):
        self.config = config
        self.cycles = cycles
        self.stalls = stalls or (0,)
        self.model = BridgeModel(config, cycles)
        self.now = 0
        self.queues: list[deque[int]] = [deque(), deque()]
        self.entered: dict[int, int] = {}
        self.left: dict[int, int] = {}
        self.order: list[list[int]] = [[], []]
        self.idle: set[int] = set()
        self._clk = dut.clk
        self._rst = dut.rst
        self._ports = {
            name: getattr(dut, f"b{cycles}_{name}") for name in ("i_valid", "i_flit", "i_credit", "o_valid", "o_flit", "o_credit")
        }
        self._credits = [config.channel_depth] * 2
        self._returned: deque[int] = deque([0] * _SENDER_CYCLES)
        self._leaving: list[int] = []  # phits
        self._leaving_class = 0
        self._coming: list[int] = []
        self._coming_class = 0
        self._buffered = [0, 0]

    async def reset(self) -> None:
        self._rst.value = 1
        self._drive(0, 0, 0)
        await FallingEdge(self._clk)
        self._rst.value = 0

    def _drive(self, valid: int, flit: int, credit: int) -> None:
        self._ports["i_valid"].value = valid
        self._ports["i_flit"].value = flit
        self._ports["o_credit"].value = credit

    def send(self, number: int, c: int) -> None:
        """Queue a flit; its number goes with it."""
        data = number | ~number << 64 & (1 << 128) - 1
        self.queues[c].append(pack(self.config, {"kind": kind_of(c, number), "data": data}))

    async def step(self, prefer: int | None) -> None:
        """One cycle, in which a flit of the preferred class, or of the other one, may begin to leave the sender; none if None."""
        valid, flit, credit = (int(self._ports[name].value) for name in ("o_valid", "o_flit", "i_credit"))
        model = self.model
        assert (valid, credit) == (model.valid, model.credit), f"cycle {self.now}: valid, credit are not as in the model"
        assert not valid or flit == model.flit, f"cycle {self.now}: another flit than in the model"
        stall = self.stalls[self.now % len(self.stalls)]
        given = 0
        for c in _CLASSES:
            if self._buffered[c] and not stall >> c & 1:
                self._buffered[c] -= 1
                given |= 1 << c
        self._receive(valid, flit)
        self._returned.append(credit)
        paid = self._returned.popleft()
        for c in _CLASSES:
            self._credits[c] += paid >> c & 1
            assert self._credits[c] <= self.config.channel_depth, f"cycle {self.now}: a credit too many"
        sends, phit = self._next_phit(prefer)
        self._drive(sends, phit, given)
        model.step(sends, phit, given)
        await FallingEdge(self._clk)
        self.now += 1

    def _next_phit(self, prefer: int | None) -> tuple[int, int]:
        if not self._leaving and prefer is not None:
            for c in (prefer, 1 - prefer):
                if self.queues[c] and self._credits[c]:
                    self._credits[c] -= 1
                    flit = self.queues[c].popleft()
                    self._leaving, self._leaving_class = phits(self.config, flit), c
                    self.entered[number_of(self.config, flit)] = self.now
                    break
        return (1 << self._leaving_class, self._leaving.pop(0)) if self._leaving else (0, 0)

    def _receive(self, valid: int, phit: int) -> None:
        assert valid in (0, 1, 2), f"cycle {self.now}: two classes at once"
        if not valid:
            assert not self._coming, f"cycle {self.now}: a gap within a flit"
            self.idle.add(self.now)
            return
        c = valid >> 1
        assert not self._coming or c == self._coming_class, f"cycle {self.now}: a flit in another one"
        self._coming.append(phit)
        self._coming_class = c
        if len(self._coming) == self.config.link_passes:
            number = number_of(self.config, join_phits(self.config, self._coming))
            assert number not in self.left, f"flit {number} came twice"
            self.left[number] = self.now + 1 - self.config.link_passes
            self.order[c].append(number)
            self._coming = []
            self._buffered[c] += 1
            assert self._buffered[c] <= self.config.channel_depth, f"cycle {self.now}: the receiver's buffer overflows"


def number_of(config: NodeConfig, flit: int) -> int:
    """The number that a flit carries; fails if it was damaged."""
    fields = unpack(config, flit)
    number = fields["data"] & (1 << 64) - 1
    assert fields["data"] == number | ~number << 64 & (1 << 128) - 1, "a flit was damaged"
    return number
