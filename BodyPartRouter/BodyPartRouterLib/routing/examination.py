"""Files to what is known about them: pixels classified in batches, header compared, and what cannot be read."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from BodyPartRouterLib.labels import UNKNOWN
from LesionKitLib.run.errors import Cancelled, MissingResource, UnusableInput

from .header_values import Values, read_values
from .rules import Subject

if TYPE_CHECKING:
    from BodyPartRouterLib.classification.classifier import Classifier
    from BodyPartRouterLib.classification.header_check import Agreement
    from BodyPartRouterLib.classification.prediction import Prediction
    from BodyPartRouterLib.reading.xray import HeaderFacts, Xray
    from LesionKitLib.run.progress import Progress

BATCH = 16
MOST_PIXELS = 64_000_000  # of a batch; 256 MB
# in folders these are passed over; anything else is tried and, if it cannot be read, listed
PASSED_OVER = {".csv", ".html", ".json", ".md", ".pdf", ".py", ".txt", ".xml", ".yaml", ".yml", ".zip", ".sqlite"}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Examined:
    """One file. error: a sentence when its pixels could not be read; then there is no prediction and no agreement.

    uid: SOP Instance UID, "" where there is none. thumbnail: uint8 (rows, columns), only when asked for.
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

    @property
    def label(self) -> str:
        return self.prediction.label if self.prediction else UNKNOWN

    @property
    def subject(self) -> Subject:
        """What rules can ask about it."""
        if self.prediction is None:
            return Subject(UNKNOWN, 0.0, None, self.values, readable=False)
        agrees = self.agreement.agrees if self.agreement else None
        return Subject(self.prediction.label, self.prediction.probability, agrees, self.values)

    @property
    def reason(self) -> str | None:
        """Why a person must look at it, if so."""
        return self.error or (self.prediction.reason if self.prediction.held else None)


def find_files(inputs: Sequence[str | os.PathLike], without: Sequence[Path] = ()) -> list[Path]:
    """The files named, and those in the folders named (all levels, sorted; hidden ones and DICOMDIR passed over).

    without: folders whose files are not taken, because results go there. Raises UnusableInput when a path does not
    exist, a folder holds no file, or is itself one of those folders.
    """
    found: dict[Path, None] = {}
    leave = {path.resolve() for path in without}
    for given in map(Path, inputs):
        if given.is_dir():
            if given.resolve() in leave:
                raise UnusableInput(f"'{given}' is read, so it cannot be the folder to sort into; choose another.")
            inside = [path for path in _walk(given, leave) if path.suffix.lower() not in PASSED_OVER]
            if not inside:
                raise UnusableInput(f"The folder '{given}' holds no image.")
            found.update(dict.fromkeys(inside))
        elif given.exists():
            found[given] = None
        else:
            raise UnusableInput(f"'{given}' does not exist.")
    return list(found)


def _walk(folder: Path, leave: set[Path]) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not (leave and Path(here, name).resolve() in leave)
        )
        for name in sorted(names):
            if not name.startswith(".") and name.upper() != "DICOMDIR":
                yield Path(here, name)


def examine(
    paths: Sequence[Path],
    classifier: Classifier,
    keywords: Iterable[str] = (),
    progress: Progress | None = None,
    batch: int = BATCH,
    thumbnail: Callable[[Xray], object] | None = None,
) -> Iterator[Examined]:
    """Each file in turn; at most ``batch`` images are in memory, fewer when they are large (MOST_PIXELS).

    One that cannot be read does not stop the others.
    """
    keywords = frozenset(keywords)
    readings, pixels = [], 0
    for number, path in enumerate(paths):
        if progress is not None:
            progress.report("classifying", number / len(paths))
        readings.append(_read(path))
        pixels += 0 if isinstance(readings[-1], str) else readings[-1].pixels.size
        if len(readings) == batch or pixels > MOST_PIXELS or number == len(paths) - 1:
            done = paths[number + 1 - len(readings) : number + 1]
            yield from _finish_batch(done, readings, classifier, keywords, thumbnail)
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


def _finish_batch(paths, readings, classifier, keywords, thumbnail) -> list[Examined]:
    from BodyPartRouterLib.classification.header_check import compare

    predictions = _predict([reading for reading in readings if not isinstance(reading, str)], classifier)
    found = []
    for path, reading in zip(paths, readings, strict=True):
        values = read_values(path, keywords | {"SOPInstanceUID"})
        uid = "".join(values.get("SOPInstanceUID", ())[:1])
        prediction = reading if isinstance(reading, str) else next(predictions)
        if isinstance(prediction, str):
            found.append(Examined(path, values=values, uid=uid, error=prediction))
            continue
        agreement = compare(reading.header, prediction)
        picture = thumbnail(reading) if thumbnail is not None else None
        found.append(Examined(path, prediction, reading.header, agreement, values, uid, None, reading.notes, picture))
    return found


def _read(path: Path) -> Xray | str:
    """The image, or a sentence that says why not."""
    from BodyPartRouterLib.reading.decoding import read_xray

    try:
        return read_xray(path)
    except (Cancelled, MissingResource):
        raise
    except UnusableInput as error:
        return str(error)
    except MemoryError:
        return "The image is too large for the memory of this computer."
    except Exception as error:  # whatever a damaged file makes a decoder raise; its text may quote the header
        log.warning("%s: %s while reading", path.name, type(error).__name__)
        return "The file is damaged."


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
