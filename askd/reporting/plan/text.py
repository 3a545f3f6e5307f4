"""Numbers as the plan's tables and lines show them."""

from __future__ import annotations


def number(value: float) -> str:
    """Three digits, with thousands apart; nothing for nothing."""
    if not value:
        return ""
    if value >= 1e9:
        return f"{value / 1e9:,.3g} G" if value < 1e12 else f"{value / 1e9:,.0f} G"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
