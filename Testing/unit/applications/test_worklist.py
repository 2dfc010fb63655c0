"""The worklist: every reader gets the right case, a crash loses nothing, and exports are what others read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from dicom_fixtures import write_series

from CovidLungQuantLib.labels import CONSOLIDATION, GGO, RIGHT_LUNG
from LesionKitCLI.main import main
from LesionKitCohort.worklist.cases import cases_of
from LesionKitCohort.worklist.exports import run_lengths
from LesionKitCohort.worklist.store import IN_PROGRESS, OPEN, REVIEWED, SECOND, Case, Worklist
from LesionKitCohort.worklist.training import Example, folds_of, reviewed
from LesionKitLib.imaging.volume import Volume, affine
from LesionKitLib.io.images import read_volume, write_volume
from LesionKitLib.io.seg_nrrd import SegmentRecord, write_seg_nrrd
from LesionKitLib.run.errors import UnusableInput


class Clock:
    """Time that only the test moves."""

    def __init__(self):
        self.now = datetime(2026, 1, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def worklist_of(folder: Path, clock: Clock, count: int = 3, readers: int = 1) -> Worklist:
    Worklist.create(folder, [Case(f"c{n}", f"c{n}.nii.gz") for n in range(1, count + 1)], readers)
    return Worklist.open(folder, clock)


def states(worklist: Worklist) -> dict[tuple[str, str], str]:
    return {(reading.case_id, reading.reader): reading.state for reading in worklist.readings()}


def test_two_readers_never_get_the_same_case_where_one_is_enough(tmp_path, clock):
    worklist = worklist_of(tmp_path, clock)
    assert [worklist.next("anna").id, worklist.next("ben").id] == ["c1", "c2"]
    worklist.finish("c1", "anna")
    assert worklist.next("anna").id == "c3"
    worklist.finish("c3", "anna")
    assert worklist.next("anna") is None


def test_where_two_should_read_each_case_both_get_it_and_no_third(tmp_path, clock):
    worklist = worklist_of(tmp_path, clock, count=1, readers=2)
    assert [worklist.next(reader) is not None for reader in ("anna", "ben", "carl")] == [True, True, False]


def test_a_case_that_needs_a_second_reader_goes_to_another(tmp_path, clock):
    worklist = worklist_of(tmp_path, clock, count=1)
    worklist.next("anna")
    assert worklist.next("ben") is None
    worklist.finish("c1", "anna", SECOND)
    assert worklist.next("anna") is None
    assert worklist.next("ben").id == "c1"
    assert states(worklist) == {("c1", "anna"): SECOND, ("c1", "ben"): IN_PROGRESS}


def test_what_is_skipped_comes_last_and_previous_goes_back(tmp_path, clock):
    worklist = worklist_of(tmp_path, clock)
    assert worklist.next("anna").id == "c1"
    assert worklist.skip("anna").id == "c2"
    assert states(worklist)["c1", "anna"] == OPEN
    assert worklist.previous("anna").id == "c1"
    assert worklist.previous("anna") is None
    worklist.finish("c1", "anna")
    assert worklist.next("anna").id == "c2"


def test_time_and_edits_add_up_over_visits(tmp_path, clock):
    worklist = worklist_of(tmp_path, clock)
    worklist.next("anna")
    clock.pass_(30)
    worklist.save("c1", "anna", edits=2)
    clock.pass_(10)
    worklist.finish("c1", "anna")
    clock.pass_(1000)
    worklist.begin("c1", "anna")
    clock.pass_(5)
    worklist.save("c1", "anna", edits=1)
    worklist.finish("c1", "anna")
    (reading,) = worklist.readings()
    assert (reading.seconds, reading.edits, reading.state) == (45, 3, REVIEWED)


def segmentation(path: Path, value: int = 1) -> Path:
    lung, lesion = np.zeros((2, 4, 10, 12), np.uint8)
    lung[:, 2:8, 2:10] = RIGHT_LUNG.value
    lesion[1:3, 3:5, 4 : 6 + value] = value
    records = [SegmentRecord.of(RIGHT_LUNG, 0), *(SegmentRecord.of(item, 1) for item in (GGO, CONSOLIDATION))]
    write_seg_nrrd(path, [lung, lesion], records, image())
    return path


def image() -> Volume:
    array = np.arange(480, dtype=np.int16).reshape(4, 10, 12)
    return Volume(array, affine((0.8, 0.7, 2.0)))


KILLED = """
import os, sys
from pathlib import Path
from LesionKitCohort.worklist.store import Worklist
worklist = Worklist.open(Path(sys.argv[1]))
case = worklist.next("anna")
worklist.save(case.id, "anna", Path(sys.argv[2]), edits=4)
with worklist._transaction() as base:
    base.execute("UPDATE readings SET edits = 99")
    os.kill(os.getpid(), 9)
