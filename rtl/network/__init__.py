# SPDX-License-Identifier: Apache-2.0
"""The network: router, network interface, and what they are made of."""
