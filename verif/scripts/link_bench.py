# SPDX-License-Identifier: Apache-2.0
"""The engine's link of several cycles, alone, beside models of its two bridges; routers' ends that drive both, cycle by cycle.

The model is the one that the hardware's bridge equals in every cycle (verif/rtl/network/test_bridge.py).
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from golden.config import NodeConfig
from golden.layout import phit_bits
from scripts.simulator.build import config_header
from scripts.simulator.toolchain import find_toolchain
from verif.rtl.network.bridges import BridgeModel

ENGINE = Path(__file__).resolve().parents[2] / "scripts" / "simulator" / "engine"
WRAPPER = Path(__file__).with_name("link_bench.cpp")

_CLASSES = range(2)
_ENDS = range(2)


def compile_link(config: NodeConfig, folder: Path, engine: Path = ENGINE) -> ctypes.CDLL:
    """The component as a library, made of the engine's sources in a folder."""
    (folder / "d1_config.h").write_text(config_header(config, []))
    library = folder / "link.so"
    flags = ["-std=c++20", "-O0", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror", f"-I{folder}", f"-I{engine}", f"-I{ENGINE}"]
    subprocess.run([str(find_toolchain().cxx), *flags, str(WRAPPER), "-o", str(library)], check=True, timeout=120)
    loaded = ctypes.CDLL(str(library))
    pointer, word, wide = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
    for name, result, *arguments in (
        ("bytes", wide),
        ("create", pointer, word),
        ("destroy", None, pointer),
        ("step", word, pointer, wide, pointer, pointer),
    ):
        function = getattr(loaded, f"link_{name}")
        function.restype, function.argtypes = result, arguments
    return loaded


class End:
    """A router at one end: what it sends as far as credits go, and what it gives back of what it has received.

    Parameters
    ----------
    config : NodeConfig
    sends : sequence
        Repeats: the class of which a flit begins to leave in that cycle if it can, 2 for the other one of the last, or None.
    stalls : sequence
        Repeats: a bit for each class whose flits stay in the buffer in that cycle.
    """

    def __init__(self, config: NodeConfig, sends: Sequence[int | None], stalls: Sequence[int], seed: int):
        self._config = config
        self._sends, self._stalls = sends, stalls
        self._rng = np.random.default_rng(seed)
        self._credits = [config.channel_depth] * 2
        self._buffered = [0, 0]
        self._came = self._leaves = 0
        self._last = 0

    def drive(self, cycle: int, valid: int, credit: int) -> tuple[int, int, int]:
        """Valid, phit and credits that it drives in a cycle, given what it sees in it."""
        stall, given = self._stalls[cycle % len(self._stalls)], 0
        for c in _CLASSES:
            if self._buffered[c] and not stall >> c & 1:
                self._buffered[c] -= 1
                given |= 1 << c
            self._credits[c] += credit >> c & 1
            assert self._credits[c] <= self._config.channel_depth, f"cycle {cycle}: a credit too many"
        if valid:
            self._came = (self._came + 1) % self._config.link_passes
            if self._came == 0:
                self._buffered[valid >> 1] += 1
        wanted = self._sends[cycle % len(self._sends)]
        if self._leaves == 0 and wanted is not None:
            c = 1 - self._last if wanted == 2 else wanted
            if self._credits[c]:
                self._credits[c] -= 1
                self._last, self._leaves = c, self._config.link_passes
        if self._leaves == 0:
            return 0, 0, given
        self._leaves -= 1
        phit = int.from_bytes(self._rng.bytes((phit_bits(self._config) + 7) // 8), "little") & (1 << phit_bits(self._config)) - 1
        return 1 << self._last, phit, given


def compare(library: ctypes.CDLL, config: NodeConfig, cycles: int, ends: Sequence[End], count: int) -> int:
    """Run the link beside its model for so many cycles; fails in the first in which they differ. Returns phits that crossed."""
    words = (phit_bits(config) + 31) // 32
    dtype = np.dtype([("phit", "<u4", words), ("valid", "u1"), ("credit", "u1"), ("_", "V2")])
    assert library.link_bytes() == dtype.itemsize
    models = [BridgeModel(config, cycles), BridgeModel(config, cycles)]
    drives, see = np.zeros(2, dtype), np.zeros(2, dtype)
    handle = library.link_create(cycles)
    crossed = 0
    try:
        for cycle in range(count):
            driven = []
            for end in _ENDS:
                comes, goes = models[1 - end], models[end]
                assert int(see[end]["valid"]) == comes.valid, f"cycle {cycle}: end {end} sees another class"
                assert int(see[end]["credit"]) == goes.credit, f"cycle {cycle}: end {end} sees other credits"
                if comes.valid:
                    crossed += 1
                    phit = int.from_bytes(see[end]["phit"].tobytes(), "little")
                    assert phit == comes.flit, f"cycle {cycle}: end {end} sees another flit"
                driven.append(ends[end].drive(cycle, comes.valid, goes.credit))
            for end, (valid, phit, credit) in enumerate(driven):
                drives[end]["valid"], drives[end]["credit"] = valid, credit
                drives[end]["phit"] = np.frombuffer(phit.to_bytes(4 * words, "little"), "<u4")
                models[end].step(valid, phit, driven[1 - end][2])
            state = library.link_step(handle, cycle, drives.ctypes.data, see.ctypes.data)
            under_way = any(model.under_way for model in models)
            leaving = any(model.valid for model in models)
            held = under_way or leaving or any(model.freed or any(model.waiting) or model.credit for model in models)
            assert bool(state & 1) == held, f"cycle {cycle}: busy is {bool(state & 1)}"
            assert bool(state & 2) == (under_way or leaving), f"cycle {cycle}: moved is {bool(state & 2)}"
    finally:
        library.link_destroy(handle)
    return crossed
