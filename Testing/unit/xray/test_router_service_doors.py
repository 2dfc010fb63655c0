"""The doors of the service: who gets in, who is sent away, and that nobody shuts the others out."""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import time

import pytest
from router_certificates import OPENSSL, make_certificates
from router_fixtures import write_xray, xray_dataset
from router_peers import DCMTK, StorePeer, StoreScp, echo, free_port, wait_until
from router_running import RunningService

from BodyPartRouterLib.routing.dicom_object import identity_in
from BodyPartRouterLib.service import association_admission

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


def c_store(port, data, uid, sop_class=None):
    """C-STORE of a data set under this UID and class; the status of the answer."""
    from pynetdicom import AE
    from pynetdicom.dimse_primitives import C_STORE
    from pynetdicom.dsutils import encode

    sop_class = sop_class or data.SOPClassUID
    entity = AE("SENDER")
    entity.add_requested_context(sop_class, "1.2.840.10008.1.2.1")
    link = entity.associate("127.0.0.1", port, ae_title="LESIONKIT")
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, uid
    request.DataSet = io.BytesIO(encode(data, False, True))
    link._reactor_checkpoint.clear()
    wait_until(lambda: link._is_paused)
    link.dimse.send_msg(request, link.accepted_contexts[0].context_id)
    _, answer = link.dimse.get_msg(True)
    link._reactor_checkpoint.set()
    link.release()
    return answer.Status


def test_an_object_under_another_uid_or_class_than_its_own_is_refused(run):
    running = run()
    first = xray_dataset("adult_chest", 1, SOPInstanceUID="1.2.3")
    assert c_store(running.service.port, first, "1.2.3") == 0
    second = xray_dataset("adult_chest", 2, SOPInstanceUID="1.2.3")
    assert c_store(running.service.port, second, "1.2.4") == 0xA900
    assert c_store(running.service.port, second, "1.2.3", "1.2.840.10008.5.1.4.1.1.7") == 0xA900
    running.settle(delivered=1)
    assert len(running.files("sorted/adult_chest")) == 1


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"])
def test_the_identity_of_a_data_set_is_read_in_every_encoding(syntax):
    import zlib

    from pynetdicom.dsutils import encode

    data = xray_dataset(SOPInstanceUID="1.2.3")
    raw = encode(data, syntax.endswith("1.2"), True)
    if syntax.endswith("99"):
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        raw = packer.compress(raw) + packer.flush()
    assert identity_in(raw, syntax) == (data.SOPClassUID, "1.2.3")
    assert identity_in(b"\xff" * 50, syntax) == ("", "")


def test_an_object_without_a_uid_is_held(run):
    running = run()
    data = xray_dataset("adult_chest", 1)
    uid = data.SOPInstanceUID
    del data.SOPInstanceUID
    assert c_store(running.service.port, data, uid) == 0
    running.settle(held=1)


# connections


def connected(port, count, sent=b""):
    links = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for link in links:
        link.sendall(sent)
    return links


@pytest.mark.parametrize("sent", [b"", b"\x01\x00\x00\x00\x10\x00", b"\x01\x00\x00\x00\x00\xcd\x00\x01"])
def test_silent_and_trickling_connections_do_not_shut_others_out(run, sent):
    running = run(more="max_associations: 2")
    links = connected(running.service.port, 30, sent)
    try:
        assert running.send("adult_chest")[0] == 0
        running.settle(delivered=1)
    finally:
        for link in links:
            link.close()


def test_of_many_waiting_connections_the_one_that_waited_longest_is_sent_away(run):
    running = run()
    links = connected(running.service.port, association_admission.MOST_WAITING_FROM_ONE + 1)
    links[0].settimeout(60)
    assert links[0].recv(1) == b""
    for link in links:
        link.close()


def test_a_connection_that_does_not_ask_in_time_is_closed(run, monkeypatch):
    monkeypatch.setattr(association_admission, "ARTIM_S", 0.3)
    (link,) = connected(run().service.port, 1, b"\x01\x00")
    link.settimeout(60)
    assert link.recv(1) == b""


def test_a_connection_that_speaks_no_dicom_is_closed(run):
    (link,) = connected(run().service.port, 1, b"GET / HTTP/1.1\r\n\r\n")
    link.settimeout(60)
    assert link.recv(1) == b""


def test_a_pdu_that_trickles_within_an_association_ends_it(run, monkeypatch):
    from pynetdicom import AE

    monkeypatch.setattr(association_admission, "PDU_S", 0.5)
    running = run(more="max_associations: 1")
    entity = AE("CR1")
    entity.add_requested_context("1.2.840.10008.1.1")
    link = entity.associate("127.0.0.1", running.service.port, ae_title="LESIONKIT")
    assert link.is_established
    link.dul.socket.socket.sendall(b"\x04\x00\x00\x00\x10")
    wait_until(lambda: echo(running.service.port, "LESIONKIT") == 0)
    link.abort()


def test_an_address_has_its_limit_of_associations(run):
    from pynetdicom import AE

    running = run(more="max_associations_from_one: 2")
    entity = AE("CR1")
    entity.add_requested_context("1.2.840.10008.1.1")
    links = [entity.associate("127.0.0.1", running.service.port, ae_title="LESIONKIT") for _ in range(3)]
    assert [link.is_established for link in links] == [True, True, False] and links[2].is_rejected
    links[0].release()
    wait_until(lambda: echo(running.service.port, "LESIONKIT") == 0)
    links[1].release()


