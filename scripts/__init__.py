# SPDX-License-Identifier: Apache-2.0
"""The ``d1`` command and the simulator behind it."""
