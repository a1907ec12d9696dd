# SPDX-License-Identifier: Apache-2.0
"""The ports of observation, as docs/architecture.md has them: names and widths, and what they are for."""

from golden.config import NodeConfig
from golden.layout import GLOBAL_ADDRESS_BITS, SEMAPHORE_ID_BITS
from rtl.core.grouping import PIPES
from rtl.frontend.entry import window_words

__all__ = ["RVFI_FIELDS", "VIEW_MEANINGS", "XVFI_MEANINGS", "observation_ports", "rvfi_channels", "view_ports", "xvfi_ports"]

#: Fields of RVFI but for ``valid``: bits of a channel.
RVFI_FIELDS = {
    "order": 64, "insn": 32, "trap": 1, "halt": 1, "intr": 1, "mode": 2, "ixl": 2, "debug": 1,
    "rs1_addr": 5, "rs2_addr": 5, "rs1_rdata": 64, "rs2_rdata": 64,
    "rd_addr": 5, "rd_wdata": 64, "rd2_addr": 5, "rd2_wdata": 64,
    "pc_rdata": 64, "pc_wdata": 64,
    "mem_addr": 64, "mem_rmask": 8, "mem_wmask": 8, "mem_rdata": 64, "mem_wdata": 64,
}  # fmt: skip

#: Channels behind those of what retires at once: loads, multiplications, divisions.
_LATE_CHANNELS = 3

XVFI_MEANINGS = {
    "vector0": "vector register written by the SIMD unit",
    "vector1": "vector register written by a load or response",
    "predicate": "predicate written",
    "read0": "line that the load pipe read",
    "read1": "line that the matrix pipe read as operand A",
    "read2": "line that the matrix pipe read as operand B",
    "write": "SRAM written",
    "send": "request to the network",
    "matrix": "operation of the matrix array",
}

VIEW_MEANINGS = {
    "fetch_count": "words that enter a thread's fetch buffer",
    "fetch_thread": "that thread",
    "fetch_pc": "address of the first of them",
    "fetch_words": "the words, 32 bits each",
    "inject": "threads whose fetch buffer an injected word enters",
    "inject_word": "that word",
    "injecting": "threads of which what is decoded, issued and in X is injected",
    "decode": "per thread, 8 bits: instructions that enter its queue",
    "correct": "threads of which decoders drop what else is fetched",
    "redirect": "threads of which all is dropped that is fetched and decoded",
    "issue": "per pipe, 8 bits: an instruction enters X (bit 7), its thread (bits 4 and 5), its place (bits 0 and 1)",
    "valid": "pipes with an instruction in X",
    "stays": "pipes where it stays there",
    "waits": "pipes where it stays because SRAM does not grant",
    "killed": "pipes where it is killed",
    "commit": "pipes where it retires or traps",
    "trap": "pipes where it traps",
    "stall": "per thread, 8 bits: the event that it counts for the cycle, or 0",
    "execute": "of simd and matrix, 8 bits: it executes (bit 7), its thread (bits 4 and 5), it goes on (bit 0), for SRAM (bit 1)",
    "starved": "of simd and matrix, 8 bits: threads of which the oldest that has not begun waits for an operand",
}


def rvfi_channels(config: NodeConfig) -> int:
    """Channels of a thread, NRET."""
    return config.issue_width + _LATE_CHANNELS


def xvfi_ports(config: NodeConfig) -> dict[str, dict[str, int]]:
    """The ports of XVFI, by what stands between ``xvfi_`` and the field, with the bits of each field."""
    line_bytes = config.line_bytes
    line = 8 * line_bytes
    instruction = {"valid": 1, "thread": 2, "order": 64}
    vector = instruction | {"vd": 5, "data": line}
    read = instruction | {"address": 64, "data": line}
    return {
        "vector0": vector,
        "vector1": vector,
        "predicate": instruction | {"pd": 3, "data": line_bytes},
        "read0": read,
        "read1": read,
        "read2": read,
        "write": instruction | {"address": 64, "mask": line_bytes, "data": line},
        "send": instruction
        | {
            "read": 1, "address": GLOBAL_ADDRESS_BITS, "mask": line_bytes, "data": line, "post": 1, "sem": SEMAPHORE_ID_BITS,
        },
        "matrix": instruction
        | {
            "op": 2, "accumulator": 3, "line": 2, "zero": 1, "half": 1, "kind_a": 3, "kind_b": 3, "bias_a": 6, "bias_b": 6,
            "a": line, "b": line,
        },
    }  # fmt: skip


def view_ports(config: NodeConfig) -> dict[str, int]:
    """The ports of the view, by what follows ``view_``, with their bits."""
    threads, pipes = config.threads, len(PIPES)
    masks = dict.fromkeys(("valid", "stays", "waits", "killed", "commit", "trap"), pipes)
    return {
        "fetch_count": 8,
        "fetch_thread": 8,
        "fetch_pc": 64,
        "fetch_words": 32 * window_words(config),
        "inject": threads,
        "inject_word": 32,
        "injecting": threads,
        "decode": 8 * threads,
        "correct": threads,
        "redirect": threads,
        "issue": 8 * pipes,
        **masks,
        "stall": 8 * threads,
        **({"execute": 16, "starved": 16} if config.vector_queue else {}),
    }


def observation_ports(config: NodeConfig) -> dict[str, int]:
    """All ports of observation with their bits.

    Raises
    ------
    ValueError
        If the core is none that can be observed.
    """
    if config.core != "pipelined":
        raise ValueError(f"core = {config.core!r}: only pipelined cores can be observed")
    channels = rvfi_channels(config)
    ports = {}
    for thread in range(config.threads):
        for field, bits in {"valid": 1, **RVFI_FIELDS}.items():
            ports[f"rvfi{thread}_{field}"] = channels * bits
    for port, fields in xvfi_ports(config).items():
        ports |= {f"xvfi_{port}_{field}": bits for field, bits in fields.items()}
    return ports | {f"view_{name}": bits for name, bits in view_ports(config).items()}
