"""The paper's experiment: a segmentation network trained on few or many real cases, with and without synthetic ones.

Every run (arm, size, seed) has a folder of its own: a run that was stopped goes on, a finished one is not repeated. All
runs are tested on the same validation patients, who take no part in anything else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.io.atomic import atomic_file
from LesionKitLib.models.inference import Runtime, choose_runtime
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.stroke import MIN_LESION_PIXELS, MaskSet, SliceSet, read_masks, read_slices
from LesionKitResearch.evaluation.stroke import Score, score_slices
from LesionKitResearch.evaluation.stroke_slices import predict_slices
from LesionKitResearch.training.loop import TrainingPlan
from LesionKitResearch.training.stroke import Mixture, Sources, train_stroke_unet
from StrokeSynthLib.results.experiment_table import REAL
from StrokeSynthLib.segmentation.slice_prediction import LESION_FROM

ALL = "all"
RANDOMIZED = "randomized"
TRANSLATOR_ARMS = ("pix2pix", "spade", "cyclegan")
ARMS = (REAL, *TRANSLATOR_ARMS, RANDOMIZED)
RESULT_FILE = "result.json"


@dataclass(frozen=True)
class Setting:
    """sizes: numbers of real cases, or "all". arms: of ARMS. seeds: each repeats everything with other cases.

    steps: of each training; batch: real slices in each step of every arm; added: synthetic ones beside them in the arms
    that have such; synthetic: translated slices per translator.
    """

    sizes: tuple[int | str, ...] = (10, 50, ALL)
    arms: tuple[str, ...] = ARMS
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 300
    batch: int = 8
    added: int = 4
    synthetic: int = 500


SMALL = Setting((10, 50), (REAL, RANDOMIZED), (0,), steps=60, batch=6, added=3, synthetic=60)


@dataclass(frozen=True)
class Materials:
    """What runs draw from: all real training slices, the held-out ones, translated slices by arm, masks, anatomies."""

    train: SliceSet
    test: SliceSet
    translated: dict[str, SliceSet]
    masks: MaskSet | None
    anatomies: Sequence[np.ndarray]


def parse_sizes(text: str) -> tuple[int | str, ...]:
    """ "10,50,all" -> (10, 50, "all"); raises UnusableInput for anything else."""
    sizes: list[int | str] = []
    for part in (p.strip() for p in text.split(",")):
        if part == ALL:
            sizes.append(ALL)
        elif part.isdigit() and int(part) > 0:
            sizes.append(int(part))
        else:
            raise UnusableInput(f"'{part}' is not a number of cases; give for example 10,50,all.")
    return tuple(sizes)


def run_experiment(
    data: Path,
    output: Path,
    setting: Setting | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    pretrained: bool = True,
    only_finished: bool = False,
) -> dict:
    """All runs that are not done yet, then the summary (see experiment_summary.summarize), which is written, too.

    data: the folder that holds soop and synthseg_labels. only_finished: nothing is trained, what is done is summed up.
    Raises UnusableInput for unusable data or a folder that holds runs of another setting, MissingResource where a
    translator of the setting is not installed.
    """
    from .stroke_summary import summarize, write_summary

    setting, progress = setting or Setting(), progress or Progress()
    runtime = choose_runtime(device)
    _store_setting(output, setting)
    runs = [(arm, size, seed) for seed in setting.seeds for size in setting.sizes for arm in setting.arms]
    waiting = [run for run in runs if not (run_folder(output, *run) / RESULT_FILE).is_file()]
    if only_finished:
        runs, waiting = [run for run in runs if run not in waiting], []
        if not runs:
            raise UnusableInput(f"No run of this setting is finished in '{output}'.")
    if waiting:
        materials = read_materials(data, setting, runtime, progress, arms={arm for arm, _, _ in waiting})
    for number, run in enumerate(waiting):
        part = _Part(progress, len(runs) - len(waiting) + number, len(runs), " ".join(map(str, run)))
        run_one(materials, output, setting, *run, runtime, part, pretrained)
    results = [json.loads((run_folder(output, *run) / RESULT_FILE).read_text("utf-8")) for run in runs]
    summary = summarize(results, asdict(setting))
    write_summary(summary, output)
    progress.report("done", 1.0)
    return summary


def run_folder(output: Path, arm: str, size: int | str, seed: int) -> Path:
    """Where a run keeps its state and its result."""
    return output / "runs" / f"{arm}-{size}-seed{seed}"


def read_materials(
    data: Path, setting: Setting, runtime: Runtime, progress: Progress, arms: set[str] | None = None
) -> Materials:
    """Everything that the arms (by default those of the setting) need."""
    from LesionKitResearch.datasets.anatomies import read_anatomies
    from LesionKitResearch.datasets.stroke_translated_slices import translated_slices

    arms = set(setting.arms) if arms is None else arms
    progress.report("reading the data", 0.0)
    train, test = read_slices(data / "soop", "axial", "train"), read_slices(data / "soop", "axial", "val")
    if arms == {REAL}:
        return Materials(train, test, {}, None, ())
    masks, anatomies = read_masks(data / "soop"), read_anatomies(data / "synthseg_labels")
    translated = {}
    for arm in sorted(arms & set(TRANSLATOR_ARMS)):
        from StrokeSynthLib.synthesis.synthesis import load_translator

        generator, _ = load_translator(arm)
        translated[arm] = translated_slices(generator, anatomies, masks, setting.synthetic, 0, runtime)
    return Materials(train, test, translated, masks, anatomies)


def choose_cases(train: SliceSet, size: int | str, seed: int) -> SliceSet:
    """``size`` random patients' slices with lesion (smaller choices lie within larger ones), or all slices.

    Raises UnusableInput when there are not so many.
    """
    if size == ALL:
        return train
    rows = np.flatnonzero(train.areas >= MIN_LESION_PIXELS)
    if size > len(rows):
        raise UnusableInput(f"{size} cases were asked for, but the data hold {len(rows)} with a lesion.")
    return train[np.random.default_rng([seed, 11]).permutation(rows)[:size]]


def run_one(
    materials: Materials,
    output: Path,
    setting: Setting,
    arm: str,
    size: int | str,
    seed: int,
    runtime: Runtime,
    progress: Progress,
    pretrained: bool = True,
) -> dict:
    """Train one network, test it, and write the run's result."""
    folder = run_folder(output, arm, size, seed)
    sources = Sources(
        {"axial": choose_cases(materials.train, size, seed)}, materials.translated.get(arm), materials.anatomies,
        materials.masks,
    )  # fmt: skip
    plan = TrainingPlan(
        setting.steps, seed, learning_rate=1.5e-3, warmup=min(50, setting.steps // 10), ema=0.99,
        check_every=max(setting.steps, 1),
    )  # fmt: skip
    network = train_stroke_unet(
        sources, folder, plan, mixture_of(arm, setting), runtime.device, progress=progress, pretrained=pretrained
    )
    scores = score_slices(
        materials.test, predict_slices(network, materials.test, runtime) > LESION_FROM, "soop_flair_axial"
    )
    result = {"arm": arm, "size": size, "seed": seed, "cases": len(sources.real["axial"]), **_figures(scores)}
    with atomic_file(folder / RESULT_FILE) as part:
        part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def mixture_of(arm: str, setting: Setting) -> Mixture:
    """Slices per step: the same number of real ones in every arm, so that what is added takes nothing away."""
    translated = setting.added if arm in TRANSLATOR_ARMS else 0
    randomized = setting.added if arm == RANDOMIZED else 0
    return Mixture(setting.batch, coronal=0, sagittal=0, translated=translated, randomized=randomized)


def _figures(scores: list[Score]) -> dict:
    """Dice per patient (only lesions of at least MIN_LESION_PIXELS) and pooled over all pixels."""
    scored = [s for s in scores if s.truth >= MIN_LESION_PIXELS]
    total = sum(s.truth + s.predicted for s in scores)
    return {
        "dice": {s.patient: round(s.dice, 5) for s in scored},
        "dice_pooled": 2 * sum(s.both for s in scores) / total if total else None,
        "lesion_sensitivity": sum(s.touched for s in scores) / max(1, sum(s.lesions for s in scores)),
    }


def _store_setting(output: Path, setting: Setting) -> None:
    """Remember what the runs have in common; sizes, arms and seeds may be added to later."""
    path = output / "setting.json"
    common = {key: value for key, value in asdict(setting).items() if key in ("steps", "batch", "added", "synthetic")}
    if path.is_file():
        if json.loads(path.read_text("utf-8")) != common:
            raise UnusableInput(f"'{output}' holds runs of another setting; choose another output folder.")
        return
    output.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as part:
        part.write_text(json.dumps(common) + "\n", encoding="utf-8")


class _Part(Progress):
    """A run's progress as its share of the whole experiment."""

    def __init__(self, whole: Progress, number: int, count: int, name: str):
        super().__init__()
        self._whole, self._number, self._count, self._name = whole, number, count, name

    def report(self, stage: str, fraction: float) -> None:
        self._whole.report(f"{self._name}: {stage}", (self._number + fraction) / self._count)
