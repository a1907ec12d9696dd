# SPDX-License-Identifier: Apache-2.0
"""The memory of a node without its core: what of a node fits on the smallest boards."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig
from golden.layout import ControlRegister, TrafficClass, control_offset
from rtl.interfaces import LinkSignature
from rtl.memory.sram import Sram
from rtl.network.interface import NetworkInterface
from rtl.network.narrow_router import NarrowRouter
from rtl.network.router import Router

__all__ = ["MemoryConfig", "MemoryNode", "memory_config"]

#: Bits of the CONFIG descriptor that count threads and accumulators.
_CORE_BITS = 0xFF << 16

#: Bytes of SRAM for which iCE40 UP5K has block RAM beside the host link.
_ICE40_SRAM_BYTES = 8 << 10

#: Links: bits of north, east, south, west.
_WEST_ONLY = 0b1000


@dataclass(frozen=True, kw_only=True)
class MemoryConfig(NodeConfig):
    """The configuration of a node of which there is the memory alone, so that nobody takes it for a node.

    It describes itself with neither threads nor accumulators, and its key is that of no node. Parameters are those of a node.
    """

    name: str = "memory"

    @property
    def descriptor(self) -> int:
        """The self-description that CONFIG reads."""
        return super().descriptor & ~_CORE_BITS

    @property
    def key(self) -> str:
        """Hexadecimal digest: equal for equal memories, and different from that of any node."""
        return hashlib.sha256(f"memory {super().key}".encode()).hexdigest()[:16]


class MemoryNode(wiring.Component):
    """Router, network interface and SRAM of node (0, 0), the host at its west link.

    It answers WRITE and READ in SRAM as a node does. Of the control page there is CONFIG; other registers read 0, and writing
    them has no effect.

    Parameters
    ----------
    config : MemoryConfig

    Members
    -------
    link_out : Out(LinkSignature), link_in : In(LinkSignature), to and from the host
    reset : In(1), synchronous; SRAM keeps its contents
    """

    def __init__(self, config: MemoryConfig):
        self.config = config
        super().__init__({"link_out": Out(LinkSignature(config)), "link_in": In(LinkSignature(config)), "reset": In(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        router = (Router if self.config.link_passes == 1 else NarrowRouter)(self.config, _WEST_ONLY)
        interface = NetworkInterface(self.config)
        m.submodules.router = ResetInserter(self.reset)(router)
        m.submodules.interface = ResetInserter(self.reset)(interface)
        m.submodules.sram = sram = Sram(self.config, reference=True)
        wiring.connect(m, router.west_out, wiring.flipped(self.link_out))
        # Nothing here waits for a response. Dropped before the router it costs no buffer; its first part gives its credit back.
        passes = self.config.link_passes
        drops, part, dropped = self.link_in.valid[TrafficClass.RESPONSE], Signal(range(passes)), Signal()
        with m.If(drops):
            m.d.sync += part.eq(part + 1)
        m.d.sync += dropped.eq(drops & (part == 0))
        m.d.comb += [
            router.west_in.valid[TrafficClass.REQUEST].eq(self.link_in.valid[TrafficClass.REQUEST]),
            router.west_in.flit.eq(self.link_in.flit),
            self.link_in.credit.eq(Cat(router.west_in.credit[TrafficClass.REQUEST], dropped)),
        ]
        wiring.connect(m, router.eject_request, interface.eject_request)
        wiring.connect(m, router.eject_response, interface.eject_response)
        wiring.connect(m, interface.inject_request, router.inject_request)
        wiring.connect(m, interface.inject_response, router.inject_response)
        wiring.connect(m, interface.read, sram.network_read)
        wiring.connect(m, interface.write, sram.network_write)
        config_register = control_offset(ControlRegister.CONFIG) - CONTROL_PAGE_OFFSET
        m.d.comb += [
            router.links.eq(_WEST_ONLY),
            router.edges.eq(_WEST_ONLY),
            interface.core.rx_ready.eq(1),
            interface.control.ready.eq(1),
        ]
        with m.If(interface.control.register == config_register // 8):
            m.d.comb += interface.control.read_data.eq(self.config.descriptor)
        return m


def memory_config(config: NodeConfig, family: str) -> MemoryConfig:
    """The memory of a node, which routes nothing; for iCE40, what of it fits there: one bank, and narrow links."""
    fields = dataclasses.asdict(config) | {"name": "memory", "route_bits": 0}
    if family == "ice40":
        bank_lines = min(_ICE40_SRAM_BYTES // config.line_bytes, config.sram_lines)
        fields |= {"sram_blocks": 1, "sram_ways": 1, "bank_lines": bank_lines, "link_passes": 4}
    return MemoryConfig(**fields)
