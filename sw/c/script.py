# SPDX-License-Identifier: Apache-2.0
"""The linker script of C programs for a node."""

from __future__ import annotations

from pathlib import Path

from golden.config import NodeConfig

__all__ = ["default_stack_bytes", "linker_script"]

#: The ABI keeps stack pointers at multiples of this.
STACK_ALIGNMENT = 16


def default_stack_bytes(config: NodeConfig) -> int:
    """Bytes of each thread's stack: together they take a quarter of the SRAM."""
    return config.sram_bytes // (4 * config.threads)


def linker_script(config: NodeConfig, stack_bytes: int | None = None) -> str:
    """The script for a node, which also notes in the program which nodes it is made for.

    Parameters
    ----------
    config : NodeConfig
    stack_bytes : int, optional
        Bytes of each thread's stack, a multiple of 16.

    Raises
    ------
    ValueError
        If the stacks are larger than the SRAM, or not aligned.
    """
    size = default_stack_bytes(config) if stack_bytes is None else stack_bytes
    most = config.sram_bytes // config.threads
    if not 0 < size <= most or size % STACK_ALIGNMENT:
        raise ValueError(
            f"stacks of {size} bytes cannot be; '{config.name}' has {config.threads} in {config.sram_bytes} bytes of SRAM, so "
            f"give a multiple of {STACK_ALIGNMENT} up to {most}"
        )
    symbols = {
        "D1_SRAM_BYTES": config.sram_bytes,
        "D1_THREADS": config.threads,
        "D1_STACK_BYTES": size,
        "d1_made_for": config.descriptor,
    }
    lines = "".join(f"{name} = {value:#x};\n" for name, value in symbols.items())
    return lines + (Path(__file__).parent / "d1.ld").read_text()
