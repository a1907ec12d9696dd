# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with routes."""

from __future__ import annotations


class RoutingError(ValueError):
    """There are no routes for an array, or those that there are do not work; the message names where."""
