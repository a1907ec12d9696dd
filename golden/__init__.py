# SPDX-License-Identifier: Apache-2.0
"""The executable specification of OpenD1: configuration, instruction table, layouts, formats, arithmetic and models."""
