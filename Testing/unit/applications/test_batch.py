"""Batches: one row for each study, whatever a study does."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from chest_fixtures import block_chest
from dicom_fixtures import DX_STORAGE, dicom_image, save, slice_hu, write_series

from CovidLungQuantLib.phantoms.chest import make_phantom
from LesionKitCLI.main import main
from LesionKitCohort.batch import PARQUET, ROWS, SUMMARY, TABLE, run_batch
from LesionKitCohort.pool import Limits
from LesionKitCohort.studies import Study, studies_of
from LesionKitCohort.summary import histogram, outliers, summary_of
from LesionKitCohort.tasks import Settings
from LesionKitLib.io.images import write_volume
from LesionKitLib.run.errors import MissingResource, UnusableInput

TASK = "cohort_tasks:STAND_IN"
QUICK = Limits(seconds=3.0, memory_bytes=1 << 30, retries=1)
BAD = ("truncated", "huge", "poisoned", "endless", "fault")


def write_studies(folder: Path, words: dict[str, str]) -> list[Study]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, word in words.items():
        (folder / name).write_text(word)
    return [Study(name, str(folder / name)) for name in words]


def rows_of(folder: Path) -> list[dict]:
    with (folder / TABLE).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Studies that are fine with the bad ones among them, through two workers."""
    folder = tmp_path_factory.mktemp("mixed")
    words = {f"case {n:02}": "x" * (n + 1) for n in range(12)}
    for n, bad in enumerate(BAD):
        words[f"case {n:02} {bad}"] = bad
    studies = write_studies(folder / "in", dict(sorted(words.items())))
    batch = run_batch(TASK, studies, folder / "out", Settings(), 2, QUICK)
    return studies, batch, folder / "out"


def test_every_study_has_exactly_one_row_in_the_order_of_the_studies(mixed):
    studies, batch, folder = mixed
    assert [row["study"] for row in rows_of(folder)] == [study.id for study in studies]
    fine = {row["study"]: row["value"] for row in batch.rows if row["status"] == "ok"}
    assert fine == {f"case {n:02}": float(n + 1) for n in range(12)}


def test_a_study_that_is_cut_short_too_large_deadly_or_endless_fails_alone_with_its_cause(mixed):
    _, batch, _ = mixed
    causes = {row["study"].split()[-1]: row["cause"] for row in batch.failed}
    assert causes == {
        "truncated": "unusable", "huge": "memory", "poisoned": "crash", "endless": "time", "fault": "error",
    }  # fmt: skip
    assert all(row["reason"].endswith(".") for row in batch.failed)


def test_the_page_names_counts_causes_and_distribution(mixed):
    page = (mixed[2] / SUMMARY).read_text(encoding="utf-8")
    for text in ("17", "crash: 1", "time: 1", "case 03 endless", "Distribution of value", "The file is cut short."):
        assert text in page


def test_the_table_is_there_as_parquet_too_with_numbers_as_numbers(mixed):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(mixed[2] / PARQUET)
    assert table.column("value").to_pylist() == [row.get("value") for row in mixed[1].rows]
    assert table.column("study").to_pylist() == [row["study"] for row in mixed[1].rows]


def test_a_failure_that_passes_is_tried_again(tmp_path):
    studies = write_studies(tmp_path / "in", {"a": "fine", "b": "once"})
    batch = run_batch(TASK, studies, tmp_path / "out", Settings(), 1, QUICK)
    assert [(row["study"], row["status"]) for row in batch.rows] == [("a", "ok"), ("b", "ok")]


def test_an_earlier_batch_is_not_overwritten_and_one_of_another_network_not_mixed(tmp_path):
    studies = write_studies(tmp_path / "in", {"a": "fine"})
    run_batch(TASK, studies, tmp_path / "out", Settings(), 1, QUICK)
    with pytest.raises(UnusableInput, match="--resume"):
        run_batch(TASK, studies, tmp_path / "out", Settings(), 1, QUICK)
    with pytest.raises(UnusableInput, match="another task, network or version"):
        run_batch(TASK, studies, tmp_path / "out", Settings(network="other"), 1, QUICK, resume=True)


