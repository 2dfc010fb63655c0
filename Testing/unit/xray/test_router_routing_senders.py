"""Sending to peers that are particular, wrong or ill: what counts as stored, and who is to blame when nothing is."""

from __future__ import annotations

import io
import json
import threading
import zlib
from pathlib import Path

import pytest
from router_fixtures import write_xray, xray_dataset
from router_peers import StorePeer, StowServer, free_port

from BodyPartRouterLib.routing.configuration.rules import Destination
from BodyPartRouterLib.routing.delivery.delivery_worker import DeliveryWorker
from BodyPartRouterLib.routing.delivery.retry_policy import (
    DONE,
    IMPOSSIBLE,
    REFUSED,
    UNCLEAR,
    DeliveryResult,
    DestinationUnavailable,
    RetryPolicy,
)
from BodyPartRouterLib.routing.delivery.store_sender import StoreSender, judge_status
from BodyPartRouterLib.routing.delivery.stow_sender import StowSender, judge_answer
from BodyPartRouterLib.routing.dicom_object import NoDicomObject, file_head, read_object
from BodyPartRouterLib.routing.journal.journal import DELIVERED, DELIVERING, FAILED, Image, Journal
from BodyPartRouterLib.routing.plan import Delivery, Plan

IMPLICIT, EXPLICIT, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"
RLE, JPEG_XL = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.110"


def tasks_for(*paths):
    """Delivery tasks in a journal of their own."""
    journal = Journal()
    for n, path in enumerate(paths):
        image = Image(str(n), "", "", path, 0.0)
        journal.add(image)
        journal.classify(image, Plan("r", (Delivery("dicom", "a"),)), "spine", 0.9)
    return journal.due("dicom", "a", 99)


def store(peer_port, *paths, **settings):
    """Results of C-STORE, in the order of the paths."""
    settings = {"host": "127.0.0.1", "port": peer_port, "ae_title": "ARCHIVE", "timeout_s": 5, **settings}
    return list(StoreSender(Destination("a", "dicom", settings), Path("none"))(tasks_for(*paths)))


def stow(url, *paths):
    return list(StowSender(Destination("a", "stow", {"url": url, "timeout_s": 5}), Path("none"))(tasks_for(*paths)))


