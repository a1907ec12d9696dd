# SPDX-License-Identifier: Apache-2.0
"""Routing around dead nodes and links: ``compute_routes`` finds routes, ``prove`` checks them, ``set_up_routes`` writes them."""

from sw.routing.boot import proved_routes, set_up_routes
from sw.routing.errors import RoutingError, UnreachableNodes
from sw.routing.proof import Proof, prove
from sw.routing.recovery import recover
from sw.routing.routes import MAX_ROUTED_SIDE, Routes, compute_routes, require_tables

__all__ = [
    "MAX_ROUTED_SIDE",
    "Proof",
    "Routes",
    "RoutingError",
    "UnreachableNodes",
    "compute_routes",
    "prove",
    "proved_routes",
    "recover",
    "require_tables",
    "set_up_routes",
]
