# SPDX-License-Identifier: Apache-2.0
"""Barriers, broadcasts and sums over rectangles of nodes, as routines for assembler kernels and for C.

:mod:`~sw.collectives.source` has the routines, :mod:`~sw.collectives.objects` makes them linkable to C, and
:mod:`~sw.collectives.reference` says what sums are. ``docs/collectives.md`` tells how to call them.
"""

from sw.collectives.group_layout import GROUP_BYTES
from sw.collectives.semaphores import CollectiveError, CollectiveSemaphores
from sw.collectives.source import ENTRY_POINTS, collectives_source

__all__ = ["ENTRY_POINTS", "GROUP_BYTES", "CollectiveError", "CollectiveSemaphores", "collectives_source"]