@pytest.fixture
def peer():
    """peer(...): a StorePeer."""
    started = []

    def start(*arguments, **options):
        started.append(StorePeer(*arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def server():
    started = []

    def start(*arguments):
        started.append(StowServer(*arguments))
        return started[-1]

    yield start
    for one in started:
        one.close()


def odd_deflated(path):
    """A deflated file whose compressed stream has an odd length; its bytes."""
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    for n in range(1, 99):
        data = xray_dataset(StationName="X" * n)
        stream = DicomBytesIO()
        stream.is_implicit_VR, stream.is_little_endian = False, True
        write_dataset(stream, data)
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        packed = packer.compress(stream.getvalue()) + packer.flush()
        if len(packed) % 2:
            path.write_bytes(file_head(data.SOPClassUID, data.SOPInstanceUID, DEFLATED) + packed)
            return packed
    raise AssertionError("no odd length was found")


def rle(path, seed=0):
    data = xray_dataset("spine", seed)
    data.compress(RLE, generate_instance_uid=False)
    data.save_as(path, enforce_file_format=True)
    return path


# C-STORE


def test_deflated_data_of_odd_length_are_padded(tmp_path, peer):
    packed = odd_deflated(tmp_path / "odd.dcm")
    archive = peer(syntaxes=(DEFLATED,))
    assert [one.state for one in store(archive.port, tmp_path / "odd.dcm")] == [DONE]
    ((_uid, syntax, data),) = archive.stored
    assert (syntax, data) == (DEFLATED, packed + b"\0")


def test_a_peer_that_takes_implicit_alone_gets_the_same_elements(tmp_path, peer):
    from pydicom import dcmread

    path = write_xray(tmp_path / "a.dcm", "spine")
    archive = peer(syntaxes=(IMPLICIT,))
    (result,) = store(archive.port, path)
    assert (result.state, result.note) == (DONE, "stored, with another encoding")
    ((uid, syntax, data),) = archive.stored
    arrived = dcmread(io.BytesIO(file_head("1.2.3", uid, syntax) + data))
    assert syntax == IMPLICIT and arrived == dcmread(path)


def test_the_data_set_goes_out_byte_by_byte_where_the_peer_takes_its_encoding(tmp_path, peer):
    path = write_xray(tmp_path / "a.dcm", "spine")
    archive = peer()
    assert store(archive.port, path)[0].note == "stored"
    ((_uid, _syntax, data),) = archive.stored
    assert data == path.read_bytes()[read_object(path).offset :]


def test_a_peer_without_the_compression_gets_the_image_decompressed_and_the_others_at_once(tmp_path, peer):
    from pydicom import dcmread

    path = rle(tmp_path / "rle.dcm")
    archive = peer(syntaxes=(EXPLICIT,))
    results = store(archive.port, path, write_xray(tmp_path / "good.dcm"))
    assert [one.note for one in results] == ["stored, decompressed", "stored"]
    uid, syntax, data = archive.stored[0]
    arrived = dcmread(io.BytesIO(file_head("1.2.3", uid, syntax) + data))
    assert uid == dcmread(path).SOPInstanceUID and (arrived.pixel_array == dcmread(path).pixel_array).all()


def test_what_can_neither_be_sent_nor_decompressed_is_refused_alone(tmp_path, peer):
    xl = write_jpeg_xl(tmp_path / "xl.dcm")
    results = store(peer(syntaxes=(EXPLICIT,)).port, xl, write_xray(tmp_path / "good.dcm"))
    assert [one.state for one in results] == [IMPOSSIBLE, DONE]
    assert results[0].note.startswith("the peer does not take its compression")


def test_a_class_that_the_peer_does_not_take_is_refused_alone(tmp_path, peer):
    odd = write_xray(tmp_path / "odd.dcm", SOPClassUID="1.2.840.10008.5.1.4.1.1.9.8.7")
    good = write_xray(tmp_path / "good.dcm")
    archive = peer()
    assert [one.state for one in store(archive.port, odd, good)] == [IMPOSSIBLE, DONE]
    assert [one.state for one in store(archive.port, odd)] == [IMPOSSIBLE]  # also when it is asked for alone


def test_a_file_without_meta_information_is_sent(tmp_path, peer):
    path = write_xray(tmp_path / "a.dcm")
    (tmp_path / "bare.dcm").write_bytes(path.read_bytes()[read_object(path).offset :])
    archive = peer()
    assert [one.state for one in store(archive.port, tmp_path / "bare.dcm")] == [DONE]
    assert archive.stored[0][2] == (tmp_path / "bare.dcm").read_bytes()


def test_the_command_names_what_the_data_set_holds(tmp_path, peer):
    path = write_xray(tmp_path / "a.dcm", SOPInstanceUID="1.2.3")
    head = file_head(read_object(path).sop_class, "9.9.9", EXPLICIT)  # a file that says another UID than its data set
    (tmp_path / "b.dcm").write_bytes(head + path.read_bytes()[read_object(path).offset :])
    archive = peer()
    store(archive.port, tmp_path / "b.dcm")
    assert archive.stored[0][0] == "1.2.3"


def test_a_file_that_is_no_dicom_object_is_refused_alone(tmp_path, peer):
    (tmp_path / "noise.dcm").write_bytes(b"noise" * 99)
    results = store(peer().port, tmp_path / "noise.dcm", write_xray(tmp_path / "good.dcm"))
    assert [one.state for one in results] == [IMPOSSIBLE, DONE]
    with pytest.raises(NoDicomObject):
        read_object(tmp_path / "missing.dcm")


def test_a_peer_that_breaks_off_at_one_image_is_asked_again_for_the_next(tmp_path, peer):
    paths = [write_xray(tmp_path / f"{n}.dcm", seed=n, SOPInstanceUID=f"1.2.{n}") for n in range(3)]

    def on_store(event):
        if event.request.AffectedSOPInstanceUID == "1.2.1":
            event.assoc.abort()
        return 0

    results = store(peer(on_store).port, *paths)
    assert [one.state for one in results] == [DONE, UNCLEAR, DONE]


def test_a_peer_that_is_not_there_is_unavailable(tmp_path):
    with pytest.raises(DestinationUnavailable, match="no connection"):
        store(free_port(), write_xray(tmp_path / "a.dcm"))


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (0x0000, DONE), (0x0111, DONE), (0xB000, DONE), (0xA700, UNCLEAR), (0x0124, UNCLEAR),
        (0xA900, IMPOSSIBLE), (0x0122, IMPOSSIBLE), (0xC000, REFUSED), (0x0110, REFUSED),
    ],
)  # fmt: skip
def test_a_status_says_whose_fault_it_is(status, state):
    assert judge_status(status).state == state


