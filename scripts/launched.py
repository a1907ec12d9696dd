# SPDX-License-Identifier: Apache-2.0
"""Whether this process is one of several that ``mpirun`` has started together, from what it tells them: of MPICH and Open MPI."""

from __future__ import annotations

import os

__all__ = ["launched_rank", "launched_ranks", "local_ranks"]


def launched_ranks() -> int:
    """How many processes there are; 1 if this one was not started so."""
    return _number(("PMI_SIZE", "OMPI_COMM_WORLD_SIZE"), 1)


def launched_rank() -> int:
    """Which of them this one is."""
    return _number(("PMI_RANK", "OMPI_COMM_WORLD_RANK"), 0)


def local_ranks() -> int:
    """How many of them run on this machine, as far as is known."""
    return _number(("MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE"), launched_ranks())


def _number(variables: tuple[str, ...], default: int) -> int:
    for name in variables:
        value = os.environ.get(name, "")
        if value.isdecimal():
            return int(value)
    return default
