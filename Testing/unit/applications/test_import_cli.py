"""``lesionkit import``: a foreign segmentation as a file to go on with, or a question."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from LesionKitCLI.main import main
from LesionKitLib.imaging.volume import Volume, affine
from LesionKitLib.io.images import write_labelmap, write_volume
from LesionKitLib.io.seg_nrrd import read_seg_nrrd

IMAGE = Volume(np.zeros((6, 20, 24), np.int16), affine((0.8, 0.7, 2.0)))


@pytest.fixture
def case(tmp_path):
    labels = np.zeros(IMAGE.array.shape, np.uint8)
    labels[1:4, 4:9, 5:12] = 1
    write_volume(tmp_path / "ct.nii.gz", IMAGE)
    write_labelmap(tmp_path / "infection.nii.gz", labels, IMAGE)
    (tmp_path / "names.json").write_text(json.dumps({"labels": {"background": 0, "infection": 1}}))
    image, names = str(tmp_path / "ct.nii.gz"), str(tmp_path / "names.json")
    out = tmp_path / "out"
    return labels, out, ["import", str(tmp_path / "infection.nii.gz"), "--image", image, "--names", names,
                         "--output", str(out)]  # fmt: skip


def test_an_unsure_segment_is_a_question_and_nothing_is_written(case, capsys):
    _, out, command = case
    assert main(command) == 3
    assert "Which class is the segment 'infection': ggo, consolidation, or none?" in capsys.readouterr().err
    assert not out.exists()


def test_the_answer_writes_the_segment_and_a_table(case):
    labels, out, command = case
    assert main([*command, "--match", "infection=consolidation"]) == 0
    layers, records = read_seg_nrrd(out / "segmentation.seg.nrrd")
    (record,) = records
    assert record.id == "consolidation"
    assert np.array_equal(layers[record.layer].array == record.value, labels == 1)
    with (out / "import.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [{"segment": "infection", "class": "consolidation", "by": "answer"}]


def test_an_answer_about_a_segment_that_is_not_there_is_told(case, capsys):
    *_, command = case
    assert main([*command, "--match", "nobody=ggo"]) == 3
    assert "no segment 'nobody'" in capsys.readouterr().err


def test_an_answer_of_no_class_is_bad_usage(case):
    *_, command = case
    with pytest.raises(SystemExit) as ended:
        main([*command, "--match", "infection=tumor"])
    assert ended.value.code == 2
