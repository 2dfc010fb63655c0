"""The router's DICOM service with real peers: dcmtk's storescu, storescp and echoscu, and a STOW-RS server."""

from __future__ import annotations

import shutil
import time
from collections import namedtuple

import pytest
from dicom_fixtures import PATIENT, STRUCTURED_REPORT
from router_fixtures import BrightnessClassifier, write_xray
from router_peers import DCMTK, ServiceProcess, StoreScp, StowServer, echo, free_port, send, wait_until
from router_running import RULES, RunningService, uid_of

from BodyPartRouterLib.routing.configuration.rules import Sender
from BodyPartRouterLib.routing.configuration.rules_file import load_rules
from BodyPartRouterLib.service.inbox import Inbox
from BodyPartRouterLib.service.service import Service
from LesionKitLib.run.errors import UnusableInput

pytestmark = pytest.mark.skipif(not DCMTK, reason="dcmtk is not installed")


@pytest.fixture
def run(tmp_path):
    """run(...): a RunningService."""
    started = []

    def start(**options):
        started.append(RunningService(tmp_path, **options))
        return started[-1]

    yield start
    for running in started:
        running.service.stop()


@pytest.fixture
def archive(tmp_path):
    archive = StoreScp(tmp_path / "archive", free_port())
    yield archive
    archive.stop()


@pytest.fixture
def web():
    web = StowServer()
    yield web
    web.close()


def test_each_object_goes_where_its_rule_says(run, archive, web):
    archive.start()
    running = run(archive=archive.port, web=web.url)
    code, (adult, child, belly, spine, unknown) = running.send(
        "adult_chest", "pediatric_chest", "abdomen", "spine", "unknown"
    )
    assert code == 0
    running.settle(delivered=4, held=1)
    assert running.files("sorted/adult_chest") == [f"{adult}.dcm"]
    assert archive.objects == sorted([child, spine])
    assert web.objects == [belly]
    assert running.files("sorted/spine") == running.files("data/open/Volumes") == [f"{spine}.dcm"]
    assert running.files("data/held") == [f"{unknown}.dcm"]
    wait_until(lambda: running.inbox == [])


def test_an_object_arrives_as_it_was_sent(run):
    from pydicom import dcmread

    running = run()
    path = write_xray(running.folder / "a.dcm", StudyDescription="Thorax", PatientComments="Grüße"[:3])
    assert running.send_files([path]) == 0
    running.settle(delivered=1)
    (name,) = running.files("sorted/adult_chest")
    assert dcmread(running.folder / "sorted" / "adult_chest" / name) == dcmread(path)


def test_an_echo_is_answered(run):
    assert echo(run().service.port, "LESIONKIT") == 0


def test_only_listed_callers_may_send(run):
    running = run(more="allow: [CR1, CR2]")
    assert running.send("adult_chest", calling="STRANGER")[0] != 0
    assert echo(running.service.port, "LESIONKIT", "STRANGER") != 0
    assert running.counts() == {}
    assert running.send("adult_chest", calling="CR2")[0] == 0


def test_listening_to_the_network_demands_a_list_of_callers(tmp_path):
    text = "version: 1\nrules: []\nservice: {address: 0.0.0.0, data: data}\n"
    (tmp_path / "rules.yaml").write_text(text, "utf-8")
    with pytest.raises(UnusableInput, match="allow"):
        Service(load_rules(tmp_path / "rules.yaml"), BrightnessClassifier())


def test_the_same_object_sent_again_is_delivered_once(run):
    running = run()
    path = write_xray(running.folder / "a.dcm")
    for _ in range(3):
        assert running.send_files([path, path]) == 0
    running.settle(delivered=1)
    assert len(running.files("sorted/adult_chest")) == 1


def test_another_object_with_the_same_uid_is_held(run):
    running = run()
    for seed in (1, 2):
        assert running.send("adult_chest", first_seed=seed, SOPInstanceUID="1.2.3")[0] == 0
    running.settle(delivered=1, held=1)
    assert running.files("sorted/adult_chest") == ["1.2.3.dcm"] == running.files("data/held")
    (held,) = running.service.inbox.journal.needs_person()
    assert held["reason"] == "Another image with the same SOP Instance UID was received before."


def test_what_is_no_image_is_held(run):
    from dicom_fixtures import dicom_image, save
    from router_fixtures import picture

    running = run()
    report = dicom_image(picture("spine"), STRUCTURED_REPORT, "SR")
    del report.PixelData, report.Rows, report.Columns
    assert running.send_files([save(report, running.folder / "report.dcm")]) == 0
    running.settle(held=1)
    assert len(running.files("data/held")) == 1