# whose fault


class Sends:
    """A sender whose destination fails at these images; which: all of them, or some. order: what was tried."""

    def __init__(self, *bad):
        self.bad, self.order = set(bad), []

    def __call__(self, tasks):
        for task in tasks:
            self.order.append(task.image.id)
            yield DeliveryResult(UNCLEAR if task.image.id in self.bad else DONE, "no answer")


@pytest.fixture
def run():
    """run(sender, rounds, names): (journal, worker) after so many rounds of waiting and delivering."""
    journals = []

    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

    def start(sender, rounds, *names, attempts=3):
        clock = Clock()
        journal = Journal(monotonic=clock)
        journals.append(journal)
        for name in names:
            image = Image(name, "", name, tmp(name), 0.0)
            journal.add(image)
            journal.classify(image, Plan("r", (Delivery("dicom", "a"),)), "spine", 0.9)
        worker = DeliveryWorker(journal, sender, "dicom", "a", RetryPolicy(1, 4, attempts), monotonic=clock)
        for _ in range(rounds):
            worker.deliver_due()
            clock.now += 10
        return journal, worker

    yield start
    for one in journals:
        one.close()


def tmp(name):
    from pathlib import Path

    return Path(name)


def test_a_destination_that_fails_at_every_image_is_out_and_no_image_fails(run):
    journal, worker = run(Sends(*"abcd"), 20, *"abcd")
    assert {journal.state(name) for name in "abcd"} == {DELIVERING}
    assert worker.outages and worker.outage == "no answer"
    assert [(one["name"], one["waiting"], one["outage"]) for one in journal.destinations()] == [("a", 4, "no answer")]


def test_an_image_that_waits_alone_for_a_hanging_destination_never_fails(run):
    journal, worker = run(Sends("a"), 20, "a")
    assert journal.state("a") == DELIVERING and worker.outage == "no answer"


def test_an_image_at_which_the_destination_fails_does_not_hold_up_the_others(run):
    sender = Sends("a")
    journal, _worker = run(sender, 1, *"abc")
    assert sender.order == ["a", "b", "c"] and journal.state("c") == DELIVERED


def test_an_image_that_comes_while_another_is_suspected_is_tried_at_once(run):
    sender = Sends("a")
    journal, worker = run(sender, 1, "a")
    image = Image("b", "", "b", tmp("b"), 0.0)
    journal.add(image)
    journal.classify(image, Plan("r", (Delivery("dicom", "a"),)), "spine", 0.9)
    worker.deliver_due()
    assert journal.state("b") == DELIVERED


def test_an_image_is_given_up_when_others_pass_each_time_that_the_destination_failed_at_it(run):
    sender = Sends("a")
    journal, worker = run(sender, 1, "a", "b")
    for n in range(9):
        image = Image(f"n{n}", "", f"n{n}", tmp("n"), 0.0)
        journal.add(image)
        journal.classify(image, Plan("r", (Delivery("dicom", "a"),)), "spine", 0.9)
        worker._monotonic.now += 10
        worker.deliver_due()  # the new one first
        worker.deliver_due()
    assert journal.state("a") == FAILED and journal.counts()[DELIVERED] == 10


# STOW-RS

PAGE = b"<html><form>please sign in</form></html>"
XML = b'<NativeDicomModel><DicomAttribute tag="00081198" vr="SQ"><Item number="1"/></DicomAttribute></NativeDicomModel>'


