"""Files to what is known about them: pixels classified in batches, header compared, and what cannot be read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from BodyPartRouterLib.labels import UNKNOWN
from BodyPartRouterLib.reading.header_values import Values
from BodyPartRouterLib.routing.configuration.rules import Sender, Subject
from LesionKitLib.run.errors import Cancelled, MissingResource

from .file_reading import Reader, Reading, read_file

if TYPE_CHECKING:
    from BodyPartRouterLib.classification.classifier import Classifier
    from BodyPartRouterLib.classification.header_check import Agreement
    from BodyPartRouterLib.classification.prediction import Prediction
    from BodyPartRouterLib.reading.xray import HeaderFacts, Xray
    from LesionKitLib.run.progress import Progress

BATCH = 16
MOST_PIXELS = 64_000_000  # of a batch; 256 MB
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Examined:
    """One file. error: a sentence when its pixels could not be read; then there is no prediction and no agreement.

    uid: SOP Instance UID, "" where there is none. thumbnail: uint8 (rows, columns), only when asked for.
    stopped: reading it ended the process, so nothing is done with it. sender: who sent it, if anybody did.
    """

    path: Path
    prediction: Prediction | None = None
    header: HeaderFacts | None = None
    agreement: Agreement | None = None
    values: Values = field(default_factory=dict)
    uid: str = ""
    error: str | None = None
    notes: tuple[str, ...] = ()
    thumbnail: object = None
    in_memory: bool = False  # pixels of the scene, not of a file: path is only a name, nothing can be delivered
    stopped: bool = False
    sender: Sender = field(default_factory=Sender)

    @property
    def label(self) -> str:
        return self.prediction.label if self.prediction else UNKNOWN

    @property
    def subject(self) -> Subject:
        """What rules can ask about it."""
        if self.prediction is None:
            return Subject(UNKNOWN, 0.0, None, self.values, readable=False, sender=self.sender)
        agrees = self.agreement.agrees if self.agreement else None
        return Subject(self.prediction.label, self.prediction.probability, agrees, self.values, sender=self.sender)

    @property
    def reason(self) -> str | None:
        """Why a person must look at it, if so."""
        return self.error or (self.prediction.reason if self.prediction.held else None)


def examine(
    paths: Sequence[Path],
    classifier: Classifier,
    keywords: Iterable[str] = (),
    progress: Progress | None = None,
    batch: int = BATCH,
    thumbnail: Callable[[Xray], object] | None = None,
    reader: Reader = read_file,
) -> Iterator[Examined]:
    """Each file in turn; at most ``batch`` images are in memory, fewer when they are large (MOST_PIXELS).

    One that cannot be read does not stop the others. reader: a ReaderProcess keeps this process out of danger.
    """
    wanted = frozenset(keywords) | {"SOPInstanceUID"}
    readings, pixels = [], 0
    for number, path in enumerate(paths):
        if progress is not None:
            progress.report("classifying", number / len(paths))
        readings.append(reader(path, wanted))
        pixels += 0 if readings[-1].xray is None else readings[-1].xray.pixels.size
        if len(readings) == batch or pixels > MOST_PIXELS or number == len(paths) - 1:
            done = paths[number + 1 - len(readings) : number + 1]
            yield from _finish_batch(done, readings, classifier, thumbnail)
            readings, pixels = [], 0
    if progress is not None:
        progress.report("classifying", 1.0)


def examine_pixels(name: str, xray: Xray, classifier: Classifier, thumbnail=None) -> Examined:
    """An image that is not a file, such as one that was changed in the scene."""
    from BodyPartRouterLib.classification.header_check import compare

    (prediction,) = _predict([xray], classifier)
    if isinstance(prediction, str):
        return Examined(Path(name), error=prediction, in_memory=True)
    agreement = compare(xray.header, prediction)
    picture = thumbnail(xray) if thumbnail is not None else None
    return Examined(Path(name), prediction, xray.header, agreement, notes=xray.notes, thumbnail=picture, in_memory=True)


def with_threshold(examined: Examined, threshold: float) -> Examined:
    """Held as well when the probability is below a threshold of the user's own (0 to 1)."""
    from dataclasses import replace

    prediction = examined.prediction
    if prediction is None or prediction.held or prediction.probability >= threshold:
        return examined
    reason = f"The probability {prediction.probability:.2f} is below the threshold {threshold:.2f}."
    held = replace(prediction, label=UNKNOWN, held=True, reason=reason)
    return replace(examined, prediction=held)


def _finish_batch(paths, readings: list[Reading], classifier, thumbnail) -> list[Examined]:
    predictions = _predict([reading.xray for reading in readings if reading.xray is not None], classifier)
    found = []
    for path, reading in zip(paths, readings, strict=True):
        prediction = None if reading.xray is None else next(predictions)
        found.append(_examined(path, reading, prediction, thumbnail))
    return found


def _examined(path: Path, reading: Reading, prediction: Prediction | str | None, thumbnail) -> Examined:
    from BodyPartRouterLib.classification.header_check import compare

    values, xray = reading.values, reading.xray
    uid = "".join(values.get("SOPInstanceUID", ())[:1])
    if xray is None or isinstance(prediction, str):
        error = reading.error if xray is None else prediction
        return Examined(path, values=values, uid=uid, error=error, stopped=reading.stopped)
    agreement = compare(xray.header, prediction)
    picture = thumbnail(xray) if thumbnail is not None else None
    return Examined(path, prediction, xray.header, agreement, values, uid, None, xray.notes, picture)


def _predict(xrays: list[Xray], classifier: Classifier) -> Iterator[Prediction | str]:
    """Predictions; if the batch fails, one by one, so that one image does not take the others along."""
    if not xrays:
        return iter(())
    try:
        return iter(classifier.predict(xrays))
    except (Cancelled, MissingResource):
        raise
    except Exception as error:
        log.warning("A batch of %d images failed: %s", len(xrays), type(error).__name__)
        return iter([_predict_one(xray, classifier) for xray in xrays])


def _predict_one(xray: Xray, classifier: Classifier) -> Prediction | str:
    try:
        return classifier.predict([xray])[0]
    except Exception as error:
        log.warning("An image failed: %s", type(error).__name__)
        return "The network could not classify this image."
