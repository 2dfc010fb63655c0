"""Sizes that the networks demand of their input; light, so that whoever prepares it needs no torch."""

from __future__ import annotations

MULTIPLE = 32  # height and width of a slice must be multiples of this
STYLE = 128  # numbers of a style
CELLS = 32  # along each side of a lesion box, for the mask GAN
