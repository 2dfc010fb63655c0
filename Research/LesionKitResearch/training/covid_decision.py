"""Training the head that decides COVID-19 or not anew, on frozen features of pictures from many sources.

The networks' first heads learned from two sources and hardly told patients of a third apart. A head has few weights and
its features are computed once, so it can learn from every source that there is, each source and label counting alike,
and can be tested on sources that were left out.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.metrics import area_under_curve, with_interval
from LesionKitLib.run.progress import Progress
from LesionKitResearch.augmentation.covid import random_view
from LesionKitResearch.datasets.covid_decisions import DecisionPicture, decision_sequence

from .covid_multi_output import FRAME, disguise

HEADS = {"jcs": "classifier.decide", "multitask": "decide"}  # the module that turns features into the logit ...
INPUTS = {"jcs": "classifier.dropout", "multitask": "decide"}  # ... and the one that is called with these features
FEWEST = 20  # pictures of each label that a source needs to be scored when it is left out


@dataclass(frozen=True)
class HeadPlan:
    """steps: of AdamW over all pictures at once; views: of each picture, beside the one that inference sees."""

    steps: int = 400
    seed: int = 0
    learning_rate: float = 3e-3
    weight_decay: float = 1.0
    views: int = 1


@dataclass(frozen=True)
class DecisionFeatures:
    """What the head of a frozen network sees.

    values: (views, n, d), the first view being inference's. covid: (n) 1 or 0. source, patient: (n); patient is the
    picture's name where it is not known.
    """

    values: np.ndarray
    covid: np.ndarray
    source: np.ndarray
    patient: np.ndarray

    def of(self, rows: np.ndarray) -> DecisionFeatures:
        """Those of some pictures (n; bool)."""
        return DecisionFeatures(self.values[:, rows], self.covid[rows], self.source[rows], self.patient[rows])


def thinned(pictures: list[DecisionPicture], every: int = 2) -> list[DecisionPicture]:
    """All pictures of known patients, and every n-th of each source of unknown ones, where neighbors are alike."""
    kept: list[DecisionPicture] = []
    seen: dict[str, int] = {}
    for item in pictures:
        number = seen[item.source] = seen.get(item.source, -1) + 1
        if item.patient or number % every == 0:
            kept.append(item)
    return kept


def decision_features(
    name: str,
    network,
    pictures: list[DecisionPicture],
    plan: HeadPlan,
    device: str = "cpu",
    progress: Progress | None = None,
) -> DecisionFeatures:
    """Features of the pictures as inference sees them, and of plan.views random views in another style.

    name: "jcs" or "multitask".
    """
    import torch

    from LesionKitLib.models.inference import choose_runtime
    from LesionKitResearch.evaluation.covid_pictures import decide_picture

    progress, runtime = progress or Progress(), choose_runtime(device)
    network, caught = network.to(runtime.device).eval(), []
    hook = network.get_submodule(INPUTS[name]).register_forward_pre_hook(
        lambda _, inputs: caught.append(inputs[0][0].float().cpu().numpy())
    )
    try:
        for n, item in enumerate(pictures):
            progress.report("computing features", n / len(pictures))
            sequence = decision_sequence(item)
            rngs = [np.random.default_rng([plan.seed, n, view]) for view in range(plan.views)]
            views = [disguise(random_view(sequence, 1, rng, FRAME)["image"], rng) for rng in rngs]
            with runtime.autocast(), torch.inference_mode():
                decide_picture(network, item.gray)
                for view in views:
                    network(view.to(runtime.device))
    finally:
        hook.remove()
    values = np.stack(caught).reshape(len(pictures), 1 + plan.views, -1).transpose(1, 0, 2)
    return DecisionFeatures(
        values,
        np.array([item.covid for item in pictures]),
        np.array([item.source for item in pictures]),
        np.array([item.patient or item.name for item in pictures]),
    )


def picture_weights(source: np.ndarray, covid: np.ndarray) -> np.ndarray:
    """Weights (n) of pictures, of sum 1: both labels count alike, and so does every source within a label."""
    weights = np.zeros(len(source))
    for label in np.unique(covid):
        names = np.unique(source[covid == label])
        for name in names:
            rows = (source == name) & (covid == label)
            weights[rows] = 1 / len(names) / rows.sum()
    return weights / weights.sum()


def fit_head(name: str, network, features: DecisionFeatures, plan: HeadPlan):
    """A head with new weights, in eval mode, trained on all views of the pictures."""
    import torch

    from LesionKitResearch.losses.covid import LABEL_NOISE

    torch.manual_seed(plan.seed)
    head = copy.deepcopy(network.get_submodule(HEADS[name])).float().cpu().train()
    for layer in head.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    x = torch.from_numpy(features.values.reshape(-1, features.values.shape[-1]))
    repeated = len(features.values)
    truth = torch.from_numpy(np.tile(features.covid, repeated)).float() * (1 - 2 * LABEL_NOISE) + LABEL_NOISE
    weights = torch.from_numpy(np.tile(picture_weights(features.source, features.covid) / repeated, repeated)).float()
    optimizer = torch.optim.AdamW(head.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay)
    for _ in range(plan.steps):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(head(x)[:, 0], truth, reduction="none")
        optimizer.zero_grad()
        (loss * weights).sum().backward()
        optimizer.step()
    return head.eval()


def head_logits(head, features: DecisionFeatures) -> np.ndarray:
    """Logits (n) of the view that inference sees."""
    import torch

    with torch.inference_mode():
        return head(torch.from_numpy(features.values[0]))[:, 0].numpy()


def leave_one_source_out(name: str, network, features: DecisionFeatures, plan: HeadPlan) -> dict[str, dict]:
    """{source: {auc: {mean, low, high}, patients, n}}: by patient, with a head that learned from the other sources.

    The features' network may have seen a source in its own training; such a figure is too good.
    """
    scores = {}
    for source in np.unique(features.source):
        out = features.source == source
        if min((features.covid[out] == label).sum() for label in (0, 1)) < FEWEST:
            continue
        head = fit_head(name, network, features.of(~out), plan)
        scores[str(source)] = patient_auc(features.of(out), head_logits(head, features.of(out)))
    return scores


def patient_auc(features: DecisionFeatures, logits: np.ndarray) -> dict:
    """Area under the ROC curve of the patients' mean logits, with its interval; patients, n: how many there are."""
    names, index = np.unique(features.patient, return_inverse=True)
    count = np.bincount(index)
    score, covid = np.bincount(index, logits) / count, np.bincount(index, features.covid) / count > 0.5
    auc = with_interval(lambda rows: area_under_curve(covid[rows], score[rows]), names.tolist())
    return {"auc": auc, "patients": len(names), "n": len(index)}
