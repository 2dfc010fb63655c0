"""``lesionkit route`` and ``lesionkit route serve``: options, output, exit codes."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from dicom_fixtures import PATIENT
from router_fixtures import BrightnessClassifier, write_xray

from LesionKitCLI.main import main


@pytest.fixture
def classifier(monkeypatch):
    from BodyPartRouterLib.classification import classifier

    found = BrightnessClassifier()
    monkeypatch.setattr(classifier, "load_classifier", lambda network="", device="auto": found)
    return found


@pytest.fixture
def images(tmp_path):
    """A folder with a spine, a chest, one that the network holds, and one that is cut off."""
    folder = tmp_path / "images"
    write_xray(folder / "a.dcm", "spine", 1)
    chest = write_xray(folder / "b.dcm", "adult_chest", 2)
    write_xray(folder / "c.dcm", "unknown", 3)
    (folder / "d.dcm").write_bytes(chest.read_bytes()[:900])
    return folder


def printed(capsys):
    return json.loads(capsys.readouterr().out)


def names(folder):
    return sorted(path.relative_to(folder).parts[0] for path in Path(folder).rglob("*.dcm"))


def test_json_is_a_list_of_one_record_for_each_file(classifier, images, capsys):
    assert main(["route", str(images), "--json"]) == 0
    out = capsys.readouterr()
    records = json.loads(out.out)
    assert [Path(record["path"]).name for record in records] == ["a.dcm", "b.dcm", "c.dcm", "d.dcm"]
    assert [record["class"] for record in records] == ["spine", "adult_chest", "unknown", None]
    assert [record["held"] for record in records] == [False, False, True, True]
    assert all(record["destination"] is None for record in records)
    assert "d.dcm: " in out.err and PATIENT not in out.out + out.err


def test_without_a_folder_nothing_is_written(classifier, images, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    assert main(["route", str(images)]) == 0
    assert sorted(tmp_path.rglob("*")) == before
    assert "4 images, 2 of them need a person" in capsys.readouterr().out


def test_copy_and_move_make_a_folder_for_each_class(classifier, images, tmp_path, capsys):
    assert main(["route", str(images), "--copy", str(tmp_path / "out"), "--json"]) == 0
    assert names(tmp_path / "out") == ["adult_chest", "spine"]
    assert len(list(images.iterdir())) == 4
    assert all(Path(record["destination"]).is_file() for record in printed(capsys)[:2])
    assert main(["route", str(images), "--move", str(tmp_path / "out2")]) == 0
    assert names(tmp_path / "out2") == ["adult_chest", "spine"]
    assert sorted(path.name for path in images.iterdir()) == ["c.dcm", "d.dcm"]


def test_a_dry_run_shows_the_plan_as_a_table_and_changes_nothing(classifier, images, tmp_path, capsys):
    rules = tmp_path / "rules.yaml"
    rules.write_text("version: 1\nrules:\n  - {name: spines, when: {class: spine}, then: [move: spine]}\n", "utf-8")
    before = sorted(tmp_path.rglob("*"))
    assert main(["route", str(images), "--rules", str(rules), "--dry-run"]) == 0
    assert sorted(tmp_path.rglob("*")) == before
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["file", "class", "probability"]
    assert "spines" in lines[1] and str(tmp_path / "spine") in lines[1]
    assert "held: No rule speaks of this image." in lines[2]


def test_rules_decide_and_a_folder_on_the_command_line_takes_their_place(classifier, images, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("version: 1\nrules:\n  - {when: {class: spine}, then: [move: backs]}\n", "utf-8")
    assert main(["route", str(images), "--rules", str(rules), "--copy", str(tmp_path / "out")]) == 0
    assert names(tmp_path / "out") == ["backs"] and (images / "a.dcm").exists()
    assert main(["route", str(images), "--rules", str(rules)]) == 0
    assert names(tmp_path / "backs") and not (images / "a.dcm").exists()


def test_a_single_broken_file_is_unusable_input(classifier, images, capsys):
    assert main(["route", str(images / "d.dcm")]) == 3
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["nowhere.dcm"], ["{images}", "--rules", "none.yaml"], ["{images}", "--copy", "{images}"], ["serve"]],
)
def test_what_cannot_be_used_is_one_sentence_and_exit_code_3(classifier, images, capsys, arguments):
    assert main(["route", *(text.format(images=images) for text in arguments)]) == 3
    err = capsys.readouterr().err
    assert err.startswith("lesionkit: ") and len(err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["x", "--copy", "a", "--move", "b"], ["x", "--port", "70000"], []])
def test_bad_usage_is_exit_code_2(arguments):
    with pytest.raises(SystemExit) as caught:
        main(["route", *arguments])
    assert caught.value.code == 2


def test_a_missing_model_is_exit_code_4(images, monkeypatch):
    from BodyPartRouterLib.classification import classifier
    from LesionKitLib.run.errors import MissingResource

    def missing(network="", device="auto"):
        raise MissingResource("The router's model is not installed.")

    monkeypatch.setattr(classifier, "load_classifier", missing)
    assert main(["route", str(images)]) == 4


def test_ctrl_c_is_exit_code_130_and_leaves_no_half_file(classifier, images, tmp_path, monkeypatch):
    def interrupted(xrays, progress=None):
        os.kill(os.getpid(), signal.SIGINT)
        return BrightnessClassifier().predict(xrays)

    monkeypatch.setattr(classifier, "predict", interrupted)
    assert main(["route", str(images), "--copy", str(tmp_path / "out")]) == 130
    assert not (tmp_path / "out").exists()


def test_a_destination_that_is_away_is_told_and_the_images_stay(classifier, images, tmp_path, monkeypatch, capsys):
    from BodyPartRouterLib.routing import route_files as run
    from BodyPartRouterLib.routing.delivery.retry_policy import RetryPolicy

    monkeypatch.setattr(run, "COMMAND_RETRY_POLICY", RetryPolicy(0.01, 0.02, 2, endless=False))
    rules = tmp_path / "rules.yaml"
    destination = "destinations: {a: {type: dicom, host: 127.0.0.1, port: 1, ae_title: A}}\n"
    rules.write_text(f"version: 1\n{destination}rules: [{{when: {{class: spine}}, then: [store: a]}}]\n", "utf-8")
    assert main(["route", str(images), "--rules", str(rules), "--json"]) == 3
    out = capsys.readouterr()
    assert "1 of 4 images were not delivered. It was not delivered: no connection." in out.err
    assert json.loads(out.out)[0]["reason"] == "It was not delivered: no connection."


def test_a_journal_keeps_a_second_run_from_sending_again(classifier, images, tmp_path):
    command = ["route", str(images), "--copy", str(tmp_path / "out"), "--journal", str(tmp_path / "j.sqlite")]
    assert main(command) == 0
    (spine,) = (tmp_path / "out" / "spine").iterdir()
    spine.unlink()
    assert main(command) == 0
    assert not spine.exists()


def test_the_status_of_a_service_lists_what_needs_a_person(tmp_path, capsys):
    from BodyPartRouterLib.routing.journal.journal import Image, Journal
    from BodyPartRouterLib.routing.plan import Delivery, Plan

    rules = tmp_path / "rules.yaml"
    rules.write_text("version: 1\nrules: []\nservice: {data: box}\n", "utf-8")
    command = ["route", "serve", "--rules", str(rules), "--status"]
    assert main(command) == 3
    (tmp_path / "box").mkdir()
    journal = Journal(tmp_path / "box" / "journal.sqlite")
    for uid, held in (("1.2", True), ("1.3", False)):
        image = Image(uid, uid, uid, tmp_path / uid, 1.0)
        journal.add(image)
        plan = Plan("rule 1", (Delivery("folder", "x"),), held=held, reason="too dark" if held else None)
        journal.classify(image, plan, "spine", 0.9)
    journal.close()
    capsys.readouterr()
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "2 classified" in out and "held    1.2  1.2  too dark" in out and "1.3" not in out
    assert main([*command, "--json"]) == 0
    assert printed(capsys)["attention"][0]["reason"] == "too dark"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_service_runs_until_a_signal(classifier, tmp_path, number, code):
    rules = tmp_path / "rules.yaml"
    rules.write_text("version: 1\nrules: []\nservice: {data: box, metrics_port: null}\n", "utf-8")

    def end():
        while not (tmp_path / "box" / "journal.sqlite").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    ender = threading.Thread(target=end)
    ender.start()
    assert main(["route", "serve", "--port", "0", "--rules", str(rules)]) == code
    ender.join()
    assert (tmp_path / "box" / "journal.sqlite").exists()


# names and texts that are not clean


def run_cli(*arguments, encoding="utf-8"):
    """The command in a process of its own, as a user starts it."""
    import subprocess
    import sys

    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "LesionKitCLI", "route", "--network", "light", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, env=environment, timeout=300)


def latin_named(folder):
    """A valid name on POSIX systems that is no UTF-8."""
    path = write_xray(folder / "x.dcm", "spine")
    name = os.path.join(os.fsencode(folder), b"Gr\xf6sse.dcm")
    os.rename(path, name)
    return Path(os.fsdecode(name))


@pytest.mark.parametrize("way", ["--copy", "--move"])
def test_a_name_that_is_no_text_is_routed_and_shown_with_a_replacement(classifier, tmp_path, capsys, way):
    source = latin_named(tmp_path / "in")
    assert main(["route", str(tmp_path / "in"), way, str(tmp_path / "out"), "--json"]) == 0
    assert len(names(tmp_path / "out")) == 1 and source.exists() is (way == "--copy")
    (record,) = printed(capsys)
    assert record["path"].endswith("Gr\N{REPLACEMENT CHARACTER}sse.dcm")


def test_a_name_that_is_no_text_goes_through_a_journal(classifier, tmp_path):
    latin_named(tmp_path / "in")
    assert main(["route", str(tmp_path / "in"), "--copy", str(tmp_path / "out"), "--journal", str(tmp_path / "j")]) == 0
    assert len(names(tmp_path / "out")) == 1


def test_pipes_sockets_and_links_to_them_are_passed_over(classifier, tmp_path, capsys):
    import socket

    write_xray(tmp_path / "in" / "a.dcm", "spine")
    os.mkfifo(tmp_path / "in" / "pipe.png")
    os.symlink(tmp_path / "in" / "pipe.png", tmp_path / "in" / "link.dcm")
    os.symlink(tmp_path / "nothing", tmp_path / "in" / "broken.dcm")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(tmp_path / "in" / "socket.dcm"))
        assert main(["route", str(tmp_path / "in"), "--json"]) == 0
    assert [Path(record["path"]).name for record in printed(capsys)] == ["a.dcm"]
    assert main(["route", str(tmp_path / "in" / "pipe.png")]) == 3
    assert "is no file" in capsys.readouterr().err


def test_control_characters_in_names_are_shown_escaped(classifier, tmp_path, capsys):
    for n, name in enumerate(("\x1b[31mred\x1b[0m", "two\nlines", "bell\a", "back\u202ewards")):
        write_xray(tmp_path / "in" / f"{name}.dcm", "spine", n)
    (tmp_path / "in" / "bad\x1b[2J.dcm").write_bytes(b"no image")
    assert main(["route", str(tmp_path / "in")]) == 0
    out = capsys.readouterr()
    text = out.out + out.err
    assert not [letter for letter in text if not letter.isprintable() and letter != "\n"]
    assert "\\x1b[31mred" in text and "two\\nlines" in text


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_an_output_that_knows_no_umlauts_is_no_error(tmp_path, more):
    write_xray(tmp_path / "in" / "größe 中文.dcm", "spine")
    done = run_cli(tmp_path / "in", *more, encoding="ascii")
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    if more:
        assert json.loads(done.stdout)[0]["path"].endswith("größe 中文.dcm")


def test_stderr_holds_no_header_text(tmp_path):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_xray(tmp_path / "in" / "a.dcm", "spine", SeriesInstanceUID="FREE TEXT HERE", PatientAge="FREE TEXT")
    done = run_cli(tmp_path / "in", "--copy", tmp_path / "out")
    assert done.returncode == 0 and b"FREE" not in done.stderr