def test_an_object_that_is_too_large_is_refused_and_its_neighbors_are_taken(run):
    running = run(more="max_object_mb: 0.01")
    large = write_xray(running.folder / "large.dcm", PixelData=b"\0" * 40_000, Rows=200, Columns=100)
    small = write_xray(running.folder / "small.dcm")
    assert running.send_files([large]) != 0
    assert running.send_files([small]) == 0
    running.settle(delivered=1)


def test_a_full_disk_is_answered_and_nothing_is_lost(run, monkeypatch):
    running = run(more="max_associations: 3")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(100, 100, 0))
    assert running.send("adult_chest")[0] != 0
    assert running.counts() == {} and running.inbox == []
    monkeypatch.undo()
    assert running.send("adult_chest")[0] == 0
    running.settle(delivered=1)


def test_a_journal_that_cannot_be_written_refuses_objects(run, monkeypatch):
    import sqlite3

    def full(image):
        raise sqlite3.OperationalError("database or disk is full")

    running = run()
    monkeypatch.setattr(running.service.inbox.journal, "add", full)
    assert running.send("adult_chest")[0] != 0


def test_images_wait_for_a_destination_that_is_away_and_the_others_go_on(run, archive):
    running = run(archive=archive.port)
    _code, (child, _adult) = running.send("pediatric_chest", "adult_chest")
    wait_until(lambda: len(running.files("sorted/adult_chest")) == 1)
    wait_until(lambda: any(one["tries"] > 2 for one in running.journal.destinations()))
    wait_until(lambda: len(running.inbox) == 1)
    archive.start()
    running.settle(delivered=2)
    assert archive.objects == [child]


def test_a_web_server_that_refuses_or_is_busy_is_asked_again_and_a_duplicate_counts_as_there(run, web):
    web.answers = [(503, None), (409, 0x0110), (409, 0xA700), (409, 0x0111)]
    running = run(web=web.url)
    running.send("abdomen")
    running.settle(delivered=1)
    assert web.answers == [] and web.objects == []


def test_an_image_that_a_destination_keeps_refusing_is_given_up_but_kept(run, web):
    web.answers = [(400, None)] * 3
    running = run(web=web.url, more="attempts: 3")
    running.send("abdomen")
    running.settle(failed=1)
    assert len(running.inbox) == 1
    running.service.stop()
    running.start()  # the next start tries again
    running.settle(delivered=1)
    assert len(web.objects) == 1


def test_a_token_comes_from_the_environment(tmp_path, web, monkeypatch):
    from BodyPartRouterLib.routing.route_files import carry_out, plan_files

    monkeypatch.setenv("WEB_TOKEN", "secret")
    text = f"version: 1\ndestinations: {{web: {{type: stow, url: '{web.url}', token_variable: WEB_TOKEN}}}}\n"
    (tmp_path / "rules.yaml").write_text(text + "rules: [{then: [stow: web]}]\n", "utf-8")
    rules = load_rules(tmp_path / "rules.yaml")
    planned = plan_files([write_xray(tmp_path / "a.dcm")], rules, BrightnessClassifier())
    (done,) = carry_out(list(planned), rules)
    assert done.destination == web.url and web.authorizations == ["Bearer secret"]


def test_images_are_classified_together(run):
    class Slow(BrightnessClassifier):
        def predict(self, xrays, progress=None):
            time.sleep(0.3)
            return super().predict(xrays, progress)

    running = run(classifier=Slow(), more="batch: 8")
    running.send(*["adult_chest"] * 12)
    running.settle(delivered=12)
    assert max(running.classifier.calls) > 1 and max(running.classifier.calls) <= 8


def test_a_classifier_that_fails_holds_the_image_and_the_service_lives_on(run):
    class Failing(BrightnessClassifier):
        def predict(self, xrays, progress=None):
            if len(self.calls) < 2:
                self.calls.append(len(xrays))
                raise RuntimeError("out of memory")
            return super().predict(xrays, progress)

    running = run(classifier=Failing())
    running.send("adult_chest")
    running.settle(held=1)
    assert len(running.files("data/held")) == 1
    running.send("adult_chest", first_seed=5)
    running.settle(delivered=1, held=1)
    assert len(running.files("sorted/adult_chest")) == 1


def test_two_services_cannot_use_one_folder(run):
    running = run()
    with pytest.raises(UnusableInput, match="Another service"):
        Service(load_rules(running.folder / "rules.yaml"), BrightnessClassifier())


def test_a_port_that_is_taken_is_one_sentence_and_leaves_the_folder_free(run, archive, tmp_path):
    archive.start()
    (tmp_path / "rules.yaml").write_text("version: 1\nrules: []\nservice: {data: data, metrics_port: null}\n", "utf-8")
    service = Service(load_rules(tmp_path / "rules.yaml"), BrightnessClassifier())
    with pytest.raises(UnusableInput, match="Cannot listen on 127.0.0.1, port"):
        service.start(archive.port)
    run()


