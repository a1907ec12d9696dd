# SPDX-License-Identifier: Apache-2.0
"""How much memory an array may take."""

from __future__ import annotations

import os
import resource
from pathlib import Path

__all__ = ["available_bytes"]


def available_bytes() -> int:
    """Memory that this process can have without swapping: of the machine, its control group and its own limits."""
    limits = [_machine_bytes(), *_group_bytes()]
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        limits.append(limit)
    return max(0, min(limits))


def _machine_bytes() -> int:
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _group_bytes() -> list[int]:
    """What the control group (a container, mostly) has left; empty if it has no limit."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        # Files that were read are counted as well, but give way.
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return [limit - used + int(statistics.get("inactive_file", 0))]
    except (OSError, ValueError):
        return []
