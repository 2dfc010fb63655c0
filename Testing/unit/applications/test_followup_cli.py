"""``lesionkit covid EARLIER LATER ...``: two DICOM series of a chest whose lesion grew by a known volume."""

from __future__ import annotations

import json

import numpy as np
import pytest
from chest_fixtures import AIR_LUNG, GGO, block_chest
from dicom_fixtures import write_series

from LesionKitCLI.main import main
from LesionKitLib.run.errors import Cancelled
from LesionKitLib.run.progress import Progress

CHEST = block_chest()
GROWN = (slice(3, 11), slice(24, 48), slice(8, 24))  # k, j, i: of the right lung


def write_examination(folder, box, date: str, patient: str = "A17") -> float:
    """A series of the chest whose only lesion is ground glass in the box; returns its milliliters."""
    hu = np.where(CHEST.lungs > 0, AIR_LUNG, CHEST.volume.array)
    hu[box] = np.where(CHEST.lungs[box] > 0, GGO, hu[box])

    def fill(data, n):
        data.PixelData = (hu[n].astype(int) + 1024).astype(np.uint16).tobytes()
        data.StudyDate = date
        data.PatientID = patient

    write_series(folder, range(14), 8.0, change=fill, rows=64, columns=64, PixelSpacing=[4.0, 4.0])
    return float((hu == GGO).sum()) * CHEST.volume.voxel_ml


@pytest.fixture
def pair(tmp_path, threshold_network):
    small = tuple(slice(part.start + 2, part.stop - 2) for part in GROWN)
    then = write_examination(tmp_path / "later", GROWN, "20200320")
    now = write_examination(tmp_path / "earlier", small, "20200301")
    return str(tmp_path / "later"), str(tmp_path / "earlier"), now, then


def test_two_inputs_are_a_followup_in_the_order_of_their_dates(pair, tmp_path, capsys):
    later, earlier, then, now = pair
    out = tmp_path / "out"
    assert main(["covid", later, earlier, "--output", str(out), "--device", "cpu", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["source"]["date"] for one in document["examinations"]] == ["2020-03-01", "2020-03-20"]
    assert [one["total"]["ggo_ml"] for one in document["examinations"]] == pytest.approx([then, now], rel=0.05)
    (interval,) = document["intervals"]
    assert interval["days"] == 19 and interval["changes_ml"]["ggo_ml"] == pytest.approx(now - then, rel=0.05)
    assert interval["counts"]["grown"] == 1 and sum(interval["counts"].values()) == 1
    assert document == json.loads((out / "followup.json").read_text("utf-8"))
    assert (out / "examination-2" / "report.html").is_file() and (out / "report.html").is_file()


def test_people_read_each_date_and_what_became_of_the_lesions(pair, tmp_path, capsys):
    assert main(["covid", *pair[:2], "--output", str(tmp_path / "out"), "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "2020-03-01" in out and "2020-03-20" in out and "1 grown" in out and "not a medical device" in out


def test_one_unusable_examination_leaves_nothing_behind(pair, tmp_path, capsys):
    (tmp_path / "none").mkdir()
    code = main(["covid", pair[0], str(tmp_path / "none"), "--output", str(tmp_path / "out"), "--device", "cpu"])
    assert code == 3 and not (tmp_path / "out").exists()
    assert "Traceback" not in capsys.readouterr().err


def test_a_part_of_a_job_reports_its_share_and_is_cancelled_with_it():
    heard = []
    whole = Progress(lambda stage, fraction, remaining: heard.append((stage, fraction)))
    part = whole.part(0.5, 0.75)
    part.report("reading", 0.5)
    assert heard == [("reading", 0.625)]
    whole.cancel()
    assert part.cancelled
    with pytest.raises(Cancelled):
        part.report("reading", 0.6)


def test_other_patient_ids_are_said_and_written_nowhere(pair, tmp_path, capsys):
    write_examination(tmp_path / "stranger", GROWN, "20200401", "B42")
    inputs = [pair[1], str(tmp_path / "stranger")]
    assert main(["covid", *inputs, "--output", str(tmp_path / "out"), "--device", "cpu", "--json"]) == 0
    out = capsys.readouterr()
    assert "different patient IDs" in " ".join(json.loads(out.out)["notes"])
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert b"B42" not in written and "B42" not in out.out + out.err


def test_one_patients_examinations_bring_no_such_note_and_are_named_when_asked(pair, tmp_path, capsys):
    inputs = [*pair[:2], "--output", str(tmp_path / "out"), "--device", "cpu", "--json", "--identify"]
    assert main(["covid", *inputs]) == 0
    document = json.loads(capsys.readouterr().out)
    assert not any("patient" in note for note in document["notes"])
    assert {one["source"]["patient_id"] for one in document["examinations"]} == {"A17"}
