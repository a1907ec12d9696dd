# SPDX-License-Identifier: Apache-2.0
"""Node configurations: one frozen dataclass, validated when made, and named presets.

A configuration fixes everything that the hardware, the golden model and the tools must agree on. Sizes that follow from
others (matrix shape, tile sizes, banks' depth) are properties, so that they cannot contradict each other.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass

#: Steps of the matrix unit always consume four values of K, so that products have the same bits on every preset.
MATRIX_K = 4

#: Bytes of a node's window in the global address space (offset of 21 bits).
WINDOW_BYTES = 1 << 21

#: Offset of the control page in a node's window.
CONTROL_PAGE_OFFSET = 0x1F_F000

#: Bytes of the control page.
CONTROL_PAGE_BYTES = 0x1000

#: Ways in which a core executes.
CORES = ("pipelined", "sequential")

#: Version of the instruction set and of the control page, reported by every node.
ISA_VERSION = 6


class ConfigError(ValueError):
    """A configuration that no node can be made of; the message names field, value and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class NodeConfig:
    """Everything that defines a node.

    Parameters
    ----------
    name : str
        Name of the preset, for reports only.
    line_bytes : int
        Bytes of an SRAM line, of a vector register and of a flit's data: 16, 32 or 64.
    sram_blocks : int
        Blocks of consecutive addresses; accesses to different blocks never conflict. 1 to 16.
    sram_ways : int
        Banks within a block, interleaved by line. A power of two, 1 to 16.
    bank_lines : int
        Lines of a bank. A power of two, 16 to 65,536.
    threads : int
        Hardware threads: 1, 2 or 4.
    fetch_lines : int
        Lines of code that a pipelined core keeps per thread: 2, 4, 8, 16 or 32.
    fetch_bytes : int
        Bytes of code that it fetches per cycle: 8, 16 or 32; a shorter line limits it (``window_bytes``).
    decode_width : int
        Instructions that it decodes per cycle, of at most two threads: 1 to 8.
    issue_width : int
        Instructions that a thread issues per cycle: 1, 2 or 4.
    btb_entries : int
        Branches whose targets are predicted. A power of two, 4 to 64.
    accumulators : int
        Matrix accumulators per thread: 1, 2, 4 or 8.
    semaphores : int
        Semaphores of a node: 4, 8, 16 or 32.
    channel_depth : int
        Flits buffered per link and class; 3 sustain full rate on a one-cycle link, more are a queue for flits that wait for
        their turn. 3 to 64.
    link_passes : int
        Cycles that a flit takes on a link, whose wires carry that part of it per cycle: 1, 2 or 4. Routers are smaller by about
        as much. What is sent and in which order does not depend on it.
    route_bits : int
        Low bits of each coordinate by which the node's routing table tells destinations apart: 3, 4 or 5, so it has 64 to 1024
        entries. 0: the node has no table, and packets go in dimension order.
    simd_passes : int
        Passes that an FP32 operation of the SIMD unit takes; there are ``fp32_lanes / simd_passes`` lanes of hardware. A power
        of two, at most ``fp32_lanes``. Results do not depend on it, nor on ``matrix_passes``.
    matrix_passes : int
        Passes that a matrix step takes; there is hardware for ``matrix_m * matrix_n / matrix_passes`` elements. A power of
        two, at most ``matrix_m * matrix_n``. A pass takes a cycle, or two from four passes on (``matrix_step_cycles``).
    lists : int
        List transfers that a node has under way at a time: 0, 2, 4 or 8. With 0 there are none, and ``nlist`` is illegal.
    vector_queue : int
        Vector and matrix instructions of a thread that wait for operands, or for their unit, behind issue, in each of two queues
        of a pipelined core: 0, 2, 4 or 8. With 0 there are no queues, and they wait at issue with all that comes behind. Results
        do not depend on it.
    core : str
        ``pipelined``, or ``sequential``: one instruction at a time, for nodes with one thread and narrow links, on which area
        counts. Results do not depend on it.

    Raises
    ------
    ConfigError
        If a value is outside of what is stated above or the SRAM does not fit below the control page.
    """

    name: str = "custom"
    line_bytes: int = 64
    sram_blocks: int = 5
    sram_ways: int = 4
    bank_lines: int = 1024
    threads: int = 4
    fetch_lines: int = 4
    fetch_bytes: int = 32
    decode_width: int = 8
    issue_width: int = 2
    btb_entries: int = 32
    accumulators: int = 4
    semaphores: int = 16
    channel_depth: int = 4
    link_passes: int = 1
    route_bits: int = 5
    simd_passes: int = 1
    matrix_passes: int = 1
    lists: int = 0
    vector_queue: int = 0
    core: str = "pipelined"

    def __post_init__(self) -> None:
        choices: dict[str, tuple[int, ...]] = {
            "line_bytes": (16, 32, 64),
            "sram_ways": (1, 2, 4, 8, 16),
            "bank_lines": tuple(1 << n for n in range(4, 17)),
            "threads": (1, 2, 4),
            "fetch_lines": (2, 4, 8, 16, 32),
            "fetch_bytes": (8, 16, 32),
            "issue_width": (1, 2, 4),
            "btb_entries": (4, 8, 16, 32, 64),
            "accumulators": (1, 2, 4, 8),
            "semaphores": (4, 8, 16, 32),
            "link_passes": (1, 2, 4),
            "route_bits": (0, 3, 4, 5),
            "lists": (0, 2, 4, 8),
            "vector_queue": (0, 2, 4, 8),
            "simd_passes": (1, 2, 4, 8, 16),
            "matrix_passes": (1, 2, 4, 8, 16, 32, 64),
        }
        ranges = {"sram_blocks": (1, 16), "channel_depth": (3, 64), "decode_width": (1, 8)}
        for field in (*choices, *ranges):
            value = getattr(self, field)
            if not isinstance(value, int) or isinstance(value, bool):
                raise ConfigError(f"{field} must be a whole number, not {value!r}")
        for field, allowed in choices.items():
            if getattr(self, field) not in allowed:
                listed = ", ".join(map(str, allowed))
                raise ConfigError(f"{field} = {getattr(self, field)} is not one of {listed}")
        for field, (low, high) in ranges.items():
            if not low <= getattr(self, field) <= high:
                raise ConfigError(f"{field} = {getattr(self, field)} is outside of {low} to {high}")
        for field, most in (("simd_passes", self.fp32_lanes), ("matrix_passes", self.matrix_m * self.matrix_n)):
            if getattr(self, field) > most:
                raise ConfigError(
                    f"{field} = {getattr(self, field)} is more than the {most} units that lines of {self.line_bytes} bytes have"
                )
        if self.core not in CORES:
            raise ConfigError(f"core = {self.core!r} is not one of {', '.join(CORES)}")
        if self.core == "sequential" and self.threads != 1:
            raise ConfigError(f"threads = {self.threads} is not 1, which is all that a sequential core has")
        if self.core == "sequential" and self.link_passes == 1:
            raise ConfigError("link_passes = 1 is not 2 or 4, as a sequential core needs it")
        if self.sram_bytes > CONTROL_PAGE_OFFSET:
            raise ConfigError(
                f"sram_blocks x sram_ways x bank_lines x line_bytes = {self.sram_bytes} bytes do not fit below the "
                f"control page; at most {CONTROL_PAGE_OFFSET} bytes are allowed"
            )

    @property
    def sram_bytes(self) -> int:
        """Bytes of SRAM."""
        return self.sram_lines * self.line_bytes

    @property
    def sram_lines(self) -> int:
        """Lines of SRAM."""
        return self.sram_blocks * self.sram_ways * self.bank_lines

    @property
    def block_bytes(self) -> int:
        """Bytes of one block of consecutive addresses."""
        return self.sram_ways * self.bank_lines * self.line_bytes

    @property
    def window_bytes(self) -> int:
        """Bytes of code that are fetched at a time, aligned."""
        return min(self.fetch_bytes, self.line_bytes)

    @property
    def banks(self) -> int:
        """Banks in all: blocks x ways."""
        return self.sram_blocks * self.sram_ways

    @property
    def matrix_m(self) -> int:
        """Rows of the matrix unit: a BF16 M x 4 tile is one line."""
        return self.line_bytes // 8

    @property
    def matrix_n(self) -> int:
        """Columns of the matrix unit, equal to its rows."""
        return self.matrix_m

    @property
    def macs_per_step(self) -> int:
        """Multiply-accumulates of one matrix step."""
        return self.matrix_m * self.matrix_n * MATRIX_K

    @property
    def matrix_step_cycles(self) -> int:
        """Cycles from one matrix step to the next, at least.

        Units that serve more than two elements take two cycles for each.
        """
        return 2 * self.matrix_passes if self.matrix_passes > 2 else self.matrix_passes

    @property
    def accumulator_bytes(self) -> int:
        """Bytes of one accumulator in FP32."""
        return self.matrix_m * self.matrix_n * 4

    @property
    def accumulator_lines(self) -> int:
        """Lines of one accumulator in FP32; a line holds two rows."""
        return self.accumulator_bytes // self.line_bytes

    @property
    def fp32_lanes(self) -> int:
        """FP32 lanes of a vector register."""
        return self.line_bytes // 4

    @property
    def bf16_lanes(self) -> int:
        """BF16 lanes of a vector register."""
        return self.line_bytes // 2

    @property
    def descriptor(self) -> int:
        """The 64-bit self-description that a node reports (control page CONFIG, CSR mconfig)."""
        return (
            ISA_VERSION
            | self.line_bytes << 8
            | self.threads << 16
            | self.accumulators << 20
            | self.semaphores << 24
            | (self.sram_bytes >> 4) << 32
            | self.route_bits << 56
            | self.lists << 59
        )

    @property
    def key(self) -> str:
        """Hexadecimal digest of all fields but the name: equal for equal hardware."""
        fields = {k: v for k, v in dataclasses.asdict(self).items() if k != "name"}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]

    def replace(self, **changes: int | str) -> NodeConfig:
        """A copy with some fields changed, validated anew."""
        unknown = set(changes) - {field.name for field in dataclasses.fields(self)}
        if unknown:
            raise ConfigError(f"a node configuration has no field {', '.join(sorted(unknown))}")
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


