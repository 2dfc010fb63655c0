"""A database of synthetic cases in folders as BIDS names them: image, label map and lesion of each, and who is who.

Layout: dataset_description.json, participants.tsv and .json, README, and for each case sub-0001/anat/ with
sub-0001_FLAIR.nii.gz, _dseg.nii.gz (semantic map) and _label-lesion_mask.nii.gz. Every case depends on its own seed
alone: an interrupted run goes on where it stopped, and the same seed gives the same bytes on the same machine. One case
is in memory at a time.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.io.atomic import atomic_file, atomic_folder, refuse_unwritable
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress
from StrokeSynthLib.labels import LABELS
from StrokeSynthLib.networks.registry import TRANSLATORS

from .lesion_sampling import SIDES, VOLUME_RANGE_ML
from .synthesis import Synthesis, synthesize

DESCRIPTION, PARTICIPANTS, SETTING = "dataset_description.json", "participants.tsv", "lesionkit_database.json"
COLUMNS = ("participant_id", "seed", "lesion_ml", "lesions", "side", "translator", "mask_model", "label_map")
BIDS_VERSION = "1.10.0"
MAX_CASES = 100_000
SEED_STEP = 1_000_003  # between the seeds of two databases, so that neighboring seeds share no case


@dataclass(frozen=True)
class DatabaseSetting:
    """What decides the content. label_maps: names, "template" for the bundled one, otherwise of files."""

    seed: int = 0
    translator: str = "pix2pix"
    volume_ml: tuple[float, float] = VOLUME_RANGE_ML
    side: str = "any"
    label_maps: tuple[str, ...] = ("template",)


def make_database(
    folder: str | os.PathLike,
    cases: int,
    setting: DatabaseSetting | None = None,
    maps: Sequence[Callable[[], Volume | None]] = (lambda: None,),
    device: str = "auto",
    progress: Progress | None = None,
    make: Callable[..., Synthesis] = synthesize,
) -> list[dict]:
    """Make the cases that the folder lacks; returns the rows of participants.tsv of the first ``cases``.

    maps: a reader for each of setting.label_maps (None stands for the template). Each case takes one at random. When it
    is cancelled, whole cases stay and nothing of the one begun. Raises UnusableInput for a number of cases below 1, a
    folder that holds something else or a database of another setting.
    """
    setting, progress, folder = setting or DatabaseSetting(), progress or Progress(), Path(folder)
    if not 1 <= cases <= MAX_CASES:
        raise UnusableInput(f"The number of cases must lie between 1 and {MAX_CASES}.")
    if setting.translator not in TRANSLATORS or setting.side not in SIDES:
        raise UnusableInput(f"Choose a translator of {', '.join(TRANSLATORS)} and a side of {', '.join(SIDES)}.")
    _check_folder(folder, setting)
    rows = []
    for number in range(1, cases + 1):
        progress.report("making cases", (number - 1) / cases)
        row = _finished(folder, number)
        if row is None:
            part = Progress(_within(progress, number - 1, cases))
            row = _make_case(folder, number, setting, maps, device, part, make)
        rows.append(row)
        if number % 20 == 0 or number == cases:
            _write_participants(folder, rows)
    progress.report("done", 1.0)
    return rows


def case_seed(setting: DatabaseSetting, number: int) -> int:
    """The seed of case ``number`` (from 1)."""
    return setting.seed * SEED_STEP + number


def case_name(number: int) -> str:
    """sub-0001, sub-0002, ..."""
    return f"sub-{number:04}"


def _within(progress: Progress, done: int, cases: int) -> Callable[[str, float, float | None], None]:
    """Passes a case's progress on as that of all cases; cancelling comes back the same way."""
    return lambda _stage, share, _remaining: progress.report("making cases", (done + share) / cases)


