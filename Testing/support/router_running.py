"""The router's service in the test's own process: its folder, what it was sent, and what became of it."""

from __future__ import annotations

import time
from pathlib import Path

from router_fixtures import BrightnessClassifier, write_xray
from router_peers import send, wait_until

from BodyPartRouterLib.routing.configuration.rules_file import load_rules
from BodyPartRouterLib.service.service import Service

RULES = """
version: 1
destinations:
  archive: {{type: dicom, host: 127.0.0.1, port: {archive}, ae_title: ARCHIVE{destination}}}
  web: {{type: stow, url: "{web}"}}
rules:
  - when: {{class: adult_chest}}
    then: [{{copy: "sorted/{{class}}"}}]
  - when: {{class: pediatric_chest}}
    then: [{{store: archive}}]
  - when: {{class: abdomen}}
    then: [{{stow: web}}]
  - when: {{class: spine}}
    then: [{{store: archive}}, {{copy: sorted/spine}}, {{open: Volumes}}]
service:
  {{data: data, min_free_mb: 0, first_wait_s: 0.05, longest_wait_s: 0.2, batch_wait_s: 0, metrics_port: null, {more}}}
"""


class RunningService:
    """A started service. rules: the text of its rules file, else RULES with the other arguments filled in."""

    def __init__(
        self,
        folder: Path,
        classifier=None,
        archive=1,
        web="http://127.0.0.1:1",
        more="",
        destination="",
        rules=None,
    ):
        self.folder, self.classifier = folder, classifier or BrightnessClassifier()
        text = rules or RULES.format(archive=archive, web=web, more=more, destination=destination)
        (folder / "rules.yaml").write_text(text, "utf-8")
        self.start()

    def start(self):
        self.service = Service(load_rules(self.folder / "rules.yaml"), self.classifier)
        self.service.start(0)

    @property
    def journal(self):
        return self.service.inbox.journal

    def send(self, *labels, calling="CR1", first_seed=0, **elements):
        """X-rays of these classes; (exit code, SOP Instance UIDs)."""
        sent = self.folder / "send" / str(time.monotonic_ns())
        paths = [write_xray(sent / f"{n}.dcm", label, first_seed + n, **elements) for n, label in enumerate(labels)]
        return self.send_files(paths, calling), [uid_of(path) for path in paths]

    def send_files(self, paths, calling="CR1"):
        return send(self.service.port, paths, calling).returncode

    def counts(self):
        return {state: count for state, count in self.journal.counts().items() if count}

    def settle(self, **counts):
        wait_until(lambda: self.counts() == counts)

    def files(self, folder):
        return sorted(path.name for path in (self.folder / folder).glob("*"))

    @property
    def inbox(self):
        return self.files("data/inbox")


def uid_of(path):
    from pydicom import dcmread

    return str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)
