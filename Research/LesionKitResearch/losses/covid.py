"""Losses that use whatever part of the labels a slice has. Shapes: logits (n, c, h, w), labels (n, h, w) int64."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from CovidLungQuantLib.networks.heads import Heads, MultiOutputHeads, reconstruction_errors
from LesionKitResearch.datasets.covid import ANY_LESION, UNKNOWN

KIND_WEIGHTS = (1.0, 1.6, 2.5)  # ground glass, consolidation, effusion: the rarer count more
SIDE_WEIGHT, DECISION_WEIGHT, RECONSTRUCTION_WEIGHT = 0.5, 1.0, 2.0
LABEL_NOISE = 0.05  # share of slice labels that are assumed wrong
SUSPICIOUS_PIXELS = 60  # a slice called infected has at least this many lesion pixels at MODEL_MM


def soft_dice(probability: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """1 - Dice of each image (n), (Milletari et al. 2016, arXiv 1606.04797), over known pixels; (n, h, w) each."""
    p, t = probability * known, truth * known
    overlap = (p * t).sum((1, 2))
    return 1 - (2 * overlap + 1) / (p.sum((1, 2)) + t.sum((1, 2)) + 1)


def segmentation_loss(
    heads: Heads, lesion: Tensor, lung: Tensor, infected: Tensor, weight: Tensor
) -> tuple[Tensor, dict]:
    """Sum of the parts; weight (n) scales each slice's share. Returns the loss and its parts as floats."""
    heads = Heads(*(h.float() for h in heads))
    weight = weight / weight.sum().clamp(min=1e-6)
    parts = {
        "any": (_binary(heads.lesion[:, 0], lesion.clamp(max=1).float(), lesion != UNKNOWN) * weight).sum(),
        "kind": _kind(heads, lesion, weight),
        "lung": 0.5 * (_binary(heads.lung[:, 0], (lung == 1).float(), lung != UNKNOWN) * weight).sum(),
        "weak": 0.2 * (_weak(heads.lesion[:, 0], lesion, infected) * weight).sum(),
    }
    return sum(parts.values()), {k: float(v.detach()) for k, v in parts.items()}


def _binary(logit: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy + Dice of each image (n); 0 where nothing is known. Dice only where the class is present."""
    known = known.float()
    entropy = F.binary_cross_entropy_with_logits(logit, truth, reduction="none") * known
    entropy = entropy.sum((1, 2)) / known.sum((1, 2)).clamp(min=1)
    present = ((truth * known).sum((1, 2)) > 0).float()
    return 2 * entropy + soft_dice(logit.sigmoid(), truth, known) * present


def _kind(heads: Heads, lesion: Tensor, weight: Tensor) -> Tensor:
    """Which lesion: cross-entropy on lesion pixels of known class, Dice of each gated class present in the image."""
    typed = (lesion >= 1) & (lesion < ANY_LESION)
    target = torch.where(typed, lesion - 1, 0)
    entropy = F.cross_entropy(heads.kind, target, heads.kind.new_tensor(KIND_WEIGHTS), reduction="none")
    pixels = typed.sum((1, 2))
    loss = (entropy * typed).sum((1, 2)) / pixels.clamp(min=1)
    known = ((lesion != UNKNOWN) & (lesion != ANY_LESION)).float()
    gated = heads.lesion.sigmoid() * heads.kind.softmax(1)
    for n in range(gated.shape[1]):
        truth = (lesion == n + 1).float()
        loss = loss + 0.5 * soft_dice(gated[:, n], truth, known) * (truth.sum((1, 2)) > 0)
    return (loss * weight).sum()


def _weak(logit: Tensor, lesion: Tensor, infected: Tensor) -> Tensor:
    """A slice that a radiologist called infected must hold some lesion where its pixels are unknown."""
    unknown = lesion == UNKNOWN
    candidates = torch.where(unknown, logit, logit.new_tensor(-20.0)).flatten(1)
    top = candidates.topk(SUSPICIOUS_PIXELS, 1).values
    applies = (infected == 1) & (unknown.sum((1, 2)) > 4 * SUSPICIOUS_PIXELS)
    return F.softplus(-top).mean(1) * applies


def multi_output_loss(outputs: MultiOutputHeads, batch: dict[str, Tensor]) -> tuple[Tensor, dict]:
    """The sum over the tasks for batches whose slices each carry only some of the labels.

    batch: image (n, 2, h, w), lesion and lung (n, h, w), infected and covid (n: 1, 0, -1 not known), weight (n: 0 for a
    slice without masks). A task of which no slice knows anything adds nothing. Returns the loss and its parts.
    """
    masked = batch["weight"] > 0
    loss, parts = outputs.decision.new_zeros(()), {}
    if masked.any():
        masks = type(outputs.masks)(*(h[masked] for h in outputs.masks))
        lesion, weight = batch["lesion"][masked], batch["weight"][masked]
        loss, parts = segmentation_loss(masks, lesion, batch["lung"][masked], batch["infected"][masked], weight)
        if outputs.sides:
            deep = SIDE_WEIGHT * _deep_supervision([side[masked] for side in outputs.sides], lesion, weight)
            loss, parts["deep"] = loss + deep, float(deep.detach())
    told = batch["covid"] >= 0
    if told.any():
        truth = batch["covid"][told].float()
        truth = truth * (1 - 2 * LABEL_NOISE) + LABEL_NOISE
        decision = F.binary_cross_entropy_with_logits(outputs.decision[told].float(), truth)
        loss, parts["decision"] = loss + DECISION_WEIGHT * decision, float(decision.detach())
    if outputs.reconstruction is not None:
        redraw = RECONSTRUCTION_WEIGHT * reconstruction_errors(outputs.reconstruction, batch["image"]).mean()
        loss, parts["redraw"] = loss + redraw, float(redraw.detach())
    return loss, parts


def _deep_supervision(sides: list[Tensor], lesion: Tensor, weight: Tensor) -> Tensor:
    """Mean over the side outputs of cross-entropy + Dice of "any lesion", at the labels' resolution."""
    weight = weight / weight.sum().clamp(min=1e-6)
    truth, known = lesion.clamp(max=1).float(), lesion != UNKNOWN
    losses = []
    for side in sides:
        logit = F.interpolate(side.float(), size=lesion.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
        losses.append((_binary(logit, truth, known) * weight).sum())
    return torch.stack(losses).mean()