def _make_case(folder, number, setting, maps, device, progress, make) -> dict:
    from LesionKitLib.io.images import write_labelmap, write_volume

    seed = case_seed(setting, number)
    which = int(np.random.default_rng([seed, 5]).integers(len(maps)))
    result = make(maps[which](), "gan", setting.translator, seed, setting.volume_ml, setting.side, device, progress)
    about = result.summary()
    row = {
        "participant_id": case_name(number),
        "seed": seed,
        "lesion_ml": round(about["lesion_ml"], 3),
        "lesions": about["lesions"],
        "side": about["side"],
        "translator": about["translator"],
        "mask_model": about["mask_model"],
        "label_map": setting.label_maps[which],
    }
    name = case_name(number)
    if not (folder / SETTING).is_file():  # only now is it sure that models and label maps are there
        _write_top(folder, setting)
    with atomic_folder(folder / name) as part:
        anat = part / "anat"
        anat.mkdir()
        write_volume(anat / f"{name}_FLAIR.nii.gz", result.image)
        write_labelmap(anat / f"{name}_dseg.nii.gz", result.labels.array, result.labels)
        write_labelmap(anat / f"{name}_label-lesion_mask.nii.gz", result.lesion_mask, result.labels)
        (anat / f"{name}_FLAIR.json").write_text(_json(row), encoding="utf-8")
    return row


def _finished(folder: Path, number: int) -> dict | None:
    """The row of a case that is there as a whole; None when it is to be made."""
    name = case_name(number)
    path = folder / name / "anat" / f"{name}_FLAIR.json"
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return row if set(COLUMNS) <= set(row) else None


def _check_folder(folder: Path, setting: DatabaseSetting) -> None:
    """See that the folder is empty or holds a database of this setting."""
    path = folder / SETTING
    if path.is_file():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = None
        if found != json.loads(_json(asdict(setting))):
            raise UnusableInput(f"'{folder}' holds a database of another setting; choose another folder.")
    elif folder.is_dir() and any(folder.iterdir()):
        raise UnusableInput(f"'{folder}' holds other files; choose an empty folder.")
    else:
        refuse_unwritable(folder)


def _write_top(folder: Path, setting: DatabaseSetting) -> None:
    """What stands beside the cases; the setting last, because it tells that the rest is there."""
    texts = {
        DESCRIPTION: _json(_description(setting)),
        "participants.json": _json(_columns_explained()),
        "README": _readme(setting),
        "dseg.tsv": _label_table(),
        SETTING: _json(asdict(setting)),
    }
    for name, text in texts.items():
        with atomic_file(folder / name) as part:
            part.write_text(text, encoding="utf-8")


def _write_participants(folder: Path, rows: list[dict]) -> None:
    with atomic_file(folder / PARTICIPANTS) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows({key: "n/a" if value is None else value for key, value in row.items()} for row in rows)


def _description(setting: DatabaseSetting) -> dict:
    return {
        "Name": "Synthetic brain FLAIR with ischemic strokes",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "License": "Research and education only (terms of the data that the models were trained on)",
        "GeneratedBy": [{"Name": "LesionKit StrokeSynth", "Description": f"translator {setting.translator}"}],
    }


def _columns_explained() -> dict:
    return {
        "seed": {"Description": "of the case; gives the same case again"},
        "lesion_ml": {"Description": "volume of the lesion", "Units": "ml"},
        "lesions": {"Description": "connected components of the lesion (26 neighbors)"},
        "side": {"Description": "hemisphere of the lesion's center of mass"},
        "translator": {"Description": "model that drew the image, with its version"},
        "mask_model": {"Description": "model that drew the lesion, with its version"},
        "label_map": {"Description": "anatomy that the case was made from"},
    }


def _readme(setting: DatabaseSetting) -> str:
    return (
        "Synthetic cases: no image shows a person. Made by LesionKit StrokeSynth with the translator "
        f"{setting.translator}, trained on FLAIR. Labels are in dseg.tsv.\n"
        "Research and education only, not a medical device.\n"
    )


def _label_table() -> str:
    rows = [("0", "background"), *((str(c.value), c.key) for c in LABELS)]
    return "index\tname\n" + "".join(f"{index}\t{name}\n" for index, name in rows)


def _json(value) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
