"""Images that need a person: release, correct, resend, from the command line and from the page; rules read again."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from router_fixtures import write_xray
from router_peers import DCMTK, ServiceProcess, StoreScp, free_port, send, wait_until
from router_running import RunningService

from BodyPartRouterLib.routing.configuration.rules_file import load_rules
from BodyPartRouterLib.routing.corrections import read_corrections
from BodyPartRouterLib.service.queue_actions import QueueActions, open_journal
from LesionKitCLI.main import main
from LesionKitLib.run.errors import UnusableInput

pytestmark = pytest.mark.skipif(not DCMTK, reason="dcmtk is not installed")

RULES = """
version: 1
destinations:
  archive: {{type: dicom, host: 127.0.0.1, port: {archive}, ae_title: ARCHIVE}}
rules:
  - {{when: {{header: {{StationName: DOUBT}}}}, then: [hold: look at it]}}
  - {{when: {{class: spine}}, then: [copy: sorted/spine]}}
  - {{when: {{class: adult_chest}}, then: [store: archive]}}
service:
  {{data: data, min_free_mb: 0, first_wait_s: 0.05, longest_wait_s: 0.2, batch_wait_s: 0, metrics_port: null{more}}}
"""


@pytest.fixture
def archive(tmp_path):
    archive = StoreScp(tmp_path / "archive", free_port())
    yield archive
    archive.stop()


@pytest.fixture
def run(tmp_path, archive):
    """run(more): a RunningService with RULES."""
    started = []

    def start(more=""):
        text = RULES.format(archive=archive.port, more=more)
        started.append(RunningService(tmp_path, rules=text))
        return started[-1]

    yield start
    for running in started:
        running.service.stop()


def route(tmp_path, *arguments):
    return main(["route", *arguments, "--rules", str(tmp_path / "rules.yaml")])


def test_a_held_image_that_is_corrected_goes_where_its_class_belongs_and_is_noted(run, tmp_path):
    running = run()
    _code, (uid,) = running.send("unknown")
    running.settle(held=1)
    assert route(tmp_path, "correct", uid, "spine") == 0
    running.settle(delivered=1)
    assert running.files("sorted/spine") == [f"{uid}.dcm"]
    wait_until(lambda: running.files("data/held") == [])
    (row,) = read_corrections(tmp_path / "data" / "corrections.csv").values()
    assert (row["class"], row["predicted"]) == ("spine", "unknown")


def test_a_released_image_goes_as_if_no_rule_held_it(run, tmp_path):
    running = run()
    running.send("spine", StationName="DOUBT")
    running.settle(held=1)
    (image,) = running.journal.needs_person()
    assert image["reason"] == "look at it"
    assert route(tmp_path, "release", image["id"][:12]) == 0
    running.settle(delivered=1)
    assert len(running.files("sorted/spine")) == 1


def test_an_image_that_no_rule_sends_is_released_to_a_named_destination(run, tmp_path, archive, capsys):
    archive.start()
    running = run()
    _code, (uid,) = running.send("unknown")
    running.settle(held=1)
    assert route(tmp_path, "release", uid) == 3
    assert "name a destination" in capsys.readouterr().err
    assert route(tmp_path, "release", uid, "--to", "nowhere") == 3
    assert route(tmp_path, "release", uid, "--to", "archive", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["images"]) == 1
    running.settle(delivered=1)
    assert archive.objects == [uid]


def test_a_failed_image_is_sent_again(run, tmp_path, archive):
    running = run(", attempts: 1")
    _code, (uid,) = running.send("adult_chest")
    wait_until(lambda: running.journal.destinations())
    ((_state, image, _label, _probability),) = running.journal.find(uid)
    running.journal.fail_without_destination([])  # as when the rules lost the destination
    running.settle(failed=1)
    assert running.journal.needs_person()[0]["notes"] == "the rules have no destination archive"
    archive.start()
    assert route(tmp_path, "resend", image.id) == 0
    running.settle(delivered=1)


def test_a_copy_that_was_delivered_stays_when_the_image_is_sent_again_elsewhere(run, tmp_path):
    running = run(", attempts: 1")
    text = (tmp_path / "rules.yaml").read_text().replace("then: [store: archive]", "then: [store: archive, copy: both]")
    (tmp_path / "rules.yaml").write_text(text)
    running.service._read_rules = lambda: load_rules(tmp_path / "rules.yaml")
    running.service.reload()
    _code, (uid,) = running.send("adult_chest")
    wait_until(lambda: running.files("both") == [f"{uid}.dcm"])
    running.journal.fail_without_destination([])
    running.settle(failed=1)
    assert route(tmp_path, "correct", uid, "spine") == 0
    running.settle(delivered=1)
    assert running.files("both") == running.files("sorted/spine") == [f"{uid}.dcm"]


def test_a_queue_can_be_changed_while_the_service_does_not_run(run, tmp_path):
    running = run()
    _code, (uid,) = running.send("unknown")
    running.settle(held=1)
    running.service.stop()
    assert route(tmp_path, "correct", uid, "spine") == 0
    running.start()
    running.settle(delivered=1)


@pytest.mark.parametrize(
    "arguments",
    [("correct", "1.2.3", "knee"), ("correct", "1.2.3"), ("release",), ("release", "9.9.9"), ("resend", "1.2.3")],
)
def test_what_cannot_be_done_is_one_sentence(run, tmp_path, capsys, arguments):
    running = run()
    running.send("spine", SOPInstanceUID="1.2.3")
    running.settle(delivered=1)
    assert route(tmp_path, *arguments) == 3
    sentence = capsys.readouterr().err.strip()
    assert sentence.endswith(".") and sentence.count("\n") == 0


def test_an_image_is_released_once(run):
    running = run()
    _code, (uid,) = running.send("spine", StationName="DOUBT")
    running.settle(held=1)
    actions = QueueActions(running.journal, running.service.rules)
    actions.release(uid)
    with pytest.raises(UnusableInput):
        actions.release(uid)


def test_the_status_names_outages_and_what_waits(run, tmp_path, capsys):
    running = run()
    running.send("adult_chest", "unknown")
    wait_until(lambda: any(one["outage"] for one in running.journal.destinations()))
    assert route(tmp_path, "status") == 0
    out = capsys.readouterr().out
    assert "archive: 1 waiting, takes nothing since" in out and "(no connection)" in out and "1 held" in out
    assert route(tmp_path, "status", "--json") == 0
    (place,) = [one for one in json.loads(capsys.readouterr().out)["destinations"] if one["name"] == "archive"]
    assert place["waiting"] == 1 and place["outage"] == "no connection"


# rules read again


def test_rules_are_read_again_at_a_signal_and_wrong_ones_are_refused(tmp_path, archive):
    path = tmp_path / "rules.yaml"
    text = RULES.format(archive=archive.port, more="")
    path.write_text(text)
    service = ServiceProcess(path)
    service.start()
    try:
        path.write_text("version: 1\nrules: [{}]\n")
        service.hang_up()
        wait_until(lambda: "The rules stay as they were." in service.log)
        assert send(service.port, [write_xray(tmp_path / "a.dcm", "spine", 1)]).returncode == 0
        wait_until(lambda: len(list((tmp_path / "sorted" / "spine").glob("*.dcm"))) == 1)
        path.write_text(text.replace("copy: sorted/spine", "copy: sorted/others"))
        service.hang_up()
        wait_until(lambda: "The rules were read again" in service.log)
        assert send(service.port, [write_xray(tmp_path / "b.dcm", "spine", 2)]).returncode == 0
        wait_until(lambda: len(list((tmp_path / "sorted" / "others").glob("*.dcm"))) == 1)
        assert service.terminate() == 0
    finally:
        service.close()


def test_a_command_has_a_running_service_read_its_rules_again_and_refuses_wrong_ones(tmp_path, archive, capsys):
    path = tmp_path / "rules.yaml"
    text = RULES.format(archive=archive.port, more="")
    path.write_text(text)
    assert route(tmp_path, "reload") == 3 and "never started" in capsys.readouterr().err
    service = ServiceProcess(path)
    service.start()
    try:
        path.write_text("version: 1\nrules: [{}]\n")
        assert route(tmp_path, "reload") == 3 and "rules.yaml" in capsys.readouterr().err
        path.write_text(text.replace("copy: sorted/spine", "copy: sorted/others"))
        assert route(tmp_path, "reload") == 0 and "The rules are right" in capsys.readouterr().out
        wait_until(lambda: "The rules were read again" in service.log)
        assert send(service.port, [write_xray(tmp_path / "b.dcm", "spine", 2)]).returncode == 0
        wait_until(lambda: len(list((tmp_path / "sorted" / "others").glob("*.dcm"))) == 1)
        assert service.terminate() == 0
        assert not (tmp_path / "data" / "reload-rules").exists()
    finally:
        service.close()


def test_a_destination_that_moves_is_found_at_its_new_address(run, archive, tmp_path):
    running = run()
    running.service._read_rules = lambda: load_rules(tmp_path / "rules.yaml")
    running.send("adult_chest")
    wait_until(lambda: any(one["outage"] for one in running.journal.destinations()))
    archive.port = free_port()
    archive.start()
    (tmp_path / "rules.yaml").write_text(RULES.format(archive=archive.port, more=""))
    running.service.reload()
    running.settle(delivered=1)


def test_what_waits_for_a_destination_that_is_gone_from_the_rules_is_shown(run, tmp_path):
    running = run()
    running.send("adult_chest")
    wait_until(lambda: any(one["outage"] for one in running.journal.destinations()))
    (tmp_path / "rules.yaml").write_text("version: 1\nrules: []\nservice: {data: data}\n")
    running.service._read_rules = lambda: load_rules(tmp_path / "rules.yaml")
    running.service.reload()
    running.settle(failed=1)


# the page


def page_port(more=""):
    return f", page_port: {free_port()}{more}"


def ask(port, path, body=None, **headers):
    """(status, document) of the page's answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_another_page_in_the_same_browser_can_do_nothing(run):
    running = run(page_port())
    port = running.service.page_port
    assert ask(port, "/api/reload", {})[0] == 403  # without the page's own header
    assert ask(port, "/api/state", Host="evil.example")[0] == 403  # a name that was bent to this computer
    assert ask(port, "/api/state")[0] == 200
    assert ask(port, "/../rules.yaml")[0] == 404


