"""Routing files: examining them, the plan, the deliveries, the journal."""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path

import pytest
from dicom_fixtures import PATIENT
from router_fixtures import BrightnessClassifier, write_xray, xray_dataset

from BodyPartRouterLib.reading.xray import Xray
from BodyPartRouterLib.reading.xray_file import read_values
from BodyPartRouterLib.routing import folder_files
from BodyPartRouterLib.routing.configuration.rules import folder_rules
from BodyPartRouterLib.routing.configuration.rules_file import load_rules
from BodyPartRouterLib.routing.delivery import delivery_worker as workers
from BodyPartRouterLib.routing.delivery.delivery_worker import DeliveryWorker
from BodyPartRouterLib.routing.delivery.retry_policy import (
    DONE,
    LATER,
    REFUSED,
    DeliveryResult,
    DestinationUnavailable,
    RetryPolicy,
)
from BodyPartRouterLib.routing.examination import examine
from BodyPartRouterLib.routing.find_files import find_files
from BodyPartRouterLib.routing.folder_files import put_file
from BodyPartRouterLib.routing.journal.journal import CLASSIFIED, DELIVERED, DELIVERING, FAILED, INBOX, Image, Journal
from BodyPartRouterLib.routing.plan import FOLDER, Delivery, Plan, table_row
from BodyPartRouterLib.routing.route_files import carry_out, plan_files
from LesionKitLib.io.digest import file_digest
from LesionKitLib.run.errors import Cancelled, UnusableInput
from LesionKitLib.run.progress import Progress


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def route(paths, rules, **more):
    return carry_out(list(plan_files(paths, rules, BrightnessClassifier())), rules, **more)


# what is found and examined


