# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the description of an array, and the checks that its parts share."""

from __future__ import annotations

from typing import Any


class TopologyError(ValueError):
    """An array that cannot be made; the message names what is wrong, its value, and what is allowed."""


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_whole(name: str, value: Any, low: int, high: int) -> None:
    """TopologyError unless a value is a whole number of low to high."""
    if not is_whole(value):
        raise TopologyError(f"{name} = {value!r} is no whole number; it must be {low} to {high}")
    if not low <= value <= high:
        raise TopologyError(f"{name} = {value} is outside of {low} to {high}")
