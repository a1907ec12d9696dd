# SPDX-License-Identifier: Apache-2.0
"""Flits as numbers, and where a router must send them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from golden.config import NodeConfig
from golden.layout import LINK_PORTS, Kind, Port, TrafficClass, flit_fields, phit_bits
from golden.packet import Packet
from golden.router import Router as GoldenRouter

#: Names of the links, in the order of LINK_PORTS.
LINKS = ("north", "east", "south", "west")

#: Names of the traffic classes, by number.
CLASSES = tuple(c.name.lower() for c in TrafficClass)

#: Configurations of network benches: the narrowest line with the shallowest channels, and the widest line.
CONFIGS = {
    "line16_depth3": NodeConfig(line_bytes=16, sram_blocks=2, sram_ways=2, bank_lines=16, semaphores=8, channel_depth=3),
    "line64_depth5": NodeConfig(line_bytes=64, sram_blocks=3, sram_ways=4, bank_lines=16, semaphores=32, channel_depth=5),
}

#: The same for links that carry a flit in several cycles.
NARROW_CONFIGS = {
    "line16_depth3_passes4": CONFIGS["line16_depth3"].replace(link_passes=4),
    "line64_depth5_passes2": CONFIGS["line64_depth5"].replace(link_passes=2),
}


def pack(config: NodeConfig, fields: Mapping[str, int]) -> int:
    """A flit as a number; fields that are not named are 0.

    Raises
    ------
    ValueError
        If a name is no field or a value does not fit.
    """
    value, low, names = 0, 0, set()
    for name, bits in flit_fields(config):
        field = int(fields.get(name, 0))
        if not 0 <= field < 1 << bits:
            raise ValueError(f"{name} = {field:#x} does not fit into {bits} bits")
        value |= field << low
        low += bits
        names.add(name)
    if unknown := set(fields) - names:
        raise ValueError(f"a flit has no field {', '.join(sorted(unknown))}")
    return value


def unpack(config: NodeConfig, value: int) -> dict[str, int]:
    """The fields of a flit."""
    fields = {}
    for name, bits in flit_fields(config):
        fields[name] = value & ((1 << bits) - 1)
        value >>= bits
    return fields


def phits(config: NodeConfig, value: int) -> list[int]:
    """A flit's phits, in the order in which a link carries them."""
    bits = phit_bits(config)
    return [value >> bits * index & (1 << bits) - 1 for index in range(config.link_passes)]


def join_phits(config: NodeConfig, parts: Sequence[int]) -> int:
    """The flit that consists of these phits."""
    return sum(phit << phit_bits(config) * index for index, phit in enumerate(parts))


def payload_of(handle: Any) -> int:
    """A handle's value as a number; bits that are undefined in simulation read 0."""
    return int(handle.value)


def packet_of(fields: Mapping[str, int]) -> Packet:
    """What the golden router looks at of a flit."""
    kind, x, y, exit, upper, src_y = (fields.get(name, 0) for name in ("kind", "x", "y", "exit", "upper", "src_y"))
    return Packet(Kind(kind), x, y, 0, exit, src_y=src_y, upper=upper)


def expected_ways(fields: Mapping[str, int], router: GoldenRouter, source: str, traffic_class: int) -> list[tuple[str, bool]]:
    """Where a flit from ``source`` must come out: name of the link or "local", and whether it is undeliverable.

    ``exit`` may be no port at all. What is no request is no multicast.
    """
    packet = packet_of(fields)
    if traffic_class != TrafficClass.REQUEST:
        packet = dataclasses.replace(packet, upper=0)
    arrival = Port.LOCAL if source == "local" else LINK_PORTS[LINKS.index(source)]
    ports = router.next_ports(packet, arrival)
    return [("local", True) if port is None else (port.name.lower(), False) for port in ports]


def kind_of(traffic_class: int, number: int) -> Kind:
    """One of the kinds that travel in a class."""
    return (
        (Kind.WRITE, Kind.READ)[number % 2] if traffic_class == TrafficClass.REQUEST else (Kind.READ_DATA, Kind.ERROR)[number % 2]
    )
