"""Cross-validation by patient: who is trained on, and who is scored."""

from __future__ import annotations

import json

import numpy as np
import pytest
from data_fixtures import BURDENED, _save, _table, picture

from LesionKitLib.run.errors import UnusableInput
from LesionKitResearch.datasets.covid import labeled_slices
from LesionKitResearch.experiments.cross_validation import RESULT, cross_validate, draw_folds, fold_of_groups, make_fold


@pytest.fixture
def data(tmp_path):
    """Five groups of training slices of one to three slices, and one validation slice."""
    rows = []
    for name, group, split in [(f"{n:03d}", n % 5 if n < 8 else 0, "train") for n in range(9)] + [("900", 9, "val")]:
        label = np.where(BURDENED, 1, 0).astype(np.uint8)
        _save(tmp_path / "data" / "sirm100", name, picture(lesion=BURDENED), label, ".png")
        rows.append((name, group, split, (label == 1).sum(), 0, 0))
    header = "id,group,split,ggo_px,consolidation_px,effusion_px"
    _table(tmp_path / "data" / "sirm100" / "split.csv", header, rows)
    return tmp_path / "data"


def test_groups_are_spread_evenly_and_each_lies_in_one_fold():
    chosen = fold_of_groups(["a", "b", "c", "d"], [5, 3, 2, 1], 2)
    assert set(chosen) == {"a", "b", "c", "d"}
    filled = [sum(n for g, n in zip("abcd", (5, 3, 2, 1), strict=True) if chosen[g] == fold) for fold in (0, 1)]
    assert sorted(filled) == [5, 6]
    with pytest.raises(UnusableInput, match="only 2 patient groups"):
        fold_of_groups(["a", "b"], [1, 1], 3)


def test_no_group_is_in_both_parts_and_validation_rows_are_in_none(data, tmp_path):
    seen = []
    for fold in range(3):
        place = make_fold(data, tmp_path / f"fold{fold}", fold, 3)
        parts = {split: list(labeled_slices(place / "sirm100", split)) for split in ("train", "val")}
        groups = {split: {item.patient for item in items} for split, items in parts.items()}
        assert not groups["train"] & groups["val"]
        assert sum(len(items) for items in parts.values()) == 9
        seen += [item.name for item in parts["val"]]
    assert sorted(seen) == [f"{n:03d}" for n in range(9)]


@pytest.mark.parametrize("hard_links", [True, False])
def test_folds_need_no_symbolic_links(data, tmp_path, monkeypatch, hard_links):
    (data / "volumes").mkdir()
    (data / "volumes" / "labels.csv").write_text("id,split,k,infected\n")

    def refuse(*_, **__):
        raise OSError("A required privilege is not held by the client")

    monkeypatch.setattr("pathlib.Path.symlink_to", refuse)
    if not hard_links:
        monkeypatch.setattr("os.link", refuse)
    place = make_fold(data, tmp_path / "fold", 0, 3)
    assert len(list(labeled_slices(place / "sirm100", "all"))) == 9
    copy, original = place / "volumes" / "labels.csv", data / "volumes" / "labels.csv"
    assert copy.read_text() == original.read_text()
    assert copy.samefile(original) is hard_links


def test_every_held_out_slice_is_scored_by_a_model_that_did_not_see_it(data, tmp_path):
    folders = []

    def train(fold_data, output):
        trained_on = {item.name for item in labeled_slices(fold_data / "sirm100", "train")}
        folders.append((output, trained_on))
        return lambda gray: np.where(gray == 150, 1, 0).astype(np.uint8)

    document = cross_validate(data, tmp_path / "out", 3, train, {"network": "convlstm"})
    assert len(folders) == 3 and len({output for output, _ in folders}) == 3
    assert (
        document["network"] == "convlstm" and document["n"] == 9 and [f["n"] for f in document["per_fold"]] == [3, 3, 3]
    )
    assert document["metrics"]["infection"]["dice"]["mean"] == 1
    assert json.loads((tmp_path / "out" / RESULT).read_text()) == document
    draw_folds(document, tmp_path / "out" / "folds.png")
    assert (tmp_path / "out" / "folds.png").read_bytes().startswith(b"\x89PNG")
