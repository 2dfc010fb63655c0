"""The weights between a network before and after fine-tuning, as in WiSE-FT (Wortsman et al. 2022, arXiv 2109.01903).

Fine-tuning on new data may lose part of what was known of the old. Between the two lies often a network that is as good
on the new data and better on the old.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

SHARES = (0.0, 0.4, 0.6, 0.8, 1.0)  # of the fine-tuned weights
ENOUGH = 0.8  # of the gain on the new data


@dataclass(frozen=True)
class Interpolation:
    """network: in eval mode; share: of the fine-tuned weights in it; scores: share -> score."""

    network: object
    share: float
    scores: dict[float, float]


def interpolate(before, after, score: Callable[[object], float], shares: tuple[float, ...] = SHARES) -> Interpolation:
    """The smallest share of ``after`` that has ENOUGH of its gain over ``before``; without a gain, 0.

    before, after: networks of one architecture. score(network): on data that neither was trained on, higher is better.
    shares: ascending from 0 to 1.
    """
    candidates = {share: between(before, after, share) for share in shares}
    scores = {share: score(network) for share, network in candidates.items()}
    share = smallest_sufficient(scores)
    return Interpolation(candidates[share], share, scores)


def smallest_sufficient(scores: dict[float, float]) -> float:
    """The smallest share whose score has ENOUGH of the gain from share 0 to 1; 0 where there is no gain."""
    gain = scores[1.0] - scores[0.0]
    if gain <= 0:
        return 0.0
    return min(share for share, value in scores.items() if value - scores[0.0] >= ENOUGH * gain)


def between(before, after, share: float):
    """A network with (1 - share) of the one's weights and batch statistics and share of the other's, in eval mode."""
    network = copy.deepcopy(before)
    old, new = before.state_dict(), after.state_dict()
    network.load_state_dict(
        {k: old[k].float().lerp(new[k].float(), share).to(old[k].dtype) for k in old if old[k].is_floating_point()}
        | {k: new[k] for k in old if not old[k].is_floating_point()}
    )
    return network.eval()
