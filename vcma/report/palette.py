"""Colours of tubes, the same everywhere, and of the report's charts and figures."""

from __future__ import annotations

PALETTE = (
    (66, 133, 244), (219, 68, 55), (15, 157, 88), (244, 160, 0), (171, 71, 188), (0, 172, 193), (255, 112, 67),
    (158, 157, 36), (92, 107, 192), (240, 98, 146), (121, 85, 72), (96, 125, 139),
)  # RGB; tube i has colour i modulo the number of colours  # fmt: skip

BLUE, ORANGE, GREEN, VIOLET, RED = "#4285f4", "#e8710a", "#0f9d58", "#ab47bc", "#db4437"
BLACK, DARK_GREY, GREY, MEDIUM_GREY, LIGHT_GREY = "#202124", "#5f6368", "#808080", "#9aa0a6", "#bbbbbb"
P_COLOUR, Q_COLOUR = BLUE, ORANGE  # of the two posteriors


def tube_colour(tube: int) -> str:
    """Return the colour of a tube in the report, as #rrggbb; grey for -1, no tube."""
    return "#{:02x}{:02x}{:02x}".format(*PALETTE[tube % len(PALETTE)]) if tube >= 0 else GREY