@pytest.mark.parametrize(
    "answer",
    [
        (200, "text/html", PAGE, {}),
        (302, "text/html", b"", {"Location": "/login"}),
        (200, "application/dicom+json", b"", {}),
        (200, "application/dicom+json", b"{}", {}),
        (200, "application/dicom+json", b"[]", {}),
        (200, "application/dicom+json", b"[null]", {}),
        (204, "application/dicom+json", b"", {}),
        (200, "application/dicom+xml", b"<NativeDicomModel/>", {}),
        (202, "application/dicom+xml", XML, {}),
        (401, "text/html", PAGE, {}),
        (503, "text/plain", b"", {}),
        (200, "application/dicom+json", b'{"00081199": {"Value": [{"00081155": {"Value": ["9.9"]}}]}}', {}),
    ],
)
def test_a_server_that_does_not_say_that_the_image_is_stored_has_not_stored_it(tmp_path, server, answer):
    (result,) = stow(server(answer).url, write_xray(tmp_path / "a.dcm"))
    assert result.state == UNCLEAR


def failures(*reasons):
    items = [{"00081155": {"Value": ["1.2"]}} | ({"00081197": {"Value": [r]}} if r else {}) for r in reasons]
    return json.dumps({"00081198": {"vr": "SQ", "Value": items}}).encode()


@pytest.mark.parametrize(
    ("reason", "state"),
    [(0x0111, DONE), (45070, DONE), (0xA700, UNCLEAR), (0xA900, IMPOSSIBLE), (0xC000, REFUSED), (None, REFUSED)],
)
@pytest.mark.parametrize("status", [202, 409])
def test_a_failure_in_the_answer_says_whose_fault_it_is(status, reason, state):
    assert judge_answer(status, failures(reason), "1.2").state == state


def test_each_object_is_posted_with_its_own_bytes(tmp_path, server):
    paths = [write_xray(tmp_path / "1.dcm"), write_jpeg_xl(tmp_path / "xl.dcm"), rle(tmp_path / "noend.dcm")]
    paths[2].write_bytes(paths[2].read_bytes()[:-8])  # without the last delimiter of the pixel data
    paths.append(write_xray(tmp_path / "2.dcm", seed=2))
    web = server()
    uids = [read_object(path).sop_instance for path in paths]
    web._answer = lambda kind, body: (200, "application/dicom+json", named(u for u in uids if u.encode() in body), {})
    assert [one.state for one in stow(web.url, *paths)] == [DONE] * 4
    assert all(path.read_bytes() in body for path, body in zip(paths, web.bodies, strict=True))


def named(uids):
    return json.dumps({"00081199": {"Value": [{"00081155": {"Value": [uid]}} for uid in uids]}}).encode()


def test_a_server_that_is_not_there_is_unavailable(tmp_path):
    with pytest.raises(DestinationUnavailable):
        stow(f"http://127.0.0.1:{free_port()}", write_xray(tmp_path / "a.dcm"))


def test_a_server_that_hangs_is_unclear(tmp_path, server):
    web = server()
    held = threading.Event()
    web._answer = lambda kind, body: (held.wait(30), 503, "", b"", {})[1:]
    settings = {"url": web.url, "timeout_s": 0.5}
    (result,) = StowSender(Destination("a", "stow", settings), Path("none"))(tasks_for(write_xray(tmp_path / "a.dcm")))
    held.set()
    assert result.state == UNCLEAR


def write_jpeg_xl(path):
    """A valid file in a transfer syntax that is newer than the installed pydicom."""
    from pydicom.encaps import encapsulate
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    data = xray_dataset()
    data.PixelData = encapsulate([b"\xff\x0a" + b"\0" * 200])
    data["PixelData"].is_undefined_length = True
    body = DicomBytesIO()
    body.is_little_endian, body.is_implicit_VR = True, False
    write_dataset(body, data)
    path.write_bytes(file_head(data.SOPClassUID, data.SOPInstanceUID, JPEG_XL) + body.getvalue())
    return path


# --- read after write


def finding_peer(peer, has, status=0x0000):
    """A peer that answers C-FIND with the UIDs that it ``has(stored)``."""
    from pydicom.dataset import Dataset
    from pynetdicom import evt

    one = peer()
    one._server.shutdown()
    entity = one._server.ae
    entity.add_supported_context("1.2.840.10008.5.1.4.1.2.2.1")
    questions = []

    def find(event):
        questions.append(event.identifier)
        for uid in has([stored[0] for stored in one.stored]):
            answer = Dataset()
            answer.QueryRetrieveLevel, answer.SOPInstanceUID = "IMAGE", uid
            if uid == event.identifier.SOPInstanceUID:
                yield 0xFF00, answer
        yield status, None

    def store(event):
        one.stored.append((event.request.AffectedSOPInstanceUID, event.context.transfer_syntax, b""))
        return 0

    handlers = [(evt.EVT_C_STORE, store), (evt.EVT_C_FIND, find)]
    one._server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    one.port = one._server.socket.getsockname()[1]
    return one, questions


