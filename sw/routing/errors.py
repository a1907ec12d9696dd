# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with routes."""

from __future__ import annotations

from collections.abc import Sequence

from golden.topology import Site


class RoutingError(ValueError):
    """There are no routes for an array, or those that there are do not work; the message names where."""


class UnreachableNodes(RoutingError):
    """Nodes that the host cannot reach.

    Attributes
    ----------
    sites : tuple of (x, y)
        All of them, row by row; the message may name fewer.
    """

    def __init__(self, message: str, sites: Sequence[Site]):
        super().__init__(message)
        self.sites = tuple(sites)
