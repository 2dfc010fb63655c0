"""The image translators by name, and what all of them take; light, so that the command line's help can import it."""

from __future__ import annotations

TRANSLATORS = ("pix2pix", "spade", "cyclegan")


def build_generator(name: str, arguments: dict | None = None):
    """A translator's untrained generator (torch module)."""
    from StrokeSynthLib.networks.translators.cyclegan import CycleGANGenerator
    from StrokeSynthLib.networks.translators.pix2pix import Pix2PixGenerator
    from StrokeSynthLib.networks.translators.spade import SpadeGenerator

    kinds = {"pix2pix": Pix2PixGenerator, "spade": SpadeGenerator, "cyclegan": CycleGANGenerator}
    return kinds[name](**(arguments or {}))
