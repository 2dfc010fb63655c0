"""The evidence table shows what evaluations printed, the version before beside the one of now."""

from __future__ import annotations

import make_evidence_table
from make_evidence_table import PAGE, page, read_records, record_of, store

DOCUMENT = {
    "task": "covid",
    "network": "convlstm",
    "version": "3.0.0",
    "split": "val",
    "n": 2,
    "metrics": {
        "infection": {
            "dice": {"mean": 0.41234567, "low": 0.3, "high": 0.5},
            "sensitivity": {"mean": 0.9, "low": 0.8, "high": 0.95},
            "n": 2,
        }
    },
    "limits_of_agreement": {"infection": {"unit": "pixels", "true": 100.0, "bias": -5.0, "low": -9.0, "high": -1.0}},
    "per_source": {"ct20": {}},
}
ARGUMENTS = ["evaluate", "covid", "--data", "/somewhere/ct/ct20", "--split", "val", "--json"]


def test_the_page_is_what_the_stored_figures_give():
    assert PAGE.read_text(encoding="utf-8") == page(read_records()), "run .venv/bin/python Tools/make_evidence_table.py"


def test_a_record_names_its_command_but_no_place_of_this_machine():
    assert record_of(ARGUMENTS, DOCUMENT, "").command == "lesionkit evaluate covid --data ct/ct20 --split val"


def test_the_version_before_stands_beside_the_one_of_now(tmp_path, monkeypatch):
    monkeypatch.setattr(make_evidence_table, "FOLDER", tmp_path / "evidence")
    better = {"infection": {"dice": {"mean": 0.65, "low": 0.6, "high": 0.7}, "n": 2}}
    store(record_of(ARGUMENTS, DOCUMENT, ""))
    store(record_of(ARGUMENTS, DOCUMENT | {"version": "10.0.0", "metrics": better}, ""))
    lines = page(read_records(tmp_path / "evidence")).splitlines()
    row = next(line for line in lines if "infection, Dice" in line)
    assert row == (
        "| ct20 val | convlstm 3.0.0 → 10.0.0 | infection, Dice | 2 | 0.412 [0.300, 0.500] | 0.650 [0.600, 0.700] |"
    )
    assert any("-5 [-9, -1] of 100 pixels" in line for line in lines)
    assert not any("sensitivity" in line for line in lines)


def test_the_same_measurement_made_again_takes_the_place_of_the_old(tmp_path, monkeypatch):
    monkeypatch.setattr(make_evidence_table, "FOLDER", tmp_path / "evidence")
    for _ in range(2):
        store(record_of(ARGUMENTS, DOCUMENT, ""))
    assert len(list((tmp_path / "evidence").iterdir())) == 1
