"""StrokeSynth's arterial territories on its standard grid: ``python Tools/make_arterial_atlas.py ATLAS``.

ATLAS: arterial_atlas_mni1mm.nii.gz (labels on the MNI 152 grid of 1 mm); where it comes from and its license are in
StrokeSynth/Resources/ArterialAtlas/NOTICE.txt.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "StrokeSynth" / "Resources" / "ArterialAtlas" / "territories.npz"


def main(source: str) -> None:
    import nibabel

    from StrokeSynthLib.segmentation.template import STANDARD_IJK_TO_RAS, STANDARD_SHAPE

    image = nibabel.load(source)
    labels = np.asarray(image.dataobj).astype(np.uint8)
    k, j, i = np.indices(STANDARD_SHAPE)
    ras = np.stack([i, j, k, np.ones_like(i)], -1) @ STANDARD_IJK_TO_RAS.T
    ijk = np.rint(ras @ np.linalg.inv(image.affine).T)[..., :3].astype(int)
    inside = ((ijk >= 0) & (ijk < np.array(labels.shape))).all(-1)
    standard = np.zeros(STANDARD_SHAPE, np.uint8)
    standard[inside] = labels[tuple(ijk[inside].T)]
    np.savez_compressed(FILE, labels=standard)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "LesionKit"), str(ROOT / "StrokeSynth")]
    main(sys.argv[1])
