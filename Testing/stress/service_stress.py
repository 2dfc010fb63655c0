"""Kills the router's service while many senders are at work, and counts what arrives.

``python Testing/stress/service_stress.py [--objects 1000] [--senders 4] [--kills 1] [--broken 0.05] [--away-s 60]``
writes small X-rays, a share of them with pixels that are cut short, sends them with dcmtk's storescu, kills the service
(kill -9) midway, starts it again, and compares: each object must lie exactly once, with its own bytes, where its rule
sends it: a folder, the archive (dcmtk's storescp, which may be away for a while) or among those held. A sender that
gets an error sends its objects again, as scanners do. Prints one JSON document; exits with 1 when an object is missing,
there twice or changed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(ROOT / folder) for folder in ("LesionKit", "BodyPartRouter", "Applications", "Research", "Testing/support")
]

from router_peers import ServiceProcess, StoreScp, free_port, send, wait_until  # noqa: E402

LABELS = ("abdomen", "adult_chest", "pediatric_chest", "spine", "unknown")
RULES = """
version: 1
destinations:
  archive: {{type: dicom, host: 127.0.0.1, port: {port}, ae_title: ARCHIVE}}
rules:
  - when: {{class: [pediatric_chest, spine]}}
    then: [{{store: archive}}]
  - when: {{class: [abdomen, adult_chest]}}
    then: [{{copy: "sorted/{{class}}"}}]
service: {{data: data, metrics_port: null, min_free_mb: 0, first_wait_s: 0.2, longest_wait_s: 2, batch_wait_s: 0.05}}
"""


def run(
    folder: Path,
    objects: int,
    senders: int,
    kills: int,
    ms_per_image: float = 2.0,
    broken: float = 0.0,
    away_s: float = 0.0,
) -> dict:
    """What was sent and what arrived; see main."""
    wanted = write_objects(folder / "send", objects, senders, broken)
    archive = StoreScp(folder / "archive", free_port())
    archive.start()
    rules = folder / "rules.yaml"
    rules.write_text(RULES.format(port=archive.port), "utf-8")
    service = ServiceProcess(rules, free_port(), ms_per_image)
    started = time.monotonic()
    try:
        service.start()
        attempts = Counter()
        threads = [
            threading.Thread(target=keep_sending, args=(service.port, folder / "send" / str(n), n, attempts))
            for n in range(senders)
        ]
        for thread in threads:
            thread.start()
        if away_s:
            wait_until(lambda: taken(folder) >= objects / 4, 600)
            archive.go_away()
            threading.Timer(away_s, archive.start).start()
        killed_at = [kill_midway(folder, service, objects * (n + 1) / (kills + 1)) for n in range(kills)]
        for thread in threads:
            thread.join()
        wait_until(lambda: len(arrived(folder, archive)) >= objects, 600)
        code = service.terminate()
    finally:
        service.close()
        archive.stop()
    report = compare(wanted, arrived(folder, archive))
    inbox = len(list((folder / "data" / "inbox").iterdir()))
    return {
        "objects": objects,
        "senders": senders,
        "killed_after_objects": killed_at,
        "sender_runs": sum(attempts.values()),
        **report,
        "changed": changed(folder),
        "left_in_inbox": inbox,
        "archive_requests": archive.requests,
        "archive_objects": len(archive.objects),
        "exit_code": code,
        "seconds": round(time.monotonic() - started, 1),
    }


def write_objects(folder: Path, objects: int, senders: int, broken: float = 0.0) -> dict[str, str]:
    """SOP Instance UID -> class, or "broken"; a folder for each sender. broken: the share with too few pixels."""
    from pydicom import dcmread
    from router_fixtures import write_xray

    wanted, every = {}, round(1 / broken) if broken else 0
    for n in range(objects):
        label = LABELS[n % len(LABELS)]
        short = {"PixelData": b"\0" * 100} if every and n % every == every // 2 else {}
        path = write_xray(folder / str(n % senders) / f"{n:05d}.dcm", label, seed=n, **short)
        label = "broken" if short else label
        wanted[str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)] = label
    return wanted


def keep_sending(port: int, folder: Path, number: int, attempts: Counter) -> None:
    """Until storescu reports that all were taken."""
    paths = sorted(folder.iterdir())
    while True:
        attempts[number] += 1
        if send(port, paths, f"CR{number}").returncode == 0:
            return
        time.sleep(0.2)


def kill_midway(folder: Path, service: ServiceProcess, at: float) -> int:
    """Kill it when so many objects have arrived at the service, and start it again; how many had."""
    wait_until(lambda: taken(folder) >= at, 600)
    service.kill()
    count = taken(folder)
    service.start()
    return count


def taken(folder: Path) -> int:
    """Objects that the journal knows."""
    import sqlite3

    with sqlite3.connect(f"file:{folder / 'data' / 'journal.sqlite'}?mode=ro", uri=True, timeout=30) as base:
        return base.execute("SELECT count(*) FROM images").fetchone()[0]


def arrived(folder: Path, archive: StoreScp) -> list[tuple[str, str]]:
    """(SOP Instance UID, place) of every file at a destination; place: a class, "archive" or "held"."""
    found = [(name.removesuffix(".dcm"), "archive") for name in archive.objects]
    for path in [*(folder / "sorted").glob("*/*"), *(folder / "data" / "held").glob("*")]:
        found.append((path.stem, path.parent.name))
    return found


def compare(wanted: dict[str, str], found: list[tuple[str, str]]) -> dict:
    places = {"pediatric_chest": "archive", "spine": "archive", "unknown": "held", "broken": "held"}
    expected = Counter((uid, places.get(label, label)) for uid, label in wanted.items())
    there = Counter(found)
    return {
        "exactly_once": sum(there[key] == 1 for key in expected),
        "missing": sum((expected - there).values()),
        "twice_or_elsewhere": sum((there - expected).values()),
    }


def changed(folder: Path) -> int:
    """Delivered files whose data set has other bytes than the one that was sent, of those in folders."""
    from BodyPartRouterLib.routing.dicom_object import read_object

    def data_sets(paths) -> dict[str, bytes]:
        found = {}
        for path in paths:
            one = read_object(path)
            found[one.sop_instance] = path.read_bytes()[one.offset :]
        return found

    sent = data_sets((folder / "send").glob("*/*"))
    there = data_sets([*(folder / "sorted").glob("*/*"), *(folder / "data" / "held").glob("*")])
    there |= data_sets((folder / "archive").glob("*"))
    return sum(sent.get(uid) != data for uid, data in there.items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--broken", type=float, default=0.0, help="share of images with too few pixels")
    parser.add_argument("--away-s", type=float, default=0.0, help="how long the archive is away")
    parser.add_argument("--folder", type=Path, help="an empty folder to work in (default: a temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        counts = options.objects, options.senders, options.kills
        report = run(folder, *counts, broken=options.broken, away_s=options.away_s)
    print(json.dumps(report, indent=2))
    is_right = report["exactly_once"] == options.objects
    return 0 if is_right and not report["twice_or_elsewhere"] and not report["changed"] else 1


if __name__ == "__main__":
    sys.exit(main())
