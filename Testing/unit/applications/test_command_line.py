"""What every command of lesionkit has in common: help, suggestions, quiet, pipes, full disks, never a traceback."""

from __future__ import annotations

import argparse
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from LesionKitCLI import covid, main, models
from LesionKitCLI.main import build_parser
from LesionKitCLI.shared import console
from LesionKitCLI.shared.inputs import each_input, output_folders
from LesionKitLib import __version__
from LesionKitLib.run.errors import Cancelled, MissingResource, UnusableInput

ROOT = Path(__file__).resolve().parents[3]


def leaf_parsers(parser=None, name=()) -> dict[str, argparse.ArgumentParser]:
    """The parser of each command and sub-command that runs something."""
    parser = parser or build_parser()
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not groups:
        return {" ".join(name): parser}
    return {k: v for g in groups for n, p in g.choices.items() for k, v in leaf_parsers(p, (*name, n)).items()}


def refusal(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main.main(list(arguments))
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def run(*arguments: str, **keywords) -> subprocess.CompletedProcess:
    paths = os.pathsep.join(str(ROOT / folder) for folder in (
        "Applications", "LesionKit", "CovidLungQuant", "StrokeSynth", "BodyPartRouter", "Research"
    ))  # fmt: skip
    command = [sys.executable, "-m", "LesionKitCLI", *arguments]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, timeout=120, **keywords)


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out == f"lesionkit {__version__}\n"


@pytest.mark.parametrize("name", leaf_parsers())
def test_every_command_s_help_says_what_it_does_and_gives_examples_that_parse(name):
    parser = leaf_parsers()[name]
    assert parser.description[0].isupper() and parser.description.endswith(".")
    examples = [line.strip() for line in parser.epilog.splitlines()[1:]]
    assert examples
    for example in examples:
        words = example.split(">")[0].split()
        words = words[words.index("lesionkit") + 1 :]
        assert " ".join(words).startswith(name)
        if "--help" not in words:
            build_parser().parse_args(words)


@pytest.mark.parametrize("name", leaf_parsers())
def test_every_option_of_every_command_has_a_help_text(name):
    without = [action.dest for action in leaf_parsers()[name]._actions if not action.help]
    assert without == []


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["covd", "ct.nii", "--output", "out"], "covid"),
        (["covid", "ct.nii", "--output", "out", "--netwrok", "jcs"], "--network"),
        (["covid", "ct.nii", "--output", "out", "--netwrok=jcs"], "--network"),
        (["covid", "ct.nii", "--output", "out", "--network", "ensamble"], "ensemble"),
        (["stroke", "segmnt", "mr.nii", "--output", "out"], "segment"),
        (["evaluate", "ruoter", "--data", "xr"], "router"),
        (["models", "--verfy"], "--verify"),
    ],
)
def test_what_is_misspelled_is_refused_with_what_was_probably_meant(arguments, meant, capsys):
    assert refusal(capsys, *arguments).endswith(f"did you mean {meant}?")


def test_what_resembles_nothing_gets_no_suggestion(capsys):
    assert "did you mean" not in refusal(capsys, "models", "--zzz")


@pytest.mark.parametrize("arguments", [["--cases", "0"], ["--cases", "two"], ["--cases", "1", "--seed", "-1"]])
def test_numbers_out_of_range_are_bad_usage(arguments, capsys):
    message = refusal(capsys, "stroke", "database", "--output", "out", *arguments)
    assert "is not a whole number from" in message