"""


def test_a_program_that_is_killed_loses_nothing_that_was_saved_and_the_case_goes_on(tmp_path):
    file = segmentation(tmp_path / "mine.seg.nrrd")
    worklist = Worklist.create(tmp_path / "list", [Case("c1", "c1.nii.gz"), Case("c2", "c2.nii.gz")])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", KILLED, str(worklist.folder), str(file)], env=environment, check=False)
    assert run.returncode == -9
    (reading,) = worklist.readings()
    assert (reading.state, reading.edits) == (IN_PROGRESS, 4)
    assert reading.file.read_bytes() == file.read_bytes()
    assert worklist.next("anna").id == "c1"
    assert worklist.readings()[0].seconds >= 0


def test_a_damaged_database_is_told_in_a_sentence(tmp_path):
    worklist = Worklist.create(tmp_path, [Case("c1", "a.nii.gz")])
    (tmp_path / "worklist.sqlite").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(UnusableInput, match="worklist cannot be read"):
        worklist.cases()


def test_cases_of_a_table_have_patients_and_come_by_doubt(tmp_path):
    for name in ("a", "b", "c"):
        write_volume(tmp_path / f"{name}.nii.gz", image())
    rows = [
        "path,id,patient,prediction,doubt",
        "a.nii.gz,one,p1,,0.1",
        "b.nii.gz,two,p1,b.seg.nrrd,0.9",
        "c.nii.gz,,,,",
    ]
    (tmp_path / "cases.csv").write_text("\n".join(rows))
    cases = cases_of([str(tmp_path / "cases.csv")], "doubt")
    assert [(case.id, case.patient, case.doubt) for case in cases] == [
        ("two", "p1", 0.9), ("one", "p1", 0.1), ("c.nii.gz", "c.nii.gz", None),
    ]  # fmt: skip
    assert cases[0].prediction == str((tmp_path / "b.seg.nrrd").resolve())


def test_studies_of_one_patient_are_one_patient_and_no_identity_is_kept(tmp_path):
    for name, identity in (("s1", "SECRET-7"), ("s2", "SECRET-8"), ("s3", "SECRET-7")):
        write_series(tmp_path / "in" / name, PatientID=identity)
    cases = cases_of([str(tmp_path / "in")])
    assert [case.patient for case in cases] == ["patient-1", "patient-2", "patient-1"]
    Worklist.create(tmp_path / "list", cases)
    assert b"SECRET" not in (tmp_path / "list" / "worklist.sqlite").read_bytes()


def test_a_patient_is_in_one_fold_only_and_folds_are_alike_in_size():
    examples = [Example(f"c{n}", "", Path(), f"p{n % 7}") for n in range(40)]
    folds = folds_of(examples, 3, seed=1)
    by_patient = {}
    for example in examples:
        by_patient.setdefault(example.patient, set()).add(folds[example.case])
    assert all(len(own) == 1 for own in by_patient.values())
    sizes = [list(folds.values()).count(fold) for fold in range(3)]
    assert max(sizes) - min(sizes) <= 6  # one patient
    assert folds_of(examples, 3, seed=1) == folds != folds_of(examples, 3, seed=2)
    with pytest.raises(UnusableInput, match="7 patients cannot be split into 8"):
        folds_of(examples, 8)


@pytest.fixture
def reviewed_list(tmp_path, capsys):
    """Three cases by the command line; two reviewed, one of them by two readers."""
    for n in (1, 2, 3):
        (tmp_path / "in").mkdir(exist_ok=True)
        write_volume(tmp_path / "in" / f"c{n}.nii.gz", image())
    place, first, later = str(tmp_path / "list"), tmp_path / "1.seg.nrrd", tmp_path / "2.seg.nrrd"
    segmentation(first, GGO.value)
    segmentation(later, CONSOLIDATION.value)
    assert main(["worklist", "create", place, str(tmp_path / "in"), "--readers", "2"]) == 0
    for case, reader, file in (("c1", "anna", first), ("c1", "ben", later), ("c2", "anna", first)):
        save = ["worklist", "save", place, f"{case}.nii.gz", "--reader", reader, "--segmentation", str(file)]
        assert main([*save, "--state", "reviewed", "--edits", "3"]) == 0
    capsys.readouterr()
    return tmp_path


def export(folder: Path, kind: str) -> Path:
    command = ["worklist", "export", str(folder / "list"), "--format", kind, "--folds", "2"]
    assert main([*command, "--output", str(folder / kind)]) == 0
    return folder / kind


def truth(value: int) -> np.ndarray:
    labels = np.zeros((4, 10, 12), np.uint8)
    labels[:, 2:8, 2:10] = 1
    labels[1:3, 3:5, 4 : 6 + value] = value + 1
    return labels


def test_of_several_reviewed_readings_the_latest_is_taken(reviewed_list):
    examples = reviewed(Worklist.open(reviewed_list / "list"))
    assert [(example.case, example.labels.parent.name) for example in examples] == [
        ("c1.nii.gz", "ben"), ("c2.nii.gz", "anna"),
    ]  # fmt: skip


def test_nnu_net_gets_its_folders_consecutive_labels_and_splits_by_patient(reviewed_list):
    folder = export(reviewed_list, "nnunet")
    dataset = json.loads((folder / "dataset.json").read_text())
    assert dataset["labels"] == {"background": 0, "right_lung": 1, "ggo": 2, "consolidation": 3}
    assert (dataset["numTraining"], dataset["channel_names"], dataset["file_ending"]) == (2, {"0": "CT"}, ".nii.gz")
    for case, value in (("c1.nii.gz", 2), ("c2.nii.gz", 1)):
        assert np.array_equal(read_volume(folder / "labelsTr" / f"{case}.nii.gz").array, truth(value))
        assert np.array_equal(read_volume(folder / "imagesTr" / f"{case}_0000.nii.gz").array, image().array)
    splits = json.loads((folder / "splits_final.json").read_text())
    assert sorted(split["val"][0] for split in splits) == ["c1.nii.gz", "c2.nii.gz"]
    assert all(set(split["val"]).isdisjoint(split["train"]) for split in splits)


def test_monai_gets_a_datalist_whose_paths_lie_in_its_folder(reviewed_list):
    folder = export(reviewed_list, "monai")
    training = json.loads((folder / "datalist.json").read_text())["training"]
    assert sorted(item["fold"] for item in training) == [0, 1]
    assert all((folder / item["image"]).is_file() and (folder / item["label"]).is_file() for item in training)
    assert np.array_equal(read_volume(folder / training[0]["label"]).array, truth(2))


def test_coco_s_run_lengths_and_boxes_give_the_masks_back(reviewed_list):
    folder = export(reviewed_list, "coco")
    document = json.loads((folder / "annotations.json").read_text())
    images = {item["id"]: item for item in document["images"]}
    assert len(images) == 8
    assert all((folder / item["file_name"]).is_file() for item in images.values())
    labels = {case: np.zeros((4, 10, 12), np.uint8) for case in ("c1.nii.gz", "c2.nii.gz")}
    for item in document["annotations"]:
        counts = item["segmentation"]["counts"]
        flat = np.repeat(np.arange(len(counts)) % 2, counts).astype(bool)
        mask = flat.reshape(item["segmentation"]["size"], order="F")
        x, y, width, height = item["bbox"]
        assert mask.sum() == mask[y : y + height, x : x + width].sum() == item["area"]
        where = images[item["image_id"]]
        labels[where["case"]][where["slice"]][mask] = item["category_id"]
    assert np.array_equal(labels["c1.nii.gz"], truth(2))
    assert np.array_equal(labels["c2.nii.gz"], truth(1))


def test_run_lengths_begin_with_zeros_even_where_there_are_none():
    assert run_lengths(np.array([[1, 0], [1, 1]], bool)) == [0, 2, 1, 1]
    assert run_lengths(np.zeros((2, 2), bool)) == [4]


def test_the_readings_of_two_readers_are_given_to_agreement_as_they_are(reviewed_list, capsys):
    readings = reviewed_list / "list" / "readings"
    assert main(["agreement", str(readings / "anna"), str(readings / "ben"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["cases"]
    assert {row["segment"]: row["dice"] for row in rows}["Right lung"] == 1.0
    assert {row["case"] for row in rows} == {"c1.nii.gz.seg.nrrd"}


def test_the_next_case_is_printed_and_a_damaged_segmentation_is_refused(reviewed_list, capsys):
    place = str(reviewed_list / "list")
    assert main(["worklist", "next", place, "--reader", "ben", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["case"]["id"] == "c2.nii.gz"
    broken = reviewed_list / "broken.seg.nrrd"
    broken.write_bytes(b"NRRD0004\n")
    assert main(["worklist", "save", place, "c2.nii.gz", "--reader", "ben", "--segmentation", str(broken)]) == 3
    assert main(["worklist", "next", str(reviewed_list), "--reader", "ben"]) == 3
