# SPDX-License-Identifier: Apache-2.0
"""List transfers: the engine that executes them, its units, and how it joins a node."""