def test_nonsense_sent_to_the_page_is_answered_with_a_sentence(run):
    port = run(page_port()).service.page_port
    for path, body in (("/api/release", {}), ("/api/release", []), ("/api/nothing", {}), ("/api/release", {"id": 5})):
        status, answer = ask(port, path, body, X_LesionKit="page")
        assert status in (400, 409) and json.loads(answer)["error"].endswith(".")


def test_a_page_with_a_token_lets_in_who_knows_it(run, monkeypatch):
    monkeypatch.setenv("PAGE_TOKEN", "open sesame")
    port = run(page_port(", page_token_variable: PAGE_TOKEN")).service.page_port
    assert ask(port, "/api/state")[0] == 401
    assert ask(port, "/api/reload", {}, X_LesionKit="page")[0] == 401
    assert ask(port, "/api/state", Authorization="Bearer wrong")[0] == 401
    assert ask(port, "/api/state", Authorization="Bearer open sesame")[0] == 200


def test_a_page_for_the_network_demands_a_token(run, tmp_path):
    with pytest.raises(UnusableInput, match="needs a token"):
        run(page_port(", page_address: 0.0.0.0"))


def test_the_journal_is_only_opened_where_the_service_has_run(tmp_path):
    (tmp_path / "rules.yaml").write_text("version: 1\nrules: []\nservice: {data: none}\n")
    with pytest.raises(UnusableInput, match="has not run yet"):
        open_journal(load_rules(tmp_path / "rules.yaml"))
