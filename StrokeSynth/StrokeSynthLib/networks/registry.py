"""The networks that StrokeSynth offers, by name; light, so that the command line's help can import it."""

from __future__ import annotations

from LesionKitLib.models.network_registry import NetworkEntry, NetworkRegistry
from LesionKitLib.models.registry import Model

SEGMENTATION, EXTRACTION, MASKS = "unet", "brain-extraction", "mask-gan"
TRANSLATORS = ("pix2pix", "spade", "cyclegan")
NETWORKS = NetworkRegistry(
    "StrokeSynthLib",
    {
        SEGMENTATION: NetworkEntry("stroke-unet", "stroke_unet", "StrokeUNet", "U-Net"),
        EXTRACTION: NetworkEntry(
            "stroke-brain-extraction", "brain_extraction", "BrainExtractionNet", "brain extraction U-Net"
        ),
        MASKS: NetworkEntry("stroke-mask-gan", "mask_gan", "LesionSampler", "lesion-mask GAN"),
        "pix2pix": NetworkEntry("stroke-pix2pix", "translators.pix2pix", "Pix2PixGenerator", "Pix2Pix"),
        "spade": NetworkEntry("stroke-spade", "translators.spade", "SpadeGenerator", "SPADE"),
        "cyclegan": NetworkEntry("stroke-cyclegan", "translators.cyclegan", "CycleGANGenerator", "CycleGAN"),
    },
)


def build_generator(name: str, arguments: dict | None = None):
    """A translator's untrained generator (torch module)."""
    return NETWORKS.build(name, **(arguments or {}))


def load_network() -> tuple[Model, object]:
    """The segmentation model's card and its network in eval mode.

    Raises MissingResource when the weights are missing or damaged.
    """
    return NETWORKS.load(SEGMENTATION)
