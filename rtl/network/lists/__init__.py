# SPDX-License-Identifier: Apache-2.0
"""List transfers: units that load, check and walk through lists, and send what they push."""
