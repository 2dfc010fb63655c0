"""What a batch does with a study: read, analyze, write; each task is these three steps, and what it loads before."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """network: "" for the task's own choice; device: auto, cpu, cuda or mps; table_only: write no files of a study."""

    network: str = ""
    device: str = "auto"
    identify: bool = False
    table_only: bool = False


@dataclass(frozen=True)
class Task:
    """load(settings): whatever stays warm. read(path, settings) -> image. analyze(image, settings) -> result.

    write(result, folder, settings) -> the study's columns. main: the column whose distribution the summary shows.
    single_files: whether each file is a study.
    """

    load: Callable
    read: Callable
    analyze: Callable
    write: Callable
    main: str
    single_files: bool = False


def _load_covid(settings: Settings) -> None:
    from CovidLungQuantLib.networks.registry import load_network, members

    for name in members(settings.network or "convlstm"):
        load_network(name)


def _read_covid(path: str, settings: Settings):
    from LesionKitLib.io.dicom.choice import CHEST_CT

    return _read(path, settings, CHEST_CT)


def _read(path: str, settings: Settings, kind: str):
    from LesionKitLib.io.images import read_volume_and_header

    return read_volume_and_header(path, task=kind, identify=settings.identify)


def _analyze_covid(image, settings: Settings):
    from CovidLungQuantLib.pipeline import analyze

    return analyze(image[0], settings.network or "convlstm", settings.device, header=image[1])


def _write_covid(result, folder: Path, settings: Settings) -> dict:
    from CovidLungQuantLib.results.files import write_outputs

    if not settings.table_only:
        write_outputs(result, folder)
    decision = result.decision or {}
    return {
        **result.measurements["total"],
        "severity_score": result.measurements["severity"]["score"],
        "covid_probability": decision.get("covid_probability"),
        **_about(result),
    }


def _load_stroke(settings: Settings) -> None:
    from StrokeSynthLib.networks.registry import load_network
    from StrokeSynthLib.segmentation import brain_extraction

    load_network()
    brain_extraction.load_network()


def _read_stroke(path: str, settings: Settings):
    from LesionKitLib.io.dicom.choice import BRAIN_MR

    return _read(path, settings, BRAIN_MR)


def _analyze_stroke(image, settings: Settings):
    from StrokeSynthLib.pipeline import segment_stroke

    return segment_stroke(image[0], settings.device, header=image[1])


def _write_stroke(result, folder: Path, settings: Settings) -> dict:
    from StrokeSynthLib.results.files import write_outputs

    if not settings.table_only:
        write_outputs(result, folder)
    numbers = {key: value for key, value in result.measurements.items() if not isinstance(value, list | dict)}
    return {**numbers, **_about(result)}


def _about(result) -> dict:
    """What the numbers are of and what made them; "image" is the id of the image in all other tables."""
    about = result.provenance().columns()
    return {"image": about.pop("id"), **about, "notes": " ".join(result.notes)}


def _load_route(settings: Settings) -> None:
    _classifier(settings)


@functools.cache
def _classifier(settings: Settings):
    from BodyPartRouterLib.classification.classifier import DEFAULT_NETWORK, load_classifier

    return load_classifier(settings.network or DEFAULT_NETWORK, settings.device)


def _read_route(path: str, settings: Settings) -> Path:
    return Path(path)  # pixels are read in batches by the classifier's own reader


def _analyze_route(path: Path, settings: Settings) -> dict:
    from BodyPartRouterLib.routing.route_files import plan_files
    from LesionKitLib.run.errors import UnusableInput

    (routed,) = plan_files([path], None, _classifier(settings))
    if routed.examined.error:
        raise UnusableInput(routed.examined.error)
    return routed.record


def _write_route(record: dict, folder: Path, settings: Settings) -> dict:
    return {key: value for key, value in record.items() if key not in ("path", "destination")}


TASKS = {
    "covid": Task(_load_covid, _read_covid, _analyze_covid, _write_covid, "burden_percent"),
    "stroke": Task(_load_stroke, _read_stroke, _analyze_stroke, _write_stroke, "lesion_ml"),
    "route": Task(_load_route, _read_route, _analyze_route, _write_route, "probability", True),
}


def task_of(name: str) -> Task:
    """A task by its name, or by ``module:NAME`` where it is another program's own."""
    if name in TASKS:
        return TASKS[name]
    import importlib

    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
