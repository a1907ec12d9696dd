# SPDX-License-Identifier: Apache-2.0
"""Where generators of random programs take their choices from: a seed, or Hypothesis, which can then make programs smaller."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

__all__ = ["Choices", "DrawnChoices", "SeededChoices"]

Option = TypeVar("Option")


class Choices(Protocol):
    """Makes choices. What comes first is simpler, where the choices shrink."""

    def integer(self, least: int, most: int) -> int:
        """A whole number of that range, which includes both ends."""

    def one_of(self, options: Sequence[Option]) -> Option:
        """One of the options."""


class SeededChoices:
    """Choices of a seed: equal seeds make equal choices.

    Parameters
    ----------
    seed : str
    """

    def __init__(self, seed: str):
        self._random = random.Random(seed)

    def integer(self, least: int, most: int) -> int:
        return self._random.randint(least, most)

    def one_of(self, options: Sequence[Option]) -> Option:
        return options[int(self._random.random() * len(options))]


class DrawnChoices:
    """Choices of Hypothesis.

    Parameters
    ----------
    draw : function
        That of a composite strategy.
    """

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]):
        self._draw = draw

    def integer(self, least: int, most: int) -> int:
        return int(self._draw(st.integers(least, most)))

    def one_of(self, options: Sequence[Option]) -> Option:
        chosen: Option = self._draw(st.sampled_from(options))
        return chosen
