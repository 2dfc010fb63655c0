"""What a crash leaves behind, and images that crash the program: nothing stops for ever, nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from router_fixtures import BrightnessClassifier, write_xray

from BodyPartRouterLib.routing.configuration.rules import folder_rules
from BodyPartRouterLib.routing.configuration.rules_file import load_rules
from BodyPartRouterLib.routing.delivery import delivery_worker
from BodyPartRouterLib.routing.examination import examine
from BodyPartRouterLib.routing.journal.journal import DELIVERED, HELD, INBOX, Image, Journal
from BodyPartRouterLib.routing.journal.tables import VERSION
from BodyPartRouterLib.routing.plan import FOLDER, Delivery, Plan
from BodyPartRouterLib.routing.reader_process import STOPPED, TOO_SLOW, ReaderProcess
from BodyPartRouterLib.routing.route_files import carry_out, plan_files

# runs first in every Python process: what happens when the child opens a file whose name begins with "bad"
FAULT = """
import builtins, os, signal, sys, time
plain = builtins.open
def opened(file, *rest, **more):
    if "-m" in sys.orig_argv and os.path.basename(str(file)).startswith("bad"):
        {fault}
    return plain(file, *rest, **more)
builtins.open = opened
"""


@pytest.fixture
def fault(tmp_path, monkeypatch):
    """fault(code): every reader process that is started from now on has this fault."""

    def install(code: str) -> None:
        folder = tmp_path / "fault"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(FAULT.format(fault=code))
        paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))

    return install


def three_images(folder: Path) -> list[Path]:
    return [write_xray(folder / name, "spine", n) for n, name in enumerate(("a.dcm", "bad.dcm", "c.dcm"))]


def examined_in_child(paths, **options):
    with ReaderProcess(**options) as reader:
        return list(examine(paths, BrightnessClassifier(), ["StationName"], reader=reader))


def test_the_child_process_reads_what_this_process_reads(tmp_path):
    paths = [write_xray(tmp_path / "a.dcm", "spine", 1, StationName="Räum 3"), tmp_path / "cut.dcm"]
    paths[1].write_bytes(paths[0].read_bytes()[:700])
    here = list(examine(paths, BrightnessClassifier(), ["StationName"]))
    assert examined_in_child(paths) == here
    assert here[0].header.modality and here[0].values["StationName"] and here[1].error


def test_an_image_that_kills_its_reader_twice_is_held_and_the_others_are_read(tmp_path, fault):
    fault("os.kill(os.getpid(), signal.SIGKILL)")
    first, bad, last = examined_in_child(three_images(tmp_path))
    assert (first.label, last.label) == ("spine", "spine")
    assert (bad.error, bad.stopped) == (STOPPED, True)


def test_an_image_that_killed_its_reader_goes_nowhere_whatever_the_rules_say(tmp_path, fault):
    fault("os.kill(os.getpid(), signal.SIGKILL)")
    (tmp_path / "rules.yaml").write_text("version: 1\nrules: [{when: {class: [unknown, spine]}, then: [copy: out]}]\n")
    rules = load_rules(tmp_path / "rules.yaml")
    with ReaderProcess() as reader:
        done = carry_out(
            list(plan_files(three_images(tmp_path / "in"), rules, BrightnessClassifier(), None, reader)), rules
        )
    assert [bool(one.destination) for one in done] == [True, False, True]
    assert done[1].record["held"] and done[1].record["reason"] == STOPPED
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_an_image_that_takes_too_long_is_given_up_and_the_others_are_read(tmp_path, fault):
    fault("time.sleep(3600)")
    first, bad, last = examined_in_child(three_images(tmp_path), timeout_s=5)
    assert (first.label, bad.error, last.label) == ("spine", TOO_SLOW, "spine")


def test_an_image_that_needs_more_memory_than_it_may_have_is_told(tmp_path, fault):
    fault("bytearray(20 << 30)")
    first, bad, last = examined_in_child(three_images(tmp_path))
    assert (first.label, last.label) == ("spine", "spine")
    assert bad.error.endswith(".") and not bad.stopped


def test_what_a_decoder_prints_goes_nowhere(tmp_path, fault, capfd):
    fault("print('Jane Doe', flush=True); print('Jane Doe', file=sys.stderr); os.write(1, b'Jane Doe')")
    assert [one.label for one in examined_in_child(three_images(tmp_path))] == ["spine"] * 3
    out = capfd.readouterr()
    assert "Doe" not in out.out + out.err


# the journal of the service


def enter(journal, *names):
    images = [Image(name, "", name, Path(name), 1.0) for name in names]
    assert all([journal.add(image) for image in images])
    return images


def test_after_a_crash_the_images_of_that_batch_are_examined_one_at_a_time(tmp_path):
    journal = Journal(tmp_path / "j.sqlite")
    enter(journal, "a", "b", "c")
    journal.begin_examination(journal.waiting(2))
    journal.close()  # here it is killed
    journal = Journal(tmp_path / "j.sqlite")
    assert [image.id for image in journal.waiting(9)] == ["a"]
    journal.classify(journal.waiting(9)[0], Plan("r", ()), "spine", 0.9)
    assert [(image.id, image.starts) for image in journal.waiting(9)] == [("b", 1)]
    journal.classify(journal.waiting(9)[0], Plan("r", ()), "spine", 0.9)
    assert [image.id for image in journal.waiting(9)] == ["c"]
    journal.close()


def test_an_examination_that_ended_in_order_does_not_count(tmp_path):
    journal = Journal()
    images = enter(journal, "a")
    journal.begin_examination(images)
    journal.end_examination(images)
    assert journal.image("a").starts == 0
    journal.close()


# commands


@pytest.fixture
def journal(tmp_path):
    opened = []

    def open_it():
        opened.append(Journal(tmp_path / "journal.sqlite"))
        return opened[-1]

    yield open_it
    for one in opened:
        one.close()


def route(paths, rules, journal=None):
    return carry_out(list(plan_files(paths, rules, BrightnessClassifier())), rules, journal)


class Killed(BaseException):
    """In the place of kill -9."""


def kill_before_the_source_goes(monkeypatch):
    def killed(path):
        raise Killed

    monkeypatch.setattr(delivery_worker, "remove_source", killed)


@pytest.mark.parametrize("second_with_journal", [True, False])
def test_a_run_killed_before_a_source_is_removed_is_repaired_by_the_next(
    tmp_path, journal, monkeypatch, second_with_journal
):
    paths = [write_xray(tmp_path / "in" / f"{n}.dcm", "spine", n) for n in range(3)]
    rules = folder_rules(tmp_path / "out", move=True)
    with monkeypatch.context() as patch:
        kill_before_the_source_goes(patch)
        with pytest.raises(Killed):
            route(paths, rules, journal())
    assert len(list((tmp_path / "in").iterdir())) == 3
    done = route(paths, rules, journal() if second_with_journal else None)
    assert [one.problem for one in done] == [None] * 3
    assert list((tmp_path / "in").iterdir()) == [] and len(list((tmp_path / "out" / "spine").iterdir())) == 3


def test_a_source_is_not_removed_when_the_moved_file_is_gone_but_moved_again(tmp_path, journal):
    path = write_xray(tmp_path / "in" / "a.dcm", "spine")
    data, rules = path.read_bytes(), folder_rules(tmp_path / "out", move=True)
    (done,) = route([path], rules, journal())
    Path(done.destination).unlink()
    path.write_bytes(data)  # somebody puts it back
    (again,) = route([path], rules, journal())
    assert Path(again.destination).read_bytes() == data and not path.exists()


def test_a_source_that_cannot_be_removed_is_told(tmp_path, monkeypatch):
    path = write_xray(tmp_path / "in" / "a.dcm", "spine")
    plain = Path.unlink

    def unlink(self, missing_ok=False):
        if self == path:
            raise PermissionError(13, "Permission denied")
        plain(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    (done,) = route([path], folder_rules(tmp_path / "out", move=True))
    assert done.problem == "It was delivered, but the source could not be removed: Permission denied."


def rules_to(tmp_path, action, name="rules.yaml", destinations=""):
    (tmp_path / name).write_text(f"version: 1\n{destinations}rules: [{{then: [{action}]}}]\n")
    return load_rules(tmp_path / name)


def test_a_journal_with_other_rules_follows_these_rules(tmp_path, journal):
    path = write_xray(tmp_path / "in" / "a.dcm", "spine")
    route([path], rules_to(tmp_path, "copy: first"), journal())
    (done,) = route([path], rules_to(tmp_path, "copy: second"), journal())
    assert Path(done.destination).parent == tmp_path / "second" and Path(done.destination).is_file()


def test_a_journal_with_another_target_folder_fills_that(tmp_path, journal):
    path = write_xray(tmp_path / "in" / "a.dcm", "spine")
    for name in ("one", "two"):
        (done,) = route([path], folder_rules(tmp_path / name, move=False), journal())
        assert Path(done.destination).is_file() and tmp_path / name in Path(done.destination).parents


def test_a_destination_of_the_same_name_at_another_address_is_another_plan(tmp_path, journal, monkeypatch):
    from BodyPartRouterLib.routing import route_files
    from BodyPartRouterLib.routing.delivery.retry_policy import DONE, DeliveryResult

    sent = []

    def sender(destination, secret_path):
        return lambda tasks: [sent.append(destination.settings["port"]) or DeliveryResult(DONE) for _ in tasks]

    monkeypatch.setitem(route_files._SENDERS, "dicom", sender)
    path = write_xray(tmp_path / "in" / "a.dcm", "spine")
    for port in (104, 105, 105):
        archive = f"destinations: {{a: {{type: dicom, host: h, port: {port}, ae_title: A}}}}\n"
        route([path], rules_to(tmp_path, "store: a", destinations=archive), journal())
    assert sent == [104, 105]


def test_what_an_earlier_run_left_undone_by_other_rules_is_not_done(tmp_path, journal, monkeypatch):
    path, other = (write_xray(tmp_path / "in" / name, "spine", n) for n, name in enumerate(("a.dcm", "b.dcm")))
    with monkeypatch.context() as patch:
        patch.setattr(delivery_worker.DeliveryWorker, "deliver_due", lambda worker: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            route([path, other], rules_to(tmp_path, "copy: first"), journal())
    route([path], rules_to(tmp_path, "copy: second"), journal())
    assert not (tmp_path / "first").exists() and len(list((tmp_path / "second").iterdir())) == 1


def test_a_journal_of_the_first_version_is_brought_up_to_date(tmp_path):
    import sqlite3

    base = sqlite3.connect(tmp_path / "old.sqlite")
    base.executescript(
        "CREATE TABLE images (id TEXT PRIMARY KEY, uid TEXT, digest TEXT, path TEXT, received REAL, state TEXT, "
        "changed REAL, label TEXT, probability REAL, rule TEXT, held INTEGER, reason TEXT, removes_source INTEGER);"
        "CREATE INDEX images_state ON images (state, received);"
        "CREATE TABLE deliveries (image TEXT REFERENCES images (id), step INTEGER, kind TEXT, target TEXT, state TEXT, "
        "attempts INTEGER, next_try REAL, note TEXT);"
        "INSERT INTO images VALUES ('a', '1.2', 'd', '/x', 1, 'inbox', 1, NULL, NULL, NULL, 0, NULL, 0);"
        "INSERT INTO images VALUES ('b', '1.3', 'e', '/y', 1, 'delivered', 1, 'spine', 1, 'r', 1, 'dark', 1);"
        "INSERT INTO images VALUES ('c', '1.4', 'f', '/z', 1, 'delivering', 1, 'spine', 1, 'r', 0, NULL, 1);"
        "INSERT INTO deliveries VALUES ('c', 0, 'dicom', 'x', 'waiting', 2, 99e9, 'no');"
    )
    base.close()
    for _ in range(2):
        journal = Journal(tmp_path / "old.sqlite")
        journal.make_all_due()
        assert [journal.state(name) for name in "abc"][:2] == [INBOX, HELD]
        assert [task.image.id for task in journal.due("dicom", "x", 5)] == ["c"]
        assert journal.counts()[DELIVERED] == 0
        journal.close()
    assert sqlite3.connect(tmp_path / "old.sqlite").execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_a_path_that_is_no_text_goes_through_the_journal(tmp_path):
    name = Path(os.fsdecode(b"Gr\xf6sse.dcm"))
    journal = Journal(tmp_path / "j.sqlite")
    image = Image("a", "", "d", name, 1.0)
    journal.add(image)
    journal.classify(image, Plan("r", (Delivery(FOLDER, os.fsdecode(b"\xf6")),)), "spine", 0.9)
    (task,) = journal.due(FOLDER, None, 5)
    assert task.image.path == name and task.delivery.target == os.fsdecode(b"\xf6")
    journal.close()
