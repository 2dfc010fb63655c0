"""Better labels for the slices whose masks a model made: what the networks trained before say of them.

As in learning from a teacher (Xie et al. 2020, arXiv 1911.04252): the given mask says where there is infection, the
teacher which kind it is; where the two contradict each other, nothing is learnt.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Teacher = Callable[[np.ndarray], np.ndarray]  # 8-bit slice (h, w) -> probabilities (5, h, w) as picture_probabilities


def load_teacher(name: str, device: str = "cpu") -> Teacher:
    """The mean probabilities of the installed networks of that choice; raises MissingResource when there are none."""
    from CovidLungQuantLib.networks.registry import load_network, members
    from LesionKitResearch.evaluation.covid_pictures import mean_probabilities

    networks = [load_network(member)[1].to(device) for member in members(name)]
    return lambda gray: mean_probabilities(networks, gray)
