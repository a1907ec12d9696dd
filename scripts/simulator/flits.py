# SPDX-License-Identifier: Apache-2.0
"""Packets as the engine has them: the fields of a flit, low bit first, in 32-bit words."""

from __future__ import annotations

from typing import Any

from golden.config import NodeConfig
from golden.layout import Kind, flit_fields
from golden.packet import Packet

__all__ = ["pack_flit", "unpack_flit"]


def pack_flit(config: NodeConfig, packet: Packet) -> bytes:
    """A packet as a flit in whole words; ValueError if a field does not fit."""
    flit = position = 0
    for name, bits in flit_fields(config):
        value = int.from_bytes(packet.data, "little") if name == "data" else int(getattr(packet, name))
        if not 0 <= value < 1 << bits:
            raise ValueError(f"{name} = {value:#x} does not fit into {bits} bits")
        flit |= value << position
        position += bits
    return flit.to_bytes((position + 31) // 32 * 4, "little")


def unpack_flit(config: NodeConfig, words: bytes) -> Packet:
    """The inverse of ``pack_flit``; data of packets that carry none is dropped."""
    flit = int.from_bytes(words, "little")
    values: dict[str, Any] = {}
    for name, bits in flit_fields(config):
        values[name] = flit & (1 << bits) - 1
        flit >>= bits
    kind = Kind(values["kind"])
    carries = kind in (Kind.WRITE, Kind.READ_DATA)
    data = values["data"].to_bytes(config.line_bytes, "little") if carries else b""
    return Packet(**{**values, "kind": kind, "post": bool(values["post"]), "data": data})