def test_resuming_keeps_rows_and_tries_again_only_what_may_have_passed(tmp_path):
    studies = write_studies(tmp_path / "in", {"a": "fine", "b": "truncated", "c": "fault"})
    run_batch(TASK, studies, tmp_path / "out", Settings(), 1, QUICK)
    for name in "abc":
        (tmp_path / "in" / name).write_text("mended")
    batch = run_batch(TASK, studies, tmp_path / "out", Settings(), 1, QUICK, resume=True)
    assert [row.get("value") for row in batch.rows] == [4.0, None, 6.0]
    assert batch.analyzed == 1


def children_of(pid: int) -> list[int]:
    """Processes that a process started, where the system tells (Linux)."""
    told = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in told.read_text().split()] if told.exists() else []


def is_running(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_batch_that_is_killed_goes_on_and_ends_with_the_same_rows(tmp_path):
    words = {f"case {n}": "x" * (n + 1) for n in range(6)} | {"last": "endless"}
    studies = write_studies(tmp_path / "in", words)
    whole = run_batch(TASK, studies, tmp_path / "whole", Settings(), 1, QUICK)
    code = (
        "import sys; from pathlib import Path; from test_batch import *\n"
        "if __name__ == '__main__':\n"
        f"    studies = [Study(name, str(Path({str(tmp_path / 'in')!r}) / name)) for name in {list(words)!r}]\n"
        f"    run_batch(TASK, studies, Path({str(tmp_path / 'killed')!r}), Settings(), 1, Limits(600.0, 1 << 30, 0))\n"
    )
    (tmp_path / "killed.py").write_text(code)
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    process = subprocess.Popen([sys.executable, str(tmp_path / "killed.py")], env={**os.environ, "PYTHONPATH": paths})
    rows = tmp_path / "killed" / ROWS
    while process.poll() is None and (not rows.exists() or len(list(rows.glob("case*.json"))) < 6):
        time.sleep(0.05)
    workers = children_of(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while any(is_running(pid) for pid in workers):  # a worker with an endless study ends with its parent
        time.sleep(0.05)
    assert not (tmp_path / "killed" / TABLE).exists()
    again = run_batch(TASK, studies, tmp_path / "killed", Settings(), 1, QUICK, resume=True)
    assert again.analyzed == 1
    assert again.rows == whole.rows
    assert (tmp_path / "killed" / TABLE).read_bytes() == (tmp_path / "whole" / TABLE).read_bytes()


def test_a_worker_that_lacks_a_model_ends_the_batch_with_its_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("LESIONKIT_MODELS", str(tmp_path))
    studies = write_studies(tmp_path / "in", {"a": "fine"})
    with pytest.raises((MissingResource, UnusableInput)):
        run_batch("covid", studies, tmp_path / "out", Settings(network="no-such-network"), 1, QUICK)


# --- which studies there are


def test_a_folder_of_folders_and_files_gives_a_study_each_and_a_series_is_one(tmp_path):
    write_series(tmp_path / "all" / "first", range(3))
    write_series(tmp_path / "all" / "second", range(3), number=4)
    write_volume(tmp_path / "all" / "third.nii.gz", block_chest((16.0, 16.0, 16.0)).volume)
    (tmp_path / "all" / ".hidden").mkdir()
    assert [study.id for study in studies_of([str(tmp_path / "all")])] == ["first", "second", "third.nii.gz"]
    assert [study.id for study in studies_of([str(tmp_path / "all" / "first")])] == ["first"]


def test_a_manifest_names_paths_beside_it_and_ids_and_equal_names_are_numbered(tmp_path):
    write_studies(tmp_path / "data", {"a": "fine", "b": "fine"})
    (tmp_path / "list.csv").write_text("id,path\nP/1,data/a\n,data/b\n,data/b\n")
    studies = studies_of([str(tmp_path / "list.csv")])
    assert [study.id for study in studies] == ["P/1", "b", "b-2"]
    assert [Path(study.path) for study in studies] == [tmp_path / "data" / name for name in "abb"]
    assert "/" not in studies[0].file_name


def test_an_fsspec_address_gives_a_study_for_each_of_its_entries(tmp_path):
    write_studies(tmp_path / "in", {"a": "fine", "b": "truncated"})
    studies = studies_of([f"file://{tmp_path / 'in'}"])
    assert [study.id for study in studies] == ["a", "b"]
    batch = run_batch(TASK, studies, tmp_path / "out", Settings(), 1, QUICK)
    assert [row["status"] for row in batch.rows] == ["ok", "failed"]


@pytest.mark.parametrize("text", ["", "id\n1\n", "no,columns\n"])
def test_a_manifest_without_paths_is_refused_with_one_sentence(tmp_path, text):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(UnusableInput):
        studies_of([str(tmp_path / "list.csv")])


# --- the page


def test_the_histogram_counts_every_study_once():
    shown = [s.text for s in histogram([0.0, 1.0, 1.0, 9.9, 10.0], "x").shapes if hasattr(s, "text")]
    assert [text for text in shown if text in "0123456789"].count("1") >= 1
    assert "0 to 1" in shown and "9 to 10" in shown


def test_studies_far_from_the_median_stand_out_and_others_do_not():
    values = {f"s{n}": 1.0 + 0.01 * n for n in range(20)} | {"far": 50.0}
    assert outliers(values) == ["far"]
    assert outliers(dict.fromkeys("abcd", 1.0)) == []


# --- the command


def test_the_command_analyzes_chests_with_a_warm_network_as_covid_does_alone(tmp_path, capsys):
    volume = make_phantom(1, (2.4, 2.4, 8.0)).volume
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        write_volume(tmp_path / "in" / f"{name}.nii.gz", volume)
    (tmp_path / "in" / "bad.nii.gz").write_bytes(b"no image")
    assert main(["batch", "covid", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["studies"] == 3 and [row["study"] for row in document["failed"]] == ["bad.nii.gz"]
    first = next(row for row in rows_of(tmp_path / "out") if row["study"] == "a.nii.gz")
    alone = tmp_path / "alone"
    assert main(["covid", str(tmp_path / "in" / "a.nii.gz"), "--output", str(alone), "--json"]) == 0
    total = json.loads(capsys.readouterr().out)["total"]
    assert np.isclose(float(first["lung_ml"]), total["lung_ml"])
    assert (tmp_path / "out" / "studies" / "a.nii.gz" / "report.html").is_file()
    table = ["batch", "covid", str(tmp_path / "in"), "--output", str(tmp_path / "table"), "--table-only"]
    assert main(table) == 0
    assert rows_of(tmp_path / "table") == rows_of(tmp_path / "out")
    assert not (tmp_path / "table" / "studies").exists()


def test_the_command_gives_each_x_ray_its_class_and_what_is_no_image_its_reason(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    save(dicom_image(slice_hu(0) + 1024, DX_STORAGE, "DX"), tmp_path / "in" / "xray.dcm")
    (tmp_path / "in" / "text.dcm").write_text("no image")
    assert main(["batch", "route", str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 0
    text, xray = rows_of(tmp_path / "out")
    assert (text["study"], text["status"], text["cause"]) == ("text.dcm", "failed", "unusable")
    assert xray["status"] == "ok" and 0 < float(xray["probability"]) <= 1 and xray["class"]
    assert "1 failed" in capsys.readouterr().out


def test_the_page_of_a_batch_names_what_is_shown_in_words(tmp_path):

    from LesionKitLib.report.html import report_html

    rows = [{"study": str(n), "status": "ok", "burden_percent": float(n)} for n in range(4)]
    page = report_html(summary_of([{"row": row, "seconds": {}} for row in rows], 60.0, "burden_percent", tmp_path))
    assert "Distribution of burden (% of the lungs)" in page and "burden_percent" not in page
