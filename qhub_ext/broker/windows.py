"""Calibration windows belong to devices (`qhub_ext.tiers.windows`); the broker keeps those that operators order."""

from qhub_ext.tiers.windows import Window, next_window

__all__ = ["Window", "next_window"]
