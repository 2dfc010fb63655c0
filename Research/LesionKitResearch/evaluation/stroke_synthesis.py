"""``evaluate stroke-synthesis``: a translator or the mask model, on held-out patients."""

from __future__ import annotations

from pathlib import Path

from LesionKitLib.models.inference import choose_runtime
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.stroke_image_pairs import read_pairs
from StrokeSynthLib.networks.registry import TRANSLATORS
from StrokeSynthLib.segmentation.template import load_template
from StrokeSynthLib.synthesis.lesion_sampling import MASK_MODEL, load_sampler
from StrokeSynthLib.synthesis.synthesis import load_translator, synthesize

from .stroke_masks import evaluate_masks
from .stroke_translators import evaluate_generator, roughness

NETWORKS = (MASK_MODEL, *(f"stroke-{name}" for name in TRANSLATORS))


def evaluate_synthesis(
    soop: Path, network: str, count: int | None = None, device: str = "auto", progress: Progress | None = None
) -> dict:
    """The document of the command: figures of one network of NETWORKS. count: masks to draw (mask model only).

    A translator's figures include the roughness of a whole synthesized brain across and within its slices, and that of
    the template's T1, a real image's. Raises UnusableInput for data that are not there, MissingResource without model.
    """
    if network not in NETWORKS:
        raise UnusableInput(f"The network '{network}' is not known; choose one of {', '.join(NETWORKS)}.")
    if network == MASK_MODEL:
        sampler, name = load_sampler()
        return {**evaluate_masks(soop, count, sampler=sampler, progress=progress), "network": name}
    name = network.removeprefix("stroke-")
    generator, title = load_translator(name)
    runtime = choose_runtime(device)
    document = evaluate_generator(
        generator, read_pairs(soop, "val", progress), device=runtime.device, progress=progress
    )
    made = synthesize(None, None, name, device=device)
    t1 = load_template().t1
    document["metrics"]["roughness"] = {
        "synthesized": roughness(made.image, made.image.array > 0),
        "template_t1_2mm": roughness(t1, t1.array > 0),
    }
    return {**document, "network": title}
