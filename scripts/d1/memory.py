# SPDX-License-Identifier: Apache-2.0
"""Whether an array fits into this machine's memory, asked before it is made."""

from __future__ import annotations

from golden.config import NodeConfig
from scripts.d1.errors import CommandError
from scripts.d1.options import ArrayShape
from scripts.simulator.memory import available_bytes

#: Share of the available memory that an array may take.
_SHARE = 0.8

#: Bytes of a node beside its SRAM: registers, buffers and the compiled model's working state, rounded up generously.
_STATE_BYTES = 256 << 10


def require_memory(config: NodeConfig, array: ArrayShape) -> None:
    """Refuse an array that does not fit.

    Raises
    ------
    CommandError
        With the bytes needed and available, and the largest number of nodes that would fit.
    """
    per_node = config.sram_bytes + _STATE_BYTES
    usable = int(available_bytes() * _SHARE)
    if array.nodes * per_node > usable:
        raise CommandError(
            f"an array of {array} nodes '{config.name}' needs {array.nodes * per_node / (1 << 30):.1f} GiB, but "
            f"{usable / (1 << 30):.1f} GiB are available; at most {usable // per_node} nodes fit. "
            "Use a smaller --array or a preset with less SRAM"
        )
