# SPDX-License-Identifier: Apache-2.0
"""Properties of the router, of meshes of it, and of its rule, proved for whatever flits, stalls and credits come."""
