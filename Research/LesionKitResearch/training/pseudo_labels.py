"""Pseudo-labels: the kind of lesion, by the networks trained before, for slices whose masks a model made.

As in self-training (Xie et al. 2020, arXiv 1911.04252): the given mask says where there is infection, the pseudo-label
which kind it is; where the two contradict each other, nothing is learned.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# 8-bit slice (h, w) -> probabilities (5, h, w) as picture_probabilities
PseudoLabeler = Callable[[np.ndarray], np.ndarray]


def load_pseudo_labeler(name: str, device: str = "cpu") -> PseudoLabeler:
    """The mean probabilities of the installed networks of that choice; raises MissingResource when there are none."""
    from CovidLungQuantLib.networks.registry import load_network, members
    from LesionKitResearch.evaluation.covid_pictures import mean_probabilities

    networks = [load_network(member)[1].to(device) for member in members(name)]
    return lambda gray: mean_probabilities(networks, gray)
