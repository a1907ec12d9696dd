# SPDX-License-Identifier: Apache-2.0
"""What elaboration does to Python."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """Within, as a context or a decorated function, Python does not look for cycles of unused objects.

    Elaborating and converting a design makes millions of objects, most of which are used up to the end; going through them
    again and again takes almost half of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
