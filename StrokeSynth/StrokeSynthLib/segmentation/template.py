"""The bundled brain template: tissue labels, tissue probabilities and a T1 in the MNI ICBM 152 standard space.

Made by Tools/make_stroke_template.py from the ICBM 152 nonlinear symmetric 2009a maps (Fonov et al. 2011, NeuroImage
54:313); the terms are beside the file.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.io.resources import resource
from LesionKitLib.run.errors import MissingResource

# 1 mm, LPS order; x from 78 down to -78, y from 78 down to -112, z from -72 up to 85 mm of MNI space
STANDARD_SHAPE = (158, 191, 157)  # k, j, i
STANDARD_IJK_TO_RAS = np.array([[-1.0, 0, 0, 78], [0, -1, 0, 78], [0, 0, 1, -72], [0, 0, 0, 1]])
PRIOR_STEP = 2  # the probabilities and the T1 are kept on every second voxel
# the grid of the public FLAIR slices and masks lies in the standard one
SOOP_SHAPE = (136, 189, 157)
SOOP_FIRST = (22, 2, 0)  # k, j, i
SOOP_BOX = tuple(slice(a, a + n) for a, n in zip(SOOP_FIRST, SOOP_SHAPE, strict=True))  # of the standard grid

NAME = "template.npz"


@dataclass(frozen=True)
class Template:
    """labels: semantic map (see labels.TISSUES) at 1 mm. t1: uint8 at 2 mm. priors: (tissues, k, j, i) float32 0..1 of
    labels.TISSUES on the grid of t1."""

    labels: Volume
    t1: Volume
    priors: np.ndarray


@functools.lru_cache(maxsize=1)
def load_template() -> Template:
    """The template; raises MissingResource when its file is missing or damaged."""
    try:
        with np.load(resource("StrokeSynthLib", "Template", NAME)) as file:
            labels, t1, priors = file["labels"], file["t1"], file["priors"]
    except (OSError, ValueError, KeyError) as error:
        raise MissingResource("The brain template of StrokeSynth is missing or damaged; install it again.") from error
    coarse = STANDARD_IJK_TO_RAS @ np.diag([PRIOR_STEP, PRIOR_STEP, PRIOR_STEP, 1.0])
    return Template(
        Volume(labels, STANDARD_IJK_TO_RAS, "Template labels"),
        Volume(t1, coarse, "Template T1"),
        priors.astype(np.float32) / 252,
    )
