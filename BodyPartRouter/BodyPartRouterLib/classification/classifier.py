"""A network with its calibration and its limits: X-rays in, predictions out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from BodyPartRouterLib.labels import CLASSES
from BodyPartRouterLib.networks.registry import DEFAULT_NETWORK, NETWORKS
from BodyPartRouterLib.reading.xray import flatness
from LesionKitLib.models.inference import Runtime, choose_runtime, with_fallback
from LesionKitLib.models.registry import Model
from LesionKitLib.run.progress import Progress

from .decision import Decision, decide, probabilities
from .prediction import Prediction
from .preprocessing import prepare, to_image_grid

if TYPE_CHECKING:
    from BodyPartRouterLib.reading.xray import Xray

log = logging.getLogger(__name__)


class Classifier:
    """network: the user's name for it; name and version are those of the model's card. Safe to use from one thread."""

    def __init__(self, network: str, model: Model, net, runtime: Runtime):
        self.network, self.model, self.runtime = network, model, runtime
        self.name, self.version = model.name, model.version
        self.size = int(model.card["input"]["size"])
        self.decision = Decision(**model.card["decision"])
        self._net = net

    def predict(self, xrays: Sequence[Xray], progress: Progress | None = None) -> list[Prediction]:
        """One prediction for each X-ray, in their order.

        On a GPU that runs out of memory it goes on with smaller batches, at last on the CPU.
        """
        progress = progress or Progress()
        found: list[Prediction] = []
        while len(found) < len(xrays):
            progress.report("classifying", len(found) / len(xrays))
            views = self._views(xrays[len(found) : len(found) + self.runtime.batch])
            (logits, distances), self.runtime = with_fallback(
                lambda runtime, views=views: self._run(views, runtime), self.runtime, log.warning
            )
            chances = probabilities(logits, self.decision.temperature)
            for row, distance in zip(chances, distances, strict=True):
                xray = xrays[len(found)]
                found.append(
                    decide(
                        row,
                        float(distance),
                        xray.header,
                        self.decision,
                        xray.colored,
                        max(xray.pixels.shape),
                        flatness(xray.pixels),
                    )
                )
        return found

    def explain(self, xray: Xray, label: str | None = None) -> np.ndarray:
        """Grad-CAM of a class (default: the likeliest) on the image's own grid: float32 (rows, columns), 0..1.

        Raises ValueError for a label that is no class.
        """
        import torch

        square, frame = prepare(xray.pixels, self.size, xray.aspect)
        view = torch.from_numpy(square[None, None])

        def work(runtime: Runtime):
            with torch.inference_mode(), runtime.autocast():
                net = self._net.to(runtime.device)
                maps = net.class_maps(view.to(runtime.device))[0]
                return maps.float().cpu(), (maps.mean((1, 2)) + net.classify.bias).float().cpu()

        (maps, logits), self.runtime = with_fallback(work, self.runtime, log.warning)
        chosen = int(logits[: len(CLASSES)].argmax()) if label is None else CLASSES.index(label)
        heat = torch.relu(maps[chosen])
        heat = torch.nn.functional.interpolate(heat[None, None], (self.size, self.size), mode="bilinear")[0, 0].numpy()
        whole = to_image_grid(heat, frame)
        top = float(whole.max())
        return np.clip(whole / top, 0, 1) if top > 0 else np.zeros_like(whole)

    def _views(self, xrays: Sequence[Xray]) -> np.ndarray:
        return np.stack([prepare(xray.pixels, self.size, xray.aspect)[0] for xray in xrays])[:, None]

    def _run(self, views: np.ndarray, runtime: Runtime) -> tuple[np.ndarray, np.ndarray]:
        """Logits and distances, at most runtime.batch views at once."""
        import torch

        net = runtime.prepared(self._net)

        def described(part) -> list[np.ndarray]:
            part = part.to(runtime.device, memory_format=torch.channels_last)
            return [values.float().cpu().numpy() for values in net.describe(part)]

        with runtime.computing() as workers:
            parts = list(workers.map(described, torch.from_numpy(views).split(runtime.batch)))
        return tuple(np.concatenate(values) for values in zip(*parts, strict=True))


def load_classifier(network: str = DEFAULT_NETWORK, device: str = "auto") -> Classifier:
    """Raises MissingResource when the model is missing or damaged, UnusableInput for an unknown name or device."""
    import torch

    model, net = NETWORKS.load(network)
    return Classifier(network, model, net.to(memory_format=torch.channels_last), choose_runtime(device))
