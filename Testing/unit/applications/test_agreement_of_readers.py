"""Readers' agreement: the figures of SimpleITK and scikit-learn, and what cannot be compared."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from LesionKitCLI.main import main
from LesionKitCohort.agreement import cohen_kappa, consensus, fleiss_kappa, hausdorff_95
from LesionKitLib.imaging.volume import Volume, affine
from LesionKitLib.io.images import write_labelmap

SPACING = (0.8, 0.7, 2.0)
FLEISS_BY_STATSMODELS = 0.765357276468388


def box(low, high) -> np.ndarray:
    mask = np.zeros((12, 30, 28), bool)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return mask


A, B = box((2, 5, 5), (8, 20, 18)), box((3, 7, 5), (9, 20, 20))


def write(path: Path, mask: np.ndarray, spacing=SPACING) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_labelmap(path, mask.astype(np.uint8), Volume(np.zeros(mask.shape, np.uint8), affine(spacing)))
    return path


def compared(capsys, *arguments) -> dict:
    assert main(["agreement", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_dice_and_volumes_of_two_readers_are_simpleitk_s(tmp_path, capsys):
    files = [write(tmp_path / name, mask) for name, mask in (("a.nii.gz", A), ("b.nii.gz", B))]
    (row,) = compared(capsys, *files)["cases"]
    filter_ = sitk.LabelOverlapMeasuresImageFilter()
    filter_.Execute(*[sitk.Cast(sitk.ReadImage(str(file)), sitk.sitkUInt8) for file in files])
    assert row["dice"] == pytest.approx(filter_.GetDiceCoefficient(1))
    assert (row["a_ml"], row["b_ml"]) == pytest.approx([mask.sum() * np.prod(SPACING) / 1000 for mask in (A, B)])


def test_kappa_is_scikit_learn_s():
    from sklearn.metrics import cohen_kappa_score

    assert cohen_kappa(A, B) == pytest.approx(cohen_kappa_score(A.ravel(), B.ravel()))
    assert cohen_kappa(np.zeros_like(A), np.zeros_like(A)) is None


def test_the_distance_of_a_shifted_box_is_the_shift_in_millimeters():
    shifted = np.roll(A, 2, axis=0)
    assert hausdorff_95(A, shifted, SPACING) == pytest.approx(4.0)
    assert hausdorff_95(A, A, SPACING) == 0.0
    assert hausdorff_95(A, np.zeros_like(A), SPACING) is None


def test_the_consensus_of_three_readers_is_what_two_of_them_drew():
    assert np.array_equal(consensus([A, A, B]), A)
    assert np.array_equal(consensus([A, A]), A)


def test_folders_of_readers_give_bias_and_limits_over_the_cases_and_a_consensus_of_each(tmp_path, capsys):
    for n, (first, second) in enumerate(((A, A), (A, B), (B, A))):
        write(tmp_path / "one" / f"case{n}.nii.gz", first)
        write(tmp_path / "two" / f"case{n}.nii.gz", second)
    write(tmp_path / "one" / "only here.nii.gz", A)
    document = compared(capsys, tmp_path / "one", tmp_path / "two", "--output", tmp_path / "out")
    (row,) = document["summary"]
    differences = np.array([one["difference_ml"] for one in document["cases"]])
    assert row["cases"] == 3 and row["bias_ml"] == pytest.approx(differences.mean())
    assert row["high_ml"] == pytest.approx(differences.mean() + 1.96 * differences.std(ddof=1))
    with (tmp_path / "out" / "agreement.csv").open() as file:
        assert [line["case"] for line in csv.DictReader(file)] == [f"case{n}.nii.gz" for n in range(3)]
    assert len(list((tmp_path / "out" / "consensus").rglob("*.nii.gz"))) == 3


def test_a_segment_that_one_reader_lacks_counts_as_empty(tmp_path, capsys):
    files = [write(tmp_path / "a.nii.gz", A), write(tmp_path / "b.nii.gz", np.zeros_like(A))]
    (row,) = compared(capsys, *files)["cases"]
    assert (row["dice"], row["b_ml"], row["hd95_mm"]) == (0.0, 0.0, None)


def test_other_grids_one_reader_and_nothing_in_common_are_refused_with_one_sentence(tmp_path, capsys):
    a, other = write(tmp_path / "x" / "a.nii.gz", A), write(tmp_path / "y" / "b.nii.gz", A, (1.0, 1.0, 1.0))
    assert main(["agreement", str(a), str(other)]) == 3
    assert "different grids" in capsys.readouterr().err
    assert main(["agreement", str(a.parent), str(other.parent)]) == 3
    assert "no file of the same name" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["agreement", str(a)])


def test_fleiss_kappa_of_three_readers_is_statsmodels_s():
    """statsmodels 0.15.0: fleiss_kappa of the table of how many of three readers have a voxel inside and outside."""
    third = np.roll(A, 1, axis=1)
    assert fleiss_kappa([A, B, third]) == pytest.approx(FLEISS_BY_STATSMODELS, abs=1e-12)
    assert fleiss_kappa([A, A, A]) == 1.0
    assert fleiss_kappa([np.zeros_like(A)] * 3) is None


def test_fleiss_kappa_of_two_readers_with_equal_shares_is_cohen_s():
    shifted = np.roll(A, 3, axis=2)
    assert fleiss_kappa([A, shifted]) == pytest.approx(cohen_kappa(A, shifted))
