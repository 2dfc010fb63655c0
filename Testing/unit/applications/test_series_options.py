"""--list, --series and --group of the commands that read one image."""

from __future__ import annotations

import json

import pytest
from dicom_fixtures import write_mr_series, write_series

from LesionKitCLI.main import main

COMMANDS = (["covid"], ["stroke", "segment"])


@pytest.fixture
def exam(tmp_path):
    """A CT with two kernels in one series, and a FLAIR."""
    same = {"SeriesInstanceUID": "1.2.3.4", "StudyInstanceUID": "1.2.3"}
    write_series(tmp_path / "in" / "a", ConvolutionKernel="B30f", **same)
    write_series(tmp_path / "in" / "b", ConvolutionKernel="B70f", **same)
    write_mr_series(tmp_path / "in" / "c", number=8, SeriesDescription="t2_flair_tra")
    return tmp_path / "in"


def run(capsys, *arguments) -> tuple[int, str, str]:
    try:
        code = main([str(one) for one in arguments])
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("command", COMMANDS)
def test_without_output_or_list_a_command_is_a_usage_error(capsys, exam, command):
    code, _, err = run(capsys, *command, exam)
    assert code == 2 and "the following arguments are required: --output" in err


@pytest.mark.parametrize(("command", "taken"), list(zip(COMMANDS, (3, 8), strict=True)))
def test_the_list_marks_what_the_command_would_take_and_writes_nothing(capsys, exam, command, taken):
    code, out, _ = run(capsys, *command, exam, "--list")
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[2] for line in lines if line.startswith("* ") and "group" not in line] == [str(taken)]
    assert any("group 1: kernel B" in line for line in lines)
    assert sorted(path.name for path in exam.parent.iterdir()) == ["in"]


@pytest.mark.parametrize(("command", "taken"), list(zip(COMMANDS, (3, 8), strict=True)))
def test_the_list_as_json_is_one_document(capsys, exam, command, taken):
    code, out, _ = run(capsys, *command, exam, "--list", "--json")
    document = json.loads(out)
    assert code == 0
    assert [one["number"] for one in document["series"] if one["chosen"]] == [taken]
    assert {group["label"] for group in document["series"][0]["groups"]} == {"kernel B30f", "kernel B70f"}
    assert set(document) == {"series", "files", "notes", "choice"}


def test_the_list_of_a_folder_of_nifti_files_names_them(capsys, tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        (tmp_path / name).write_bytes(b"some bytes")
    code, out, _ = run(capsys, "covid", tmp_path, "--list")
    assert code == 0 and "file  a.nii.gz" in out and "file  b.nii.gz" in out


def test_the_list_of_nothing_is_unusable_input(capsys, tmp_path):
    assert run(capsys, "covid", tmp_path / "nowhere", "--list")[0] == 3


@pytest.mark.parametrize("command", COMMANDS)
def test_series_and_group_that_are_not_there_are_refused_with_what_is(capsys, exam, tmp_path, command):
    code, _, err = run(capsys, *command, exam, "--output", tmp_path / "out", "--series", "5")
    assert code == 3 and "There is no such series in the folder; it holds: CT series 3" in err
    code, _, err = run(capsys, *command, exam, "--output", tmp_path / "out", "--series", "3", "--group", "5")
    assert code == 3 and "There is no such group in the CT series 3; it holds: kernel B" in err


@pytest.mark.parametrize(("command", "taken"), list(zip(COMMANDS, ("CT series 3", "MR series 8"), strict=True)))
def test_a_refusal_names_the_series_that_was_chosen_as_another_may_be_the_right_one(capsys, exam, command, taken):
    code, _, err = run(capsys, *command, exam, "--output", exam.parent / "out", "--quiet")
    assert code == 3 and err.count("\n") == 1
    assert f"of 2 series in the folder, {taken}" in err and "--series takes another" in err
