"""What a person can do with images of the service that are held or failed: release, correct, resend.

They are changes of the journal, each one transaction, so they may be made while the service runs (it looks every half
second) and while it does not (then they wait for its start).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from BodyPartRouterLib.classification.prediction import Prediction
from BodyPartRouterLib.labels import CLASSES, UNKNOWN
from BodyPartRouterLib.reading.xray_file import read_values
from BodyPartRouterLib.routing.configuration.rules import HOLD, Action, Rules
from BodyPartRouterLib.routing.corrections import write_correction
from BodyPartRouterLib.routing.examination import Examined
from BodyPartRouterLib.routing.journal.journal import FAILED, HELD, Image, Journal
from BodyPartRouterLib.routing.plan import Plan, plan_of
from LesionKitLib.run.errors import UnusableInput

from .service_folders import CORRECTIONS, JOURNAL, in_service
from .service_folders import HELD as HELD_FOLDER

SHORTEST_ID = 6
_STORES = {"dicom": "store", "stow": "stow"}


class QueueActions:
    """journal, rules: of the service. Every method raises UnusableInput with one sentence."""

    def __init__(self, journal: Journal, rules: Rules):
        self._journal, self._rules = journal, rules

    def release(self, name: str, to: str | None = None) -> str:
        """Send a held or failed image on as if no rule held it, or to this destination; the id of the image.

        name: the image's SOP Instance UID, or the beginning of its id.
        """
        image, label, probability = self._image(name)
        path = self._file_of(image)
        examined = self._examined(image, path, label, probability)
        if to is not None:
            return self._plan(image, path, ("released", (self._to(to),)), examined)
        rule, actions = self._rules.choose(examined.subject, skips_holds=True)
        if any(action.kind == HOLD for action in actions):
            raise UnusableInput("No rule sends this image anywhere; name a destination, or correct its class.")
        return self._plan(image, path, (rule, actions), examined)

    def correct(self, name: str, label: str) -> str:
        """Give a held or failed image the class that a person sees, and send it as the rules say; its id."""
        if label not in CLASSES:
            raise UnusableInput(f"'{label}' is not one of the classes {', '.join(CLASSES)}.")
        image, before, probability = self._image(name)
        path = self._file_of(image)
        write_correction(
            self._rules.service.data / CORRECTIONS, self._examined(image, path, before, probability), label
        )
        examined = self._examined(image, path, label, 1.0)
        return self._plan(image, path, self._rules.choose(examined.subject, skips_holds=True), examined)

    def resend(self, name: str) -> str:
        """Try the deliveries of a failed image again; its id."""
        image, _label, _probability = self._image(name, (FAILED,))
        self._journal.retry_failed(image.id)
        return image.id

    def file_of(self, name: str) -> Path:
        """Where the file of a held or failed image lies."""
        return self._file_of(self._image(name)[0])

    def _image(self, name: str, states: Sequence[str] = (HELD, FAILED)) -> tuple[Image, str, float]:
        found = self._journal.find(name) if len(name) >= SHORTEST_ID or "." in name else []
        usable = [one for one in found if one[0] in states]
        if len(usable) == 1:
            return usable[0][1:]
        if usable:
            raise UnusableInput(f"'{name}' stands for {len(usable)} images; give more of the id.")
        if found:
            wanted = " or ".join(states)
            raise UnusableInput(f"This image is {found[0][0]}, not {wanted}; only such an image can be sent from here.")
        raise UnusableInput(f"The service knows no image '{name}'; 'lesionkit route status' lists them.")

    def _file_of(self, image: Image) -> Path:
        """In the inbox, or among those held; never a copy that was delivered, which must stay where it is."""
        held = self._rules.service.data / HELD_FOLDER
        places = [path for path in map(Path, self._journal.notes(image.id)) if path.parent == held]
        for path in (image.path, *places):
            if path.is_file():
                return path
        raise UnusableInput("The file of this image is gone.")

    def _examined(self, image: Image, path: Path, label: str, probability: float) -> Examined:
        values = read_values(path, self._rules.keywords)
        prediction = None
        if label != UNKNOWN:
            prediction = Prediction(label, probability, {name: float(name == label) for name in CLASSES}, False)
        return Examined(path, prediction, values=values, uid=image.uid, sender=image.sender)

    def _to(self, name: str) -> Action:
        destination = self._rules.destinations.get(name)
        if destination is None:
            known = ", ".join(self._rules.destinations) or "none"
            raise UnusableInput(f"'{name}' is no destination of the rules (there: {known}).")
        return Action(_STORES[destination.kind], name)

    def _plan(self, image: Image, path: Path, chosen: tuple[str, Sequence[Action]], examined: Examined) -> str:
        rule, actions = chosen
        plan: Plan = in_service(plan_of(actions, rule, examined, self._rules.base), self._rules.service.data)
        if not self._journal.plan_again(image, plan, examined.label, path, (HELD, FAILED)):
            raise UnusableInput("Somebody else has dealt with this image meanwhile.")
        return image.id


def open_journal(rules: Rules) -> Journal:
    """The journal of the service of these rules, also while it runs. Raises UnusableInput before its first start."""
    folder = rules.service.data
    if not (folder / JOURNAL).exists():
        raise UnusableInput(f"The folder '{folder}' holds no journal; the service has not run yet.")
    return Journal(folder / JOURNAL)