#: Named presets. ``d1`` has the published size; bank structure, buffer depths and counts are this project's choice.
PRESETS: dict[str, NodeConfig] = {
    config.name: config
    for config in (
        NodeConfig(name="d1", fetch_lines=16, channel_depth=8, lists=4, vector_queue=4),
        NodeConfig(
            name="medium", line_bytes=32, sram_blocks=4, sram_ways=2, bank_lines=512, threads=4, semaphores=16,
            fetch_lines=8, fetch_bytes=16, decode_width=4, btb_entries=16, lists=4, vector_queue=4,
        ),
        NodeConfig(
            name="small", line_bytes=16, sram_blocks=4, sram_ways=1, bank_lines=512, threads=2, fetch_lines=8,
            fetch_bytes=16, decode_width=3, issue_width=1, btb_entries=8, accumulators=4, semaphores=8, route_bits=4,
            vector_queue=2,
        ),
        NodeConfig(
            name="tiny", line_bytes=16, sram_blocks=2, sram_ways=2, bank_lines=256, threads=2, fetch_lines=4,
            fetch_bytes=8, decode_width=2, btb_entries=4, accumulators=2, semaphores=8, route_bits=4, simd_passes=2,
            lists=4, vector_queue=2,
        ),
        NodeConfig(
            name="nano", line_bytes=16, sram_blocks=1, sram_ways=1, bank_lines=1024, threads=1, fetch_lines=2,
            accumulators=2, semaphores=4, channel_depth=3, link_passes=4, route_bits=0, simd_passes=4, matrix_passes=4,
            core="sequential",
        ),
    )
}  # fmt: skip


def preset(name: str) -> NodeConfig:
    """The preset of that name.

    Raises
    ------
    ConfigError
        If there is none; the message lists those that exist.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise ConfigError(f"there is no preset '{name}'; presets are {', '.join(PRESETS)}") from None