def test_quiet_prints_json_alone_and_neither_text_nor_progress(monkeypatch, capsys):
    def work(options):
        print("a table for people")
        with console.cancellable_progress() as progress:
            progress.report("segmenting", 0.5)
        console.print_json({"lesions": 3})

    monkeypatch.setattr(models, "run", work)
    for arguments in (["--quiet", "models"], ["models", "--quiet"]):
        assert main.main(arguments) == 0
        out, err = capsys.readouterr()
        assert json.loads(out) == {"lesions": 3} and err == ""
    assert main.main(["models"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("a table") and "segmenting" in err


def test_an_error_is_told_also_with_quiet(monkeypatch, capsys):
    def refuse(options):
        raise UnusableInput("The image is empty.")

    monkeypatch.setattr(models, "run", refuse)
    assert main.main(["models", "--quiet"]) == 3
    assert capsys.readouterr().err == "lesionkit: The image is empty.\n"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_seconds_left_are_told_in_a_pipe_every_ten_seconds(capsys):
    clock = Clock()
    bar = console.ProgressBar(clock)
    for second in range(41):
        clock.now = second
        bar("segmenting", second / 40, 40.0 - second if second else None)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == ["segmenting ...", "segmenting ... 25 %, 30 s left", "segmenting ... 50 %, 20 s left"]
    assert len(lines) == 5


def test_a_progress_that_nobody_can_read_does_not_stop_the_work(monkeypatch):
    class Gone:
        def isatty(self):
            return False

        def write(self, text):
            raise BrokenPipeError

        def flush(self):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    console.ProgressBar()("segmenting", 0.5, 3.0)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (Cancelled(), 130, "Cancelled."),
        (KeyboardInterrupt(), 130, "Cancelled."),
        (UnusableInput("No lungs."), 3, "No lungs."),
        (MissingResource("No model."), 4, "No model."),
        (ModuleNotFoundError("x", name="pynetdicom.ae"), 4, "'pynetdicom' is missing; install it with: pip install"),
        (MemoryError(), 3, "too large for the memory"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 3, "no room left on the disk"),
        (OSError(errno.EDQUOT, "quota"), 3, "no room left on the disk"),
        (PermissionError(errno.EACCES, "Permission denied", "out/a.json"), 3, "Permission denied ('out/a.json')"),
        (ZeroDivisionError("division by zero"), 1, "an error of its own (ZeroDivisionError)"),
    ],
)
def test_every_error_is_one_sentence_and_never_a_traceback(error, code, words, monkeypatch, capsys):
    def fail(options):
        raise error

    monkeypatch.setattr(models, "run", fail)
    assert main.main(["models"]) == code
    out, err = capsys.readouterr()
    assert out == "" and words in err and err.startswith("lesionkit: ") and err.count("\n") == 1
    assert main.main(["models", "--verbose"]) == code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_one_sentence():
    with open("/dev/full", "w") as full:
        ended = run("models", "--json", stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 3 and ended.stderr == "lesionkit: There is no room left on the disk.\n"


def test_a_reader_that_goes_away_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    ended = run("models", "--json", stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert ended.returncode == 0 and ended.stderr == ""


def test_streams_that_are_closed_from_the_start_are_no_error():
    command = f'"{sys.executable}" -m LesionKitCLI models >&- 2>&-'
    assert subprocess.run(command, shell=True, timeout=120).returncode == 0


def test_the_device_and_the_model_are_checked_before_the_image_is_read(tmp_path, monkeypatch, no_models, capsys):
    def read(*_):
        raise AssertionError("the image was read")

    monkeypatch.setattr("LesionKitLib.io.images.read_volume_and_header", read)
    for command in (["covid"], ["stroke", "segment"]):
        assert main.main([*command, "image.nii", "--output", str(tmp_path / "out")]) == 4
        assert "not installed" in capsys.readouterr().err
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for command in (["covid"], ["stroke", "segment"]):
        assert main.main([*command, "image.nii", "--output", str(tmp_path / "out"), "--device", "cuda"]) == 3
        assert "no usable 'cuda'" in capsys.readouterr().err


def test_several_inputs_get_folders_of_their_own_names(tmp_path):
    inputs = ["a/ct.nii.gz", "b/ct.nii", "series/", "scan.v2.nrrd"]
    places = output_folders(inputs, str(tmp_path))
    assert [folder.name for _, folder in places] == ["ct", "ct-2", "series", "scan.v2"]
    assert [path for path, _ in places] == inputs
    assert output_folders(["ct.nii"], str(tmp_path)) == [("ct.nii", tmp_path)]


def test_of_several_inputs_an_unusable_one_does_not_stop_the_others(tmp_path, capsys):
    done = []

    def work(path, folder):
        if path == "bad.nii":
            raise UnusableInput("The file is empty.")
        done.append(path)

    with pytest.raises(UnusableInput, match="1 of 3 inputs"):
        each_input(output_folders(["a.nii", "bad.nii", "c.nii"], str(tmp_path)), work)
    assert done == ["a.nii", "c.nii"]
    assert capsys.readouterr().err == "lesionkit: bad.nii: The file is empty.\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_the_completion_script_knows_commands_and_options(shell, capsys):
    assert main.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("covid", "segment", "evaluate", "network"))


def test_bash_takes_the_completion_script(tmp_path, capsys):
    main.main(["completion", "bash"])
    script = tmp_path / "lesionkit"
    script.write_text(capsys.readouterr().out)
    ask = f'source "{script}"; COMP_WORDS=(lesionkit cov); COMP_CWORD=1; _shtab_lesionkit; echo "${{COMPREPLY[@]}}"'
    answer = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=60)
    assert answer.stdout.split() == ["covid"], answer.stderr


def test_the_covid_command_offers_every_network():
    from CovidLungQuantLib.networks.registry import CHOICES

    parser = argparse.ArgumentParser()
    covid.add_network_options(parser)
    assert next(a for a in parser._actions if a.dest == "network").choices == CHOICES
