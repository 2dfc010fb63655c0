"""The DICOMweb door of the service: what is stored, what is refused, and how the answer says so."""

from __future__ import annotations

import http.client
import json
import socket

import pytest
from router_fixtures import write_xray, xray_dataset
from router_peers import free_port
from router_running import RunningService, uid_of

from BodyPartRouterLib.routing.configuration.rules import Destination
from BodyPartRouterLib.routing.delivery.stow_sender import multipart
from BodyPartRouterLib.routing.dicom_object import file_head, read_object
from BodyPartRouterLib.service.multipart import boundary_of, read_parts
from LesionKitLib.run.errors import UnusableInput


@pytest.fixture
def run(tmp_path):
    """run(more): a RunningService with a DICOMweb door."""
    started = []

    def start(more=""):
        started.append(RunningService(tmp_path, more=f"stow_port: {free_port()}, {more}"))
        return started[-1]

    yield start
    for running in started:
        running.service.stop()


KIND = 'multipart/related; type="application/dicom"; boundary=here'


def body_of(*parts):
    return (
        b"".join(b"--here\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n" for part in parts) + b"--here--"
    )


def post(running, body, kind=KIND, path="/dicom-web/studies", **headers):
    """(status, UIDs stored, failure reasons)."""
    link = http.client.HTTPConnection("127.0.0.1", running.service.stow_port, timeout=60)
    link.request("POST", path, body, {"Content-Type": kind, **headers}, encode_chunked=not isinstance(body, bytes))
    answer = link.getresponse()
    document = json.loads(answer.read())
    stored = [item["00081155"]["Value"][0] for item in document.get("00081199", {}).get("Value", [])]
    failed = [item["00081197"]["Value"][0] for item in document.get("00081198", {}).get("Value", [])]
    return answer.status, stored, failed


def test_objects_are_stored_with_their_own_bytes_and_routed(run, tmp_path):
    running = run()
    paths = [write_xray(tmp_path / f"{n}.dcm", "adult_chest", n) for n in range(3)]
    uids = [uid_of(path) for path in paths]
    assert post(running, body_of(*(path.read_bytes() for path in paths))) == (200, uids, [])
    running.settle(delivered=3)
    for path, uid in zip(paths, uids, strict=True):
        assert (tmp_path / "sorted" / "adult_chest" / f"{uid}.dcm").read_bytes() == path.read_bytes()


def test_what_our_own_sender_posts_is_taken(run, tmp_path):
    running = run()
    path = write_xray(tmp_path / "a.dcm", "adult_chest")
    body, kind = multipart(read_object(path))
    assert post(running, body, kind)[:2] == (200, [uid_of(path)])


def test_a_chunked_body_is_taken(run, tmp_path):
    running = run()
    path = write_xray(tmp_path / "a.dcm", "adult_chest")
    body = body_of(path.read_bytes())
    blocks = iter([body[:100], body[100:101], body[101:]])
    assert post(running, blocks, **{"Transfer-Encoding": "chunked"})[:2] == (200, [uid_of(path)])


def test_one_refused_object_does_not_take_the_others_along(run, tmp_path):
    running = run("max_object_mb: 0.01")
    good, large = write_xray(tmp_path / "a.dcm"), write_xray(tmp_path / "b.dcm", PixelData=b"\0" * 40_000)
    data = xray_dataset()
    other = file_head(data.SOPClassUID, "9.9.9", "1.2.840.10008.1.2.1") + good.read_bytes()[read_object(good).offset :]
    status, stored, failed = post(running, body_of(large.read_bytes(), b"noise", other, good.read_bytes()))
    assert (status, stored, failed) == (202, [uid_of(good)], [0xA700, 0xC000, 0xA900])


def test_a_body_with_nothing_that_can_be_stored_is_a_conflict(run):
    assert post(run(), body_of(b"noise")) == (409, [], [0xC000])


@pytest.mark.parametrize(
    ("body", "kind", "path", "status"),
    [
        (b"{}", "application/json", "/studies", 415),
        (b"--here\r\n\r\nx", KIND, "/studies", 400),
        (b"nothing at all", KIND, "/studies", 400),
        (b"", KIND, "/studies", 400),
        (body_of(b"x"), KIND, "/elsewhere", 404),
    ],
)
def test_a_request_of_another_form_is_refused(run, body, kind, path, status):
    running = run()
    assert post(running, body, kind, path)[0] == status
    assert running.counts() == {}


def test_a_token_is_demanded_where_one_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setenv("STOW_TOKEN", "secret")
    running = run("stow_token_variable: STOW_TOKEN")
    body = body_of(write_xray(tmp_path / "a.dcm").read_bytes())
    assert post(running, body)[0] == post(running, body, Authorization="Bearer wrong")[0] == 401
    assert post(running, body, Authorization="Bearer secret")[0] == 200


def test_the_network_may_not_send_without_a_token(run):
    with pytest.raises(UnusableInput, match="stow_token_variable"):
        run("address: 0.0.0.0, allow: [CR1]")


def test_silent_connections_of_one_address_end_at_its_limit(run):
    running = run("max_associations_from_one: 2")
    links = [socket.create_connection(("127.0.0.1", running.service.stow_port)) for _ in range(3)]
    links[2].settimeout(60)
    assert links[2].recv(1) == b""
    for link in links:
        link.close()


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_parts_are_found_however_the_body_arrives(step):
    parts = [b"a" * 50, b"", b"--her\r\n--her", b"x" * 500]
    body = b"preamble\r\n" + body_of(*parts)
    blocks = iter([body[at : at + step] for at in range(0, len(body), step)])
    assert list(read_parts(lambda count: next(blocks, b""), b"here", 100)) == [*parts[:3], None]


def test_boundaries_are_read_as_they_are_written():
    assert boundary_of('multipart/related; type="application/dicom"; boundary="a b"') == b"a b"
    assert boundary_of("Multipart/Related;boundary=x;type=y") == b"x"
    assert boundary_of("text/plain; boundary=x") is None


def test_two_services_pass_images_on(run, tmp_path):
    """Our sender to our listener, over the network."""
    from test_router_routing_senders import tasks_for

    from BodyPartRouterLib.routing.delivery.stow_sender import StowSender

    running = run()
    settings = {"url": f"http://127.0.0.1:{running.service.stow_port}/dicom-web"}
    sender = StowSender(Destination("a", "stow", settings), tmp_path / "none")
    results = list(sender(tasks_for(write_xray(tmp_path / "a.dcm"), write_xray(tmp_path / "b.dcm", seed=2))))
    assert [one.state for one in results] == ["done", "done"]
