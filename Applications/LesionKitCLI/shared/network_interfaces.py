"""How each bundled network is called from outside, for the export to ONNX."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from LesionKitLib.models.onnx_export import Interface, Port

if TYPE_CHECKING:
    from LesionKitLib.models.network_registry import NetworkRegistry

SLICES = 16  # the ConvLSTM's sequence, whose steps are unrolled
PLANE = {0: "n", 2: "h", 3: "w"}
MULTIPLE = "multiples of 32"
KINDS = {0: "ground-glass opacity", 1: "consolidation", 2: "pleural effusion"}


def bundled_networks() -> Iterator[tuple[NetworkRegistry, str, Interface]]:
    """The registry, the user's name and the interface of every bundled network."""
    from BodyPartRouterLib.networks.registry import NETWORKS as ROUTER
    from CovidLungQuantLib.networks.registry import NETWORKS as COVID
    from StrokeSynthLib.networks.registry import NETWORKS as STROKE

    makers = {"CovidLungQuantLib": _covid, "StrokeSynthLib": _stroke, "BodyPartRouterLib": _router}
    for registry in (COVID, STROKE, ROUTER):
        for name in registry.bundled:
            yield registry, name, makers[registry.library](name)


def _covid(name: str) -> Interface:
    sequence = name == "convlstm"
    free = {2: "h", 3: "w"} if sequence else PLANE
    count, height, width = (SLICES if sequence else 1), 32, 64
    meaning = f"slices, gray 0..1 in the lung and the soft-tissue window; h and w {MULTIPLE}"
    if sequence:
        meaning += f"; {SLICES} slices feet to head; longer volumes in overlapping runs of {SLICES}"
    inputs = (Port("slices", (count, 2, height, width), free, meaning),)
    outputs = [
        Port("lesion", (count, 1, height, width), free, "logits: any lesion"),
        Port("kind", (count, 3, height, width), free, "logits: which lesion, where there is one (softmax)", KINDS),
        Port("lung", (count, 1, height, width), free, "logits: lung"),
    ]
    half = {0: "n", 2: "h_half", 3: "w_half"}
    if name != "convlstm":
        outputs.append(Port("decision", (count,), {0: "n"}, "logits: COVID-19 pneumonia or not"))
    if name == "jcs":
        sixteenth = {0: "n", 2: "h_16th", 3: "w_16th"}
        outputs.append(
            Port("heat", (count, 1, height // 16, width // 16), sixteenth, "what spoke for the decision, logit units")
        )
    if name == "multitask":
        outputs.append(
            Port("reconstruction", (count, 2, height // 2, width // 2), half, "the input's gray values, 0..1")
        )
    return Interface(inputs, tuple(outputs), _heads)


def _heads(network, slices):
    found = network(slices)
    further = [getattr(found, name, None) for name in ("decision", "heat", "reconstruction")]
    return (*getattr(found, "masks", found), *(tensor for tensor in further if tensor is not None))


def _stroke(name: str) -> Interface:
    from StrokeSynthLib.labels import LABEL_COUNT
    from StrokeSynthLib.networks.shapes import CELLS, STYLE

    if name == "unet":
        gray = Port("slices", (1, 3, 32, 64), PLANE, f"slices as the card says; h and w {MULTIPLE}")
        mask = Port("logits", (1, 2, 32, 64), PLANE, "logits", {0: "ischemic stroke lesion", 1: "brain"})
        return Interface((gray,), (mask,), lambda network, x: (network(x),))
    if name == "brain-extraction":
        free = {0: "n", 2: "k", 3: "j", 4: "i"}
        gray = Port("volume", (1, 1, 16, 24, 32), free, "volume as the card says; k, j and i multiples of 8")
        return Interface((gray,), (Port("logits", (1, 1, 16, 24, 32), free, "logits: brain"),), _alone)
    if name == "mask-gan":
        inputs = (
            Port("latent", (1, 128), {0: "n"}, "standard normal"),
            Port("conditions", (1, 7), {0: "n"}, "center and sides of the box in mm, volume, as the card says"),
        )
        cells = Port("occupancy", (1, 1, CELLS, CELLS, CELLS), {0: "n"}, "of the box's cells, 0..1")
        return Interface(inputs, (cells,), lambda network, x, box: (network.generator(x, box),))
    inputs = [
        Port("labels", (1, LABEL_COUNT, 128, 128), PLANE, f"one-hot labels; h and w {MULTIPLE}"),
        Port("noise", (1, 1, 128, 128), PLANE, "standard normal"),
    ]
    if name == "spade":
        inputs.append(Port("style", (1, STYLE), {0: "n"}, "standard normal"))
    image = Port("image", (1, 1, 128, 128), PLANE, "gray values, -1..1")
    return Interface(tuple(inputs), (image,), _alone)


def _alone(network, *inputs):
    return (network(*inputs),)


def _router(name: str) -> Interface:
    from BodyPartRouterLib.networks.registry import NETWORKS

    size = NETWORKS.entry(name).size
    gray = Port("gray", (1, 1, size, size), {0: "n"}, "pictures as the card says, 0..1")
    outputs = (
        Port("logits", (1, 6), {0: "n"}, "logits of the card's labels (softmax)"),
        Port("distance", (1,), {0: "n"}, "from the training images, about 1 for those"),
    )
    return Interface((gray,), outputs, lambda network, x: network.describe(x))