def test_folders_are_searched_but_not_where_results_go(tmp_path):
    for name in ("b/2.dcm", "a/1", "sorted/old.dcm", "a/notes.txt", ".hidden/3.dcm", "DICOMDIR"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_files([tmp_path], [tmp_path / "sorted"]) == [tmp_path / "a/1", tmp_path / "b/2.dcm"]
    assert find_files([tmp_path / "a" / "notes.txt"]) == [tmp_path / "a" / "notes.txt"]
    with pytest.raises(UnusableInput, match="does not exist"):
        find_files([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnusableInput, match="holds no image"):
        find_files([tmp_path / "empty"])
    with pytest.raises(UnusableInput, match="choose another"):
        find_files([tmp_path / "sorted"], [tmp_path / "sorted"])


def test_images_are_classified_in_batches(tmp_path):
    paths = [write_xray(tmp_path / f"{n}.dcm", seed=n) for n in range(5)]
    classifier = BrightnessClassifier()
    assert [one.label for one in examine(paths, classifier, batch=2)] == ["adult_chest"] * 5
    assert classifier.calls == [2, 2, 1]


def test_large_images_make_small_batches(tmp_path, monkeypatch):
    from BodyPartRouterLib.routing import examination as module

    monkeypatch.setattr(module, "MOST_PIXELS", 900)  # an image has 480
    paths = [write_xray(tmp_path / f"{n}.dcm", seed=n) for n in range(5)]
    classifier = BrightnessClassifier()
    assert len(list(examine(paths, classifier))) == 5
    assert classifier.calls == [2, 2, 1]


def test_header_values_of_a_file_without_the_dicm_mark_are_read(tmp_path):
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    stream = DicomBytesIO()
    stream.is_implicit_VR = stream.is_little_endian = True
    write_dataset(stream, xray_dataset())
    (tmp_path / "old.dcm").write_bytes(stream.getvalue())
    assert read_values(tmp_path / "old.dcm", ["Modality", "StationName"]) == {"Modality": ("DX",)}
    (tmp_path / "noise.dcm").write_bytes(b"\x08\x00" + os.urandom(400))
    assert read_values(tmp_path / "noise.dcm", ["Modality"]) == {}


def test_header_values_are_not_read_from_a_data_set_that_unfolds_without_end(tmp_path, monkeypatch):
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    from LesionKitLib.io.dicom import file

    bomb = xray_dataset()
    bomb.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    bomb.save_as(tmp_path / "bomb.dcm", enforce_file_format=True)
    assert read_values(tmp_path / "bomb.dcm", ["Modality"]) == {"Modality": ("DX",)}
    monkeypatch.setattr(file, "MAX_INFLATED", 500)
    assert read_values(tmp_path / "bomb.dcm", ["Modality"]) == {}


def test_broken_files_are_told_and_the_rest_is_done(tmp_path):
    good = write_xray(tmp_path / "good.dcm", "spine")
    (tmp_path / "cut.dcm").write_bytes(good.read_bytes()[:700])
    (tmp_path / "noise.dcm").write_bytes(os.urandom(500))
    (tmp_path / "empty.dcm").touch()
    found = {one.path.name: one for one in examine(find_files([tmp_path]), BrightnessClassifier())}
    assert found["good.dcm"].label == "spine" and found["good.dcm"].error is None
    for name in ("cut.dcm", "noise.dcm", "empty.dcm"):
        assert found[name].error.endswith(".") and PATIENT not in found[name].error
        assert found[name].label == "unknown" and not found[name].subject.readable


def test_an_image_that_the_network_stumbles_over_does_not_take_its_batch_along(tmp_path):
    class Stumbling(BrightnessClassifier):
        def _predict(self, xray):
            if xray.header.body_part == "STONE":
                raise RuntimeError("sizes differ")
            return super()._predict(xray)

    parts = ("CHEST", "STONE")
    good, bad = examine([write_xray(tmp_path / part, BodyPartExamined=part) for part in parts], Stumbling())
    assert good.label == "adult_chest"
    assert bad.error == "The network could not classify this image."


def test_a_decoder_that_fails_in_an_unforeseen_way_is_a_broken_file(tmp_path, monkeypatch):
    from BodyPartRouterLib.reading import xray_file

    def decode(stream, file):
        raise RuntimeError(PATIENT)

    monkeypatch.setattr(xray_file, "decode_dicom", decode)
    (one,) = examine([write_xray(tmp_path / "a.dcm")], BrightnessClassifier())
    assert one.error == "The file is damaged."


# the plan


RULES = """
version: 1
rules:
  - {name: children, when: {class: pediatric_chest}, then: [move: "{class}/{StudyDescription}"]}
  - {name: spines, when: {class: spine}, then: [copy: spine, open: Volumes]}
  - {name: CT, when: {class: unknown, header: {Modality: CT}}, then: [open: CovidLungQuant]}
"""


@pytest.fixture
def rules(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    return load_rules(tmp_path / "rules.yaml")


def test_a_dry_run_changes_nothing_and_tells_where_files_would_lie(tmp_path, rules):
    path = write_xray(tmp_path / "in" / "a.dcm", "pediatric_chest", StudyDescription="../../Thorax ap")
    before = files_below(tmp_path)
    (routed,) = plan_files([path], rules, BrightnessClassifier())
    assert files_below(tmp_path) == before
    name = routed.examined.uid + ".dcm"
    assert routed.destination == str(tmp_path / "pediatric_chest" / "_.._Thorax_ap" / name)
    (done,) = carry_out([routed], rules)
    assert done.destination == routed.destination
    assert files_below(tmp_path) == ["pediatric_chest/_.._Thorax_ap/" + name, "rules.yaml"]


def test_records_have_the_keys_of_the_contract_and_rows_for_people(tmp_path, rules):
    path = write_xray(tmp_path / "a.dcm", "spine", BodyPartExamined="CSPINE")
    held = write_xray(tmp_path / "b.dcm", "unknown")
    (tmp_path / "c.dcm").write_bytes(b"x")
    records = [one.record for one in plan_files([path, held, tmp_path / "c.dcm"], rules, BrightnessClassifier())]
    keys = {"path", "class", "probability", "held", "reason", "header_body_part", "agrees", "destination"}
    assert all(keys <= set(record) for record in records)
    assert (records[0]["class"], records[0]["probability"], records[0]["held"]) == ("spine", 0.9, False)
    assert records[0]["header_body_part"] == "CSPINE" and records[0]["destination"].endswith(".dcm, module Volumes")
    assert (records[1]["class"], records[1]["held"], records[1]["destination"]) == ("unknown", True, None)
    assert (records[2]["class"], records[2]["held"], records[2]["destination"]) == (None, True, None)
    assert records[2]["reason"]
    assert table_row(records[1])[-1].startswith("held: ")


def test_without_rules_nothing_is_planned(tmp_path):
    (one,) = plan_files([write_xray(tmp_path / "a.dcm")], None, BrightnessClassifier())
    assert one.record["destination"] is None and one.record["class"] == "adult_chest"
    assert one.record["held"] is False


# deliveries


def test_copied_files_are_the_same_bytes_and_the_source_is_untouched(tmp_path):
    path = write_xray(tmp_path / "in" / "a.dcm", "spine")
    before = path.read_bytes(), path.stat().st_mtime_ns
    (one,) = route([path], folder_rules(tmp_path / "out", move=False))
    assert Path(one.destination).read_bytes() == before[0]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert one.destination == str(tmp_path / "out" / "spine" / f"{one.examined.uid}.dcm")


def test_moved_files_leave_their_place_and_held_ones_stay(tmp_path):
    moved = write_xray(tmp_path / "in" / "a.dcm", "spine")
    held = write_xray(tmp_path / "in" / "b.dcm", "unknown")
    route([moved, held], folder_rules(tmp_path / "out", move=True))
    assert not moved.exists() and held.exists()
    assert len(files_below(tmp_path / "out")) == 1


def test_the_same_image_again_is_not_written_again(tmp_path):
    path = write_xray(tmp_path / "a.dcm", "spine")
    again = tmp_path / "again.dcm"
    again.write_bytes(path.read_bytes())
    rules = folder_rules(tmp_path / "out", move=False)
    places = {one.destination for _ in range(2) for one in route([path, again], rules)}
    assert len(places) == 1 and len(files_below(tmp_path / "out")) == 1


def test_another_image_with_the_same_uid_does_not_overwrite_the_first(tmp_path):
    first = write_xray(tmp_path / "a.dcm", "spine", 1, SOPInstanceUID="1.2.3")
    second = write_xray(tmp_path / "b.dcm", "spine", 2, SOPInstanceUID="1.2.3")
    done = route([first, second], folder_rules(tmp_path / "out", move=False))
    assert Path(done[0].destination).read_bytes() == first.read_bytes()
    assert Path(done[1].destination).read_bytes() == second.read_bytes()
    assert Path(done[1].destination).name == f"1.2.3-{file_digest(second)[:12]}.dcm"


def test_a_link_in_the_place_of_the_target_is_not_followed(tmp_path):
    path = write_xray(tmp_path / "a.dcm", SOPInstanceUID="1.2.3")
    (tmp_path / "out").mkdir()
    outside = tmp_path / "outside.dcm"
    (tmp_path / "out" / "1.2.3.dcm").symlink_to(outside)
    target = put_file(path, tmp_path / "out", "1.2.3.dcm", file_digest(path))
    assert not outside.exists() and target.read_bytes() == path.read_bytes()


def test_what_a_crash_left_of_a_copy_is_written_over(tmp_path):
    path = write_xray(tmp_path / "a.dcm")
    digest = file_digest(path)
    (tmp_path / "out").mkdir()
    part = folder_files._part_of(tmp_path / "out" / "x.dcm", digest)
    part.write_bytes(b"half")
    put_file(path, tmp_path / "out", "x.dcm", digest)
    assert files_below(tmp_path / "out") == ["x.dcm"]


def test_a_name_as_long_as_the_disk_takes_is_delivered(tmp_path):
    path = write_xray(tmp_path / "a.dcm")
    name = "x" * 251 + ".dcm"
    put_file(path, tmp_path / "out", name, file_digest(path))
    folder_files.write_new(tmp_path / "out" / ("y" * 255), b"bytes")
    assert files_below(tmp_path / "out") == [name, "y" * 255]


def test_a_full_disk_leaves_no_half_file_and_the_image_in_its_place(tmp_path, monkeypatch):
    import errno

    from BodyPartRouterLib.routing import folder_files as files

    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = write_xray(tmp_path / "in" / "a.dcm", "spine")
    monkeypatch.setattr(files.os, "fsync", full)
    rules = folder_rules(tmp_path / "out", move=True)
    (one,) = _try_briefly([path], rules)
    assert one.problem == "It was not delivered: No space left on device."
    assert one.record["destination"] is None
    assert path.exists() and files_below(tmp_path / "out") == []


def _try_briefly(paths, rules):
    return route(paths, rules, retry_policy=RetryPolicy(0.001, 0.002, 2, endless=False))


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    path = write_xray(tmp_path / "a.dcm", "spine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "spine").write_text("a file in the way")
    (one,) = _try_briefly([path], folder_rules(tmp_path / "out", move=True))
    assert one.problem.startswith("It was not delivered: ") and path.exists()


def test_cancelling_keeps_what_is_delivered_and_leaves_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "BATCH", 1)
    paths = [write_xray(tmp_path / "in" / f"{n}.dcm", "spine", n) for n in range(3)]
    rules = folder_rules(tmp_path / "out", move=True)
    planned = list(plan_files(paths, rules, BrightnessClassifier()))
    progress = Progress(lambda stage, fraction, remaining: progress.cancel() if fraction > 0 else None)
    with pytest.raises(Cancelled):
        carry_out(planned, rules, progress=progress)
    assert len(files_below(tmp_path / "in")) + len(files_below(tmp_path / "out")) == 3
    assert len(files_below(tmp_path / "out")) in (1, 2)


def test_a_journal_on_disk_lets_a_stopped_run_go_on(tmp_path):
    paths = [write_xray(tmp_path / "in" / f"{n}.dcm", "spine", n) for n in range(3)]
    rules = folder_rules(tmp_path / "out", move=False)
    journal = Journal(tmp_path / "journal.sqlite")
    done = route(paths[:2], rules, journal=journal)
    Path(done[0].destination).unlink()  # somebody has taken it away since
    again = route(paths, rules, journal=journal)
    journal.close()
    assert [one.destination for one in again[:2]] == [one.destination for one in done]
    assert len(files_below(tmp_path / "out")) == 2


def test_ten_thousand_files_with_one_in_a_hundred_broken(tmp_path, monkeypatch):
    """Reading is replaced: what counts is that none is lost and the list is right."""
    import numpy as np
    from router_fixtures import picture

    from BodyPartRouterLib.routing.file_reading import Reading

    pixels = picture("spine").astype(np.float32) / 4095

    def read(path, keywords):
        if int(path.stem) % 100 == 7:
            return Reading(error="The file is cut off.")
        return Reading(xray=Xray(pixels))

    for n in range(10_000):
        (tmp_path / f"{n:05d}.png").touch()
    found = list(plan_files(find_files([tmp_path]), None, BrightnessClassifier(), reader=read))
    broken = [one.examined.path.stem for one in found if one.examined.error]
    assert broken == [f"{n:05d}" for n in range(7, 10_000, 100)]
    assert sum(one.examined.label == "spine" for one in found) == 9_900


# the journal and the delivery worker


@pytest.fixture
def clock():
    class Clock:
        now = 1000.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def journal(clock):
    journal = Journal(clock=clock, monotonic=clock)
    yield journal
    journal.close()


def plan_to(*deliveries):
    return Plan("rule 1", deliveries)


def enter(journal, name="a", *targets, uid=""):
    image = Image(name, uid, f"digest of {name}", Path(name), 1.0)
    assert journal.add(image)
    if targets:
        journal.classify(image, plan_to(*(Delivery("dicom", target) for target in targets)), "spine", 0.9)
    return image


def answering(*results):
    left = list(results)
    return lambda tasks: [left.pop(0) for _ in tasks]


def test_an_image_goes_from_state_to_state_and_is_delivered_after_its_last_delivery(journal):
    image = enter(journal)
    assert journal.state("a") == INBOX and journal.waiting(5) == [image]
    journal.classify(image, plan_to(Delivery("dicom", "x"), Delivery(FOLDER, "y")), "spine", 0.9)
    assert journal.state("a") == CLASSIFIED and journal.waiting(5) == []
    (task,) = journal.due("dicom", "x", 5)
    assert journal.state("a") == DELIVERING and task.delivery == Delivery("dicom", "x")
    assert journal.done(task) is False
    (other,) = journal.due(FOLDER, None, 5)
    assert journal.done(other, "there") is True
    assert journal.state("a") == DELIVERED and journal.notes("a") == ["", "there"]
    assert journal.due("dicom", "x", 5) == []


def test_an_image_is_taken_up_once(journal):
    image = enter(journal, "a", "x")
    assert journal.add(image) is False
    journal.classify(image, plan_to(Delivery("dicom", "other")), "others", 0.5)  # as after a crash
    assert [task.delivery.target for task in journal.due("dicom", None, 5)] == ["x"]


def test_the_journal_survives_its_process(tmp_path, clock):
    journal = Journal(tmp_path / "j.sqlite", clock)
    enter(journal, "a", "x")
    journal.due("dicom", "x", 5)  # and here it is killed
    again = Journal(tmp_path / "j.sqlite", clock)
    assert again.state("a") == DELIVERING
    assert len(again.due("dicom", "x", 5)) == 1
    again.close()
    journal.close()


def test_a_damaged_journal_is_one_sentence(tmp_path):
    (tmp_path / "j.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(UnusableInput, match="cannot be used"):
        Journal(tmp_path / "j.sqlite")


def test_waits_double_up_to_a_limit(journal, clock):
    enter(journal, "a", "x")
    worker = DeliveryWorker(
        journal, answering(*[DeliveryResult(LATER, "full")] * 9), "dicom", "x", RetryPolicy(1, 6, 2), monotonic=clock
    )
    waits = []
    for _ in range(5):
        assert worker.deliver_due() == 1 and worker.deliver_due() == 0
        waits.append(journal.next_try("dicom", "x") - clock.now)
        clock.now += waits[-1]
    assert waits == [1, 2, 4, 6, 6]
    assert journal.state("a") == DELIVERING


def test_a_refused_image_is_given_up_and_tried_again_at_the_next_start(journal, clock):
    enter(journal, "a", "x")
    told = []
    worker = DeliveryWorker(
        journal,
        answering(*[DeliveryResult(REFUSED, "0xC000")] * 2, DeliveryResult(DONE)),
        "dicom",
        "x",
        RetryPolicy(1, 6, 2),
        lambda task, result, finished: told.append((result.state, finished)),
        clock,
    )
    for _ in range(3):
        worker.deliver_due()
        clock.now += 100
    assert journal.state("a") == FAILED and journal.needs_person()[0]["notes"] == "0xC000"
    assert journal.retry_failed() == 1
    worker.deliver_due()
    assert journal.state("a") == DELIVERED
    assert told == [(REFUSED, False), (REFUSED, False), (DONE, True)]


def test_an_outage_of_the_destination_does_not_count_against_its_images(journal, clock):
    for name in "ab":
        enter(journal, name, "x")
    enter(journal, "c", "y")

    def away(tasks):
        raise DestinationUnavailable("no connection")

    worker = DeliveryWorker(journal, away, "dicom", "x", RetryPolicy(1, 4, 2), monotonic=clock)
    for _ in range(10):
        worker.deliver_due()
        clock.now = worker.paused_until
    assert (worker.outages, worker.outage) == (10, "no connection")
    assert [task.attempts for task in journal.due("dicom", "x", 5)] == [0, 0]
    other = DeliveryWorker(journal, answering(DeliveryResult(DONE)), "dicom", "y", monotonic=clock)
    assert other.deliver_due() == 1  # the others go on


def test_a_connection_lost_midway_leaves_the_rest_waiting(journal, clock):
    for name in "abc":
        enter(journal, name, "x")

    def breaking(tasks):
        yield DeliveryResult(DONE)
        raise DestinationUnavailable("the connection was lost")

    DeliveryWorker(journal, breaking, "dicom", "x", monotonic=clock).deliver_due()
    assert [journal.state(name) for name in "abc"] == [DELIVERED, DELIVERING, DELIVERING]
    assert len(journal.due("dicom", "x", 5)) == 2


def test_a_stop_ends_the_batch_after_the_image_at_hand(journal, clock):
    for name in "abc":
        enter(journal, name, "x")
    stop = threading.Event()
    stop.set()
    assert (
        DeliveryWorker(journal, answering(*[DeliveryResult(DONE)] * 3), "dicom", "x", monotonic=clock).deliver_due(stop)
        == 1
    )


def test_of_two_images_with_one_uid_only_the_later_one_is_suspicious(journal):
    entered = [enter(journal, name, uid=uid) for name, uid in zip("abcde", ("1.2", "1.2", "1.3", "", ""), strict=True)]
    found = [journal.earlier_with_uid(image) for image in entered]
    assert found == [False, True, False, False, False]


def test_delivered_images_are_forgotten_after_a_while(journal, clock):
    for name in "ab":
        enter(journal, name, "x")
    DeliveryWorker(
        journal, answering(DeliveryResult(DONE), DeliveryResult(LATER)), "dicom", "x", monotonic=clock
    ).deliver_due()
    clock.now += 100
    assert (journal.forget(200), journal.forget(50)) == (0, 1)
    assert journal.state("a") is None and journal.state("b") == DELIVERING


def test_an_element_that_rules_ask_for_and_that_cannot_be_read_is_told_and_matches_no_rule_silently(tmp_path):
    from BodyPartRouterLib.routing.file_reading import read_file

    path = write_xray(tmp_path / "x.dcm", RecommendedDisplayFrameRateInFloat=12345678.0)
    content = path.read_bytes()
    whole = struct.pack("<H", 4) + struct.pack("<f", 12345678.0)
    assert content.count(whole) == 1
    path.write_bytes(content.replace(whole, struct.pack("<H", 2) + b"ab"))  # half a number
    reading = read_file(path, frozenset({"RecommendedDisplayFrameRateInFloat", "Modality"}))
    assert reading.xray is None and "RecommendedDisplayFrameRateInFloat" in reading.error
    assert reading.values["Modality"] == ("DX",)
