# SPDX-License-Identifier: Apache-2.0
"""The engine's memory at the edge, alone, beside a model of its contract; a node that drives both, cycle by cycle."""

from __future__ import annotations

import ctypes
import subprocess
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from golden.config import NodeConfig
from golden.edge_memory import EdgeMemory
from golden.layout import TrafficClass, flit_bits, phit_bits
from golden.memory_model import MemoryModel
from golden.packet import Packet
from scripts.simulator.build import config_header
from scripts.simulator.flits import pack_flit, unpack_flit
from scripts.simulator.library import MemoryCounters
from scripts.simulator.toolchain import find_toolchain
from verif.scripts.command import PATIENCE

ENGINE = Path(__file__).resolve().parents[2] / "scripts" / "simulator" / "engine"
WRAPPER = Path(__file__).with_name("memory_bench.cpp")

#: Bits of valid and credit.
REQUEST, RESPONSE = 1 << TrafficClass.REQUEST, 1 << TrafficClass.RESPONSE


def compile_memory(config: NodeConfig, folder: Path, engine: Path = ENGINE) -> ctypes.CDLL:
    """The component as a library, made of the engine's sources in a folder."""
    (folder / "d1_config.h").write_text(config_header(config, []))
    library = folder / "memory.so"
    flags = ["-std=c++20", "-O0", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror", f"-I{folder}", f"-I{engine}"]
    subprocess.run([str(find_toolchain().cxx), *flags, str(WRAPPER), "-o", str(library)], check=True, timeout=PATIENCE)
    loaded = ctypes.CDLL(str(library))
    pointer, word, wide = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
    for name, result, *arguments in (
        ("link_bytes", wide),
        ("create", pointer, word, word, word, wide, word, word),
        ("destroy", None, pointer),
        ("step", word, pointer, wide, pointer, pointer),
        ("read", None, pointer, wide, pointer, wide),
        ("counters", None, pointer, pointer),
    ):
        function = getattr(loaded, f"memory_{name}")
        function.restype, function.argtypes = result, arguments
    return loaded


@dataclass
class Drive:
    """What one side of a link drives in a cycle: phit, valid and credit."""

    phit: int = 0
    valid: int = 0
    credit: int = 0


class CompiledMemory:
    """The component, cycle by cycle."""

    def __init__(self, library: ctypes.CDLL, config: NodeConfig, memory: EdgeMemory):
        self._library = library
        words = (phit_bits(config) + 31) // 32
        self._link = np.dtype([("phit", "<u4", words), ("valid", "u1"), ("credit", "u1"), ("_", "V2")])
        assert library.memory_link_bytes() == self._link.itemsize
        self._handle = library.memory_create(
            memory.x, memory.y, memory.port, memory.bytes, memory.latency, memory.bytes_per_cycle
        )
        self.busy = self.moved = False

    def close(self) -> None:
        self._library.memory_destroy(self._handle)

    def step(self, cycle: int, seen: Drive) -> Drive:
        """What it drives in the next cycle."""
        links = np.zeros(2, self._link)
        links[0]["phit"] = np.frombuffer(seen.phit.to_bytes(links["phit"].nbytes // 2, "little"), "<u4")
        links[0]["valid"], links[0]["credit"] = seen.valid, seen.credit
        first = links.ctypes.data
        state = self._library.memory_step(self._handle, cycle, first, first + self._link.itemsize)
        self.busy, self.moved = bool(state & 1), bool(state & 2)
        out = links[1]
        return Drive(int.from_bytes(out["phit"].tobytes(), "little"), int(out["valid"]), int(out["credit"]))

    def read(self, offset: int, length: int) -> bytes:
        data = np.zeros(length, np.uint8)
        self._library.memory_read(self._handle, offset, data.ctypes.data, length)
        return data.tobytes()

    def counters(self) -> MemoryCounters:
        counters = MemoryCounters()
        self._library.memory_counters(self._handle, ctypes.byref(counters))
        return counters


class ModelledMemory:
    """The contract of docs/architecture.md, "Edge memories", in terms of whole packets."""

    def __init__(self, config: NodeConfig, memory: EdgeMemory):
        self.memory, self.config = memory, config
        self.contents = MemoryModel(memory, config.line_bytes)
        self.waiting: deque[Packet] = deque()
        self.answers: deque[tuple[int, Packet]] = deque()
        self.allowance = self.limit = config.line_bytes + memory.bytes_per_cycle - 1
        self.credits = config.channel_depth
        self.next_start = 0

    def step(self, cycle: int, arrived: Packet | None, returned: bool) -> tuple[Packet | None, int]:
        """Given what has come whole in this cycle, and whether a response's credit has: the answer that begins to leave in the
        next one, and the credits given back then."""
        self.allowance = min(self.limit, self.allowance + (self.memory.bytes_per_cycle if cycle else 0))
        self.credits += returned
        credit = 0
        if arrived is not None and not arrived.is_request:
            self.contents.serve(arrived)
            credit |= RESPONSE
        elif arrived is not None:
            self.waiting.append(arrived)
        enough = self.allowance >= self.config.line_bytes
        if self.waiting and enough and len(self.answers) < self.memory.latency + self.config.channel_depth:
            self.allowance -= self.config.line_bytes
            credit |= REQUEST
            answer = self.contents.serve(self.waiting.popleft())
            if answer is not None:
                self.answers.append((cycle + self.memory.latency, answer))
        begins = None
        if self.answers and self.answers[0][0] <= cycle + 1 and self.credits and cycle + 1 >= self.next_start:
            self.credits -= 1
            self.next_start = cycle + 1 + self.config.link_passes
            begins = self.answers.popleft()[1]
        return begins, credit


@dataclass
class Sent:
    """A packet that the node wants to send, and cycles that it waits after the one before."""

    packet: Packet
    gap: int = 0


@dataclass
class Outcome:
    """What a run gave: cycles in which requests arrived whole, in which answers began, and the answers themselves."""

    arrived: list[int] = field(default_factory=list)
    began: list[int] = field(default_factory=list)
    answers: list[Packet] = field(default_factory=list)
    cycles: int = 0


def drive(
    library: ctypes.CDLL, config: NodeConfig, memory: EdgeMemory, sent: Sequence[Sent], holds: Sequence[int] = (0,)
) -> tuple[Outcome, CompiledMemory, ModelledMemory]:
    """Run component and model side by side until nothing is under way; assert that they agree in every cycle.

    ``holds``: cycles after an answer's end in which its credit comes back, taken in turn. The compiled memory is to be closed.
    """
    compiled, model, outcome = CompiledMemory(library, config, memory), ModelledMemory(config, memory), Outcome()
    passes, phit = config.link_passes, phit_bits(config)
    mask = (1 << phit) - 1
    credits = {REQUEST: config.channel_depth, RESPONSE: config.channel_depth}
    pending = deque(sent)
    wait = pending[0].gap if pending else 0
    flit, went, packet = 0, 0, None  # what the node sends
    flying: Drive = Drive()  # what the memory drives in this cycle
    expected: deque[tuple[int, int, int]] = deque()  # phits of the model's answers: cycle, phit, credit
    coming, parts = 0, 0
    returns: set[int] = set()
    cycle = 0
    while pending or went or compiled.busy or flying.valid or returns or cycle == 0:
        seen, arrived = Drive(), None
        if went == 0 and pending and wait == 0:
            kind = REQUEST if pending[0].packet.is_request else RESPONSE
            if credits[kind]:
                credits[kind] -= 1
                packet = pending.popleft().packet
                flit = int.from_bytes(pack_flit(config, packet), "little")
                wait = pending[0].gap + 1 if pending else 0
                went = passes
        if went:
            assert packet is not None
            seen.phit, seen.valid = flit & mask, REQUEST if packet.is_request else RESPONSE
            flit >>= phit
            went -= 1
            if went == 0:
                arrived = packet
                outcome.arrived.append(cycle)
        wait = max(0, wait - 1)
        if cycle in returns:
            returns.remove(cycle)
            seen.credit = RESPONSE
        if flying.valid:
            if parts == 0:
                outcome.began.append(cycle)
            coming |= flying.phit << parts * phit
            parts += 1
            if parts == passes:
                words = coming & (1 << flit_bits(config)) - 1
                outcome.answers.append(unpack_flit(config, words.to_bytes((flit_bits(config) + 31) // 32 * 4, "little")))
                back = cycle + 1 + holds[(len(outcome.answers) - 1) % len(holds)]
                while back in returns:
                    back += 1
                returns.add(back)
                coming = parts = 0
        flying = compiled.step(cycle, seen)
        begins, credit = model.step(cycle, arrived, bool(seen.credit))
        if begins is not None:
            whole = int.from_bytes(pack_flit(config, begins), "little")
            expected.extend((cycle + 1 + n, whole >> n * phit & mask, RESPONSE) for n in range(passes))
        valid = bool(expected) and expected[0][0] == cycle + 1
        assert flying.credit == credit, f"credits in cycle {cycle + 1}"
        assert flying.valid == (RESPONSE if valid else 0), f"valid in cycle {cycle + 1}"
        if valid:
            assert flying.phit == expected.popleft()[1], f"flit in cycle {cycle + 1}"
        for kind in credits:
            credits[kind] += bool(flying.credit & kind)
            assert credits[kind] <= config.channel_depth
        cycle += 1
        assert cycle < 1_000_000
    outcome.cycles = cycle
    return outcome, compiled, model