def test_a_caller_must_ask_for_a_title_of_ours(run):
    running = run(more="more_ae_titles: [SPINES]")
    assert echo(running.service.port, "OTHER") != 0
    assert echo(running.service.port, "LESIONKIT") == echo(running.service.port, "SPINES") == 0


# destinations


def test_images_wait_for_a_destination_that_hangs_and_the_journal_names_it(run):
    peer = StorePeer(lambda event: time.sleep(1.5) or 0)
    try:
        running = run(archive=peer.port, more="attempts: 2", destination=", timeout_s: 0.3")
        running.send("pediatric_chest", "pediatric_chest")
        wait_until(lambda: any(one["tries"] >= 3 for one in running.journal.destinations()))
        (place,) = running.journal.destinations()
        assert (place["name"], place["waiting"], bool(place["outage"])) == ("archive", 2, True)
        assert running.counts() == {"delivering": 2}
    finally:
        peer.close()


def test_a_step_of_the_clock_delays_nothing(run, monkeypatch, tmp_path):
    archive = StoreScp(tmp_path / "archive", free_port())
    running = run(archive=archive.port)
    running.send("pediatric_chest")
    wait_until(lambda: running.journal.destinations() and running.journal.destinations()[0]["outage"])
    now = time.time
    try:
        archive.start()
        for shift, count in ((-7200, 2), (7200, 3)):
            monkeypatch.setattr(time, "time", lambda shift=shift: now() + shift)
            running.send("pediatric_chest", first_seed=count)
            running.settle(delivered=count)
    finally:
        archive.stop()


# TLS


@pytest.fixture
def certificates(tmp_path):
    if not OPENSSL:
        pytest.skip("openssl is not installed")
    make_certificates(tmp_path / "tls")
    return tmp_path / "tls"


SERVER = "tls: {certificate: tls/service.pem, key: tls/service.key, clients: tls/authority.pem}"
CLIENT = ", timeout_s: 5, tls: {authorities: tls/authority.pem, certificate: tls/service.pem, key: tls/service.key}"


def storescu(port, path, *tls):
    command = ["storescu", "-to", "10", *map(str, tls), "-aec", "LESIONKIT", "-aet", "CR1", "127.0.0.1", str(port)]
    return subprocess.run([*command, str(path)], capture_output=True, text=True).returncode


def test_dcmtk_sends_over_tls_with_a_client_certificate_and_not_without(run, certificates):
    running = run(more=SERVER)
    path = write_xray(certificates / "a.dcm")
    trusted = ("+cf", certificates / "authority.pem")
    own, port = (certificates / "peer.key", certificates / "peer.pem"), running.service.port
    assert storescu(port, path, "+tls", *own, *trusted) == 0
    assert storescu(port, path, "+tla", *trusted) != 0
    assert storescu(port, path) != 0
    running.settle(delivered=1)


def test_without_a_list_of_clients_tls_asks_for_no_certificate(run, certificates):
    running = run(more=SERVER.replace(", clients: tls/authority.pem", ""))
    path = write_xray(certificates / "a.dcm")
    assert storescu(running.service.port, path, "+tla", "+cf", certificates / "authority.pem") == 0
    running.settle(delivered=1)


def test_a_silent_tls_connection_does_not_shut_others_out(run, certificates):
    running = run(more=SERVER.replace(", clients: tls/authority.pem", "") + ", max_associations: 2")
    links = connected(running.service.port, 20, b"\x16\x03\x01")
    path = write_xray(certificates / "a.dcm")
    assert storescu(running.service.port, path, "+tla", "+cf", certificates / "authority.pem") == 0
    for link in links:
        link.close()


def test_a_destination_is_sent_to_over_tls(run, certificates, tmp_path):
    folder, port = tmp_path / "archive", free_port()
    folder.mkdir()
    files = [certificates / name for name in ("peer.key", "peer.pem", "authority.pem")]
    command = ["storescp", "+tls", *files[:2], "+cf", files[2], "-aet", "ARCHIVE", "-od", folder, "+xa", str(port)]
    archive = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        running = run(archive=port, destination=CLIENT)
        running.send("pediatric_chest")
        running.settle(delivered=1)
        assert len(list(folder.iterdir())) == 1
    finally:
        archive.terminate()
        archive.wait()


def test_a_destination_whose_certificate_nobody_vouches_for_gets_nothing(run, certificates, tmp_path):
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    make_certificates(tmp_path / "others")
    context.load_cert_chain(tmp_path / "others" / "peer.pem", tmp_path / "others" / "peer.key")
    peer = StorePeer(tls=context)
    try:
        running = run(archive=peer.port, destination=CLIENT)
        running.send("pediatric_chest")
        wait_until(lambda: running.journal.destinations() and running.journal.destinations()[0]["tries"] >= 2)
        assert peer.stored == [] and running.counts() == {"delivering": 1}
    finally:
        peer.close()


def test_a_certificate_that_cannot_be_used_is_one_sentence(run, certificates):
    from LesionKitLib.run.errors import UnusableInput

    shutil.copy(certificates / "peer.key", certificates / "service.key")
    with pytest.raises(UnusableInput, match="PEM"):
        run(more=SERVER)