def test_what_a_crash_leaves_between_the_disk_and_the_journal_is_found_again(run):
    from BodyPartRouterLib.routing.dicom_object import file_head

    running = run()
    _code, (uid,) = running.send("adult_chest")
    running.settle(delivered=1)
    wait_until(lambda: running.inbox == [])
    running.service.stop()
    inbox = running.folder / "data" / "inbox"
    delivered = running.folder / "sorted" / "adult_chest" / f"{uid}.dcm"
    from LesionKitLib.io.digest import file_digest

    shutil.copy(delivered, inbox / f"{file_digest(delivered)}.dcm")  # delivered, but not taken away
    other = write_xray(running.folder / "b.dcm", "adult_chest", 9)
    shutil.copy(other, inbox / f"{file_digest(other)}.dcm")  # acknowledged or not: not in the journal
    (inbox / ".part-half.dcm").write_bytes(file_head("1.2", "1.3", "1.2.840.10008.1.2"))
    (inbox / "strange.dcm").write_bytes(b"not ours")
    running.start()
    running.settle(delivered=2)
    wait_until(lambda: running.inbox == ["strange.dcm"])
    assert running.files("sorted/adult_chest") == sorted([f"{uid}.dcm", f"{uid_of(other)}.dcm"])


def test_sigterm_ends_the_service_in_order_and_its_log_and_metrics_name_nobody(tmp_path, archive):
    rules = tmp_path / "rules.yaml"
    more = f"metrics_port: {free_port()}"
    text = RULES.format(archive=archive.port, web="http://127.0.0.1:1", more=more, destination="")
    rules.write_text(text.replace("metrics_port: null, ", ""), "utf-8")
    service = ServiceProcess(rules)
    service.start()
    try:
        labels = ["adult_chest", "unknown", "pediatric_chest"]
        paths = [write_xray(tmp_path / f"{label}.dcm", label, StudyDescription="Ankle of Jim") for label in labels]
        assert send(service.port, paths).returncode == 0
        wait_until(lambda: service.metrics().get("lesionkit_latency_seconds_count") == 2.0)
        wait_until(lambda: service.metrics().get('lesionkit_rejected_total{why="association"}', 0) == 0)
        numbers = service.metrics()
        assert numbers["lesionkit_received_total"] == 3
        assert numbers["lesionkit_routed_total"] == numbers["lesionkit_held_total"] == 1
        assert numbers['lesionkit_classified_total{label="adult_chest"}'] == 1
        assert numbers['lesionkit_waiting{destination="archive"}'] == 1
        wait_until(lambda: service.metrics().get('lesionkit_outage{destination="archive",reason="no connection"}') == 1)
        assert service.terminate() == 0
    finally:
        service.close()
    for part in (*PATIENT.split("^"), "12345", "Ankle", "Jim"):
        assert part not in service.log
    assert "delivered" in service.log and "Stopped" in service.log and "Traceback" not in service.log
    assert len(list((tmp_path / "data" / "inbox").iterdir())) == 1  # what waits for the archive


def test_an_image_that_kills_the_service_twice_is_held_and_the_others_arrive(tmp_path, monkeypatch):
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES.format(archive=1, web="http://127.0.0.1:1", more="batch: 3", destination=""), "utf-8")
    inbox = Inbox(tmp_path / "data")
    for n, label in enumerate(("adult_chest", "others", "adult_chest")):
        inbox.store(str(n), Sender(), write_xray(tmp_path / f"{n}.dcm", label, n).read_bytes())
    inbox.close()
    monkeypatch.setenv("DEADLY_CLASS", "others")
    service = ServiceProcess(rules)
    try:
        for _ in range(2):
            service.start()
            assert service.wait() == -9
        service.start()
        wait_until(lambda: len(list((tmp_path / "sorted" / "adult_chest").glob("*.dcm"))) == 2)
        wait_until(lambda: len(list((tmp_path / "data" / "held").glob("*.dcm"))) == 1)
        assert service.terminate() == 0
    finally:
        service.close()


def test_every_object_arrives_exactly_once_though_the_service_is_killed(tmp_path):
    from service_stress import run as stress

    report = stress(tmp_path, objects=40, senders=2, kills=1, ms_per_image=10)
    assert report["exactly_once"] == 40
    assert (report["missing"], report["twice_or_elsewhere"], report["left_in_inbox"]) == (0, 0, 0)
    assert report["archive_objects"] == 16 and report["exit_code"] == 0