@pytest.fixture
def no_waiting(monkeypatch):
    from BodyPartRouterLib.routing.delivery import verification

    monkeypatch.setattr(verification, "WAITS_S", (0.0, 0.0))


def test_a_peer_that_finds_what_it_stored_has_it(tmp_path, peer, no_waiting):
    one, questions = finding_peer(peer, lambda stored: stored)
    path = write_xray(tmp_path / "a.dcm")
    (result,) = store(one.port, path, verify=True)
    assert result == DeliveryResult(DONE, "stored, found")
    assert questions[0].StudyInstanceUID and questions[0].SeriesInstanceUID  # the unique keys above the image
    assert store(one.port, path)[0].note == "stored" and len(questions) == 1


def test_a_peer_that_calls_stored_what_it_has_not_got_is_not_believed(tmp_path, peer, no_waiting):
    """Another process on the archive's port, or an archive that loses what it took."""
    one, questions = finding_peer(peer, lambda stored: [])
    (result,) = store(one.port, write_xray(tmp_path / "a.dcm"), verify=True)
    assert result.state == UNCLEAR and "does not find it" in result.note and len(questions) == 2


def test_an_archive_that_needs_a_moment_is_asked_again(tmp_path, peer, no_waiting):
    asked = []
    one, _ = finding_peer(peer, lambda stored: stored if len(asked) or asked.append(1) else [])
    assert store(one.port, write_xray(tmp_path / "a.dcm"), verify=True)[0].state == DONE


def test_a_peer_that_cannot_be_asked_is_no_proof(tmp_path, peer, no_waiting):
    (result,) = store(peer().port, write_xray(tmp_path / "a.dcm"), verify=True)
    assert result.state == UNCLEAR and "does not answer whether it has it" in result.note
    one, _ = finding_peer(peer, lambda stored: [], status=0xA700)
    (result,) = store(one.port, write_xray(tmp_path / "b.dcm"), verify=True)
    assert result.state == UNCLEAR and "does not answer whether" in result.note


@pytest.mark.parametrize(
    ("answer", "state", "note"),
    [
        (lambda uids: [{"00080018": {"vr": "UI", "Value": [uid]}} for uid in uids], DONE, "found"),
        (lambda uids: [], UNCLEAR, "does not find it"),
        (lambda uids: None, UNCLEAR, "does not answer whether it has it"),
    ],
    ids=["has it", "has it not", "a sign-in page"],
)
def test_a_stow_server_is_asked_by_qido(tmp_path, server, no_waiting, answer, state, note):
    one = server()
    one.lists = lambda: answer(one.objects)
    place = Destination("a", "stow", {"url": one.url, "timeout_s": 5, "verify": True})
    (result,) = StowSender(place, Path("none"))(tasks_for(write_xray(tmp_path / "a.dcm")))
    assert result.state == state and note in result.note


# --- hours


def test_a_destination_is_delivered_to_at_its_hours_only(tmp_path):
    from BodyPartRouterLib.routing.configuration.rules import Hours

    minute, made = [12 * 60], []

    def sender(tasks):
        made.extend(tasks)
        return [DeliveryResult(DONE) for _ in tasks]

    journal = Journal()
    image = Image("1", "", "", write_xray(tmp_path / "a.dcm"), 0.0)
    journal.add(image)
    journal.classify(image, Plan("r", (Delivery("dicom", "a"),)), "spine", 0.9)
    worker = DeliveryWorker(journal, sender, "dicom", "a", hours=Hours(22 * 60, 6 * 60), minute=lambda: minute[0])
    assert worker.deliver_due() == 0 and not made and journal.destinations()[0]["waiting"] == 1
    minute[0] = 23 * 60
    assert worker.deliver_due() == 1 and journal.state("1") == DELIVERED
