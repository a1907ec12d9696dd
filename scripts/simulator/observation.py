# SPDX-License-Identifier: Apache-2.0
"""What an observed simulator records: which ports of the node go together, and how their bytes become records.

The ports are those of docs/architecture.md, "Observation". The engine knows streams: ports that it copies in every cycle in which
one of them says that something happened. All else is done here, for many cycles at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["RVFI", "XVFI_KINDS", "Stream", "rvfi_records", "storage_bytes", "streams", "view_records", "xvfi_records"]

_HEAD: list[Any] = [("cycle", "<u8"), ("x", "<u2"), ("y", "<u2")]

#: An instruction of a thread. ``channel``: that of RVFI on which it came.
RVFI = np.dtype(
    [
        *_HEAD,
        ("thread", "u1"),
        ("channel", "u1"),
        ("order", "<u8"),
        ("insn", "<u4"),
        *(
            (name, "u1")
            for name in ("trap", "halt", "intr", "mode", "ixl", "debug", "rs1_addr", "rs2_addr", "rd_addr", "rd2_addr")
        ),
        *((name, "<u8") for name in ("rs1_rdata", "rs2_rdata", "rd_wdata", "rd2_wdata", "pc_rdata", "pc_wdata", "mem_addr")),
        *((name, "u1") for name in ("mem_rmask", "mem_wmask")),
        *((name, "<u8") for name in ("mem_rdata", "mem_wdata")),
    ]
)

#: Kinds of events of XVFI. Ports of a kind are told apart by the field ``port``.
XVFI_KINDS = ("vector", "predicate", "read", "write", "send", "matrix")

#: Ports of the view any of which makes a record: nothing else happens without them.
_VIEW_ACTIVE = ("fetch_count", "inject", "decode", "correct", "redirect", "issue", "valid", "stall", "execute", "starved")

Ports = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Stream:
    """Ports that are recorded together, as (name, bits), and those that say when."""

    name: str
    ports: Ports
    active: tuple[str, ...]

    @property
    def dtype(self) -> np.dtype[np.void]:
        """A record as the engine writes it: ports as bytes, lowest first."""
        return np.dtype([*_HEAD, *((name, "u1", storage_bytes(bits)) for name, bits in self.ports)])


def storage_bytes(bits: int) -> int:
    """Bytes of a port in the compiled model."""
    for size in (1, 2, 4, 8):
        if bits <= 8 * size:
            return size
    return (bits + 31) // 32 * 4


def streams(outputs: Sequence[tuple[str, int]]) -> tuple[Stream, ...]:
    """The streams among a node's outputs, given as (name, bits): ``rvfi<thread>``, ``xvfi_<port>``, ``view``."""
    found: dict[str, list[tuple[str, int]]] = {}
    for name, bits in outputs:
        first, _, rest = name.partition("_")
        if first == "xvfi":
            found.setdefault(f"xvfi_{rest.partition('_')[0]}", []).append((name, bits))
        elif first == "view" or first.rstrip("0123456789") == "rvfi":
            found.setdefault(first, []).append((name, bits))
    return tuple(
        Stream(name, tuple(ports), _view_active(ports) if name == "view" else (f"{name}_valid",)) for name, ports in found.items()
    )


def _view_active(ports: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    """The ports any of which makes a record. Not every node has all."""
    names = {name for name, _ in ports}
    return tuple(name for port in _VIEW_ACTIVE if (name := f"view_{port}") in names)


def _field(port: npt.NDArray[np.uint8], low: int, bits: int) -> npt.NDArray[np.uint64]:
    """Bits ``low`` to ``low + bits - 1`` of a port, given as (records, bytes); at most 57 bits, or 64 from a whole byte on."""
    first, last = low // 8, min((low + bits + 7) // 8, port.shape[1])
    eight = np.zeros((len(port), 8), np.uint8)
    eight[:, : last - first] = port[:, first:last]
    value = eight.view("<u8")[:, 0] >> np.uint64(low % 8)
    return value & np.uint64((1 << bits) - 1)


def _headed(raw: npt.NDArray[np.void], dtype: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """Empty records of another layout for the same cycles and nodes."""
    records = np.zeros(len(raw), dtype)
    for name in ("cycle", "x", "y"):
        records[name] = raw[name]
    return records


def _in_order(parts: Sequence[npt.NDArray[np.void]], keys: Sequence[str]) -> npt.NDArray[np.void]:
    records = np.concatenate(parts)
    return records[np.lexsort([records[key] for key in reversed(keys)])]


def rvfi_records(raw: Sequence[tuple[Stream, npt.NDArray[np.void]]]) -> npt.NDArray[np.void]:
    """Records of :data:`RVFI` by cycle, node, thread and channel, from those of the engine."""
    parts = [np.zeros(0, RVFI)]
    for stream, cycles in raw:
        prefix, thread = f"{stream.name}_", int(stream.name.removeprefix("rvfi"))
        bits = {name.removeprefix(prefix): count for name, count in stream.ports}
        channels = bits.pop("valid")
        for channel in range(channels):
            here = cycles[_field(cycles[f"{prefix}valid"], channel, 1) != 0]
            records = _headed(here, RVFI)
            records["thread"], records["channel"] = thread, channel
            for name, count in bits.items():
                width = count // channels
                records[name] = _field(here[prefix + name], channel * width, width)
            parts.append(records)
    return _in_order(parts, ("cycle", "y", "x", "thread", "channel"))


def xvfi_records(raw: Sequence[tuple[Stream, npt.NDArray[np.void]]]) -> npt.NDArray[np.void]:
    """Records of one kind, by cycle, node and port. Lines, and masks of more than 64 bits, are arrays of bytes."""
    parts = []
    for stream, cycles in raw:
        prefix = f"{stream.name}_"
        bits = {name.removeprefix(prefix): count for name, count in stream.ports if not name.endswith("_valid")}
        lines = {name for name in bits if name in ("data", "mask", "a", "b")}
        layout: list[Any] = [*_HEAD, ("port", "u1")]
        for name, count in bits.items():
            layout.append((name, "u1", count // 8) if name in lines else (name, f"<u{storage_bytes(count)}"))
        records = _headed(cycles, np.dtype(layout))
        digits = stream.name[len(stream.name.rstrip("0123456789")) :]
        records["port"] = int(digits or 0)
        for name, count in bits.items():
            source = cycles[prefix + name]
            records[name] = source[:, : count // 8] if name in lines else _field(source, 0, count)
        parts.append(records)
    return _in_order(parts, ("cycle", "y", "x", "port"))


def view_records(stream: Stream, cycles: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Records of the view, by cycle and node: a field for each port, an array where it has a byte or word for each of several."""
    bits = {name.removeprefix("view_"): count for name, count in stream.ports}
    layout: list[Any] = list(_HEAD)
    for name, count in bits.items():
        if name in ("decode", "issue", "stall", "execute", "starved"):
            layout.append((name, "u1", count // 8))
        elif name == "fetch_words":
            layout.append((name, "<u4", count // 32))
        else:
            layout.append((name, f"<u{storage_bytes(count)}"))
    records = _headed(cycles, np.dtype(layout))
    for name, count in bits.items():
        source = np.ascontiguousarray(cycles[f"view_{name}"][:, : (count + 7) // 8])
        if records[name].ndim == 1:
            records[name] = _field(source, 0, count)
        else:
            records[name] = source.view("<u4") if name == "fetch_words" else source
    return _in_order([records], ("cycle", "y", "x"))
