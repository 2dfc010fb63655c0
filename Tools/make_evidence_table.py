"""The evidence table: every network on every public set, before and after, from what ``lesionkit evaluate`` prints.

``.venv/bin/python Tools/make_evidence_table.py evaluate covid --data ct/ct20 --split val`` runs that command, stores
its figures in docs/evidence and writes docs/evidence.md anew; with no command the page alone is written. Another
version of a network is measured with LESIONKIT_MODELS set to the folder that holds it.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
FOLDER = DOCS / "evidence"
PAGE = DOCS / "evidence.md"
TITLES = {
    "covid": "Chest CT: lesions and lungs",
    "phantom": "Chest CT: volumes of procedural phantoms",
    "covid-class": "Chest CT: COVID-19 or not",
    "stroke": "Brain MR: acute stroke",
    "router": "X-rays: body part",
}
SHOWN = ("dice", "dice_pooled", "auc", "f1", "precision", "recall", "sensitivity", "specificity", "calibration_error",
         "lesion_sensitivity", "false_alarm_pixels", "false_alarm_places")  # fmt: skip
NOT_SHOWN = {"covid": ("precision", "sensitivity", "specificity"), "stroke": ("precision", "sensitivity", "recall")}
EXTRAS = ("volumes", "limits_of_agreement", "median_lesion_percent", "median_total_percent",
          "lesions_within_10_percent", "totals_within_5_percent", "strict", "held")  # fmt: skip


@dataclass(frozen=True)
class Record:
    """What one command printed. where: the data folder's name; metrics: {class: {metric: {mean, low, high}, n}}."""

    command: str
    where: str
    task: str
    network: str
    version: str
    split: str
    metrics: dict
    per_source: dict
    extras: dict

    @property
    def path(self) -> Path:
        split = f"-{self.split}" if self.split else ""
        return FOLDER / f"{self.task}.{self.where}{split}.{self.network}.{self.version}.json"


def record_of(arguments: list[str], document: dict, version: str) -> Record:
    """The part of an evaluation's document that the table needs.

    arguments: of ``lesionkit``. version: of the network, where the document does not tell it.
    """
    where, shown = "", []
    for n, argument in enumerate(arguments):
        is_data = n > 0 and arguments[n - 1] == "--data"
        if is_data:
            where = Path(argument).name
            argument = "/".join(Path(argument).parts[-2:])
        shown += [] if argument == "--json" else [argument]
    sources = document.get("per_source", {})
    return Record(
        "lesionkit " + " ".join(shown),
        where or document["task"],
        document["task"],
        document["network"],
        document.get("version", version),
        document.get("split", ""),
        document.get("metrics", {}),
        sources if len(sources) > 1 else {},
        {key: document[key] for key in EXTRAS if key in document},
    )


def store(record: Record) -> None:
    """One file a record, with the same name for the same measurement."""
    FOLDER.mkdir(exist_ok=True)
    record.path.write_text(json.dumps(_rounded(vars(record)), indent=1) + "\n", encoding="utf-8")


def _rounded(value):
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value


def read_records(folder: Path = FOLDER) -> list[Record]:
    """All stored records, by file name."""
    return [Record(**json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.json"))]


def page(records: list[Record]) -> str:
    """The page as Markdown."""
    lines = [
        "# Evidence: every network on every public set",
        "",
        "> **Research and education only, not a medical device.**",
        "",
        "Written by `Tools/make_evidence_table.py` from what `lesionkit evaluate` printed (docs/evidence). Mean with "
        "95 % bootstrap interval over patients; *before* is an earlier version, where it was measured with the same "
        "code around it. Nothing was trained on these patients unless a line says so. A peer (DynUNet) trained by the "
        "same loop: "
        "[covid-comparison.md](covid-comparison.md).",
    ]
    for task, title in TITLES.items():
        of_task = [record for record in records if record.task == task]
        if of_task:
            lines += ["", f"## {title}", "", *_table(task, of_task), "", "```sh", *_commands(of_task), "```"]
    return "\n".join(lines) + "\n"


def _table(task: str, records: list[Record]) -> list[str]:
    lines = ["| set | network | what | n | before | now |", "|---|---|---|---|---|---|"]
    for key in dict.fromkeys((r.where, r.split, r.network) for r in records):
        same = sorted((r for r in records if (r.where, r.split, r.network) == key), key=_order)
        now, before = same[-1], same[-2] if len(same) > 1 else None
        where = f"{now.where} {now.split}".strip()
        network = f"{now.network} {before.version} → {now.version}" if before else f"{now.network} {now.version}"
        earlier = dict(_figures(before)) if before else {}
        for what, (n, figure) in _figures(now):
            lines.append(f"| {where} | {network} | {what} | {n} | {earlier.get(what, ('', '–'))[1]} | {figure} |")
    return lines


def _order(record: Record) -> tuple:
    return tuple(tuple(int(part) for part in version.split(".")) for version in record.version.split(", "))


def _figures(record: Record):
    """(what, (n, figure)) of a record: of all, then of each source."""
    yield from _of_metrics(record.task, record.metrics, "")
    for source, metrics in record.per_source.items():
        yield from _of_metrics(record.task, metrics, f"{source}: ")
    yield from _of_extras(record.extras)


def _of_metrics(task: str, metrics: dict, place: str):
    hidden = NOT_SHOWN.get(task, ())
    for name, figures in metrics.items():
        if not isinstance(figures, dict):
            yield f"{place}{_words(name)}", ("", f"{figures:.3g}")
            continue
        only = not any(key in figures for key in SHOWN if key not in hidden)
        for key in SHOWN:
            value = figures.get(key)
            if value and value["mean"] is not None and (only or key not in hidden):
                yield f"{place}{_words(name)}, {_words(key)}", (figures.get("n", ""), _interval(value))


def _of_extras(extras: dict):
    for volume in extras.get("volumes", []):
        yield f"{volume['id']}: ml (true {volume['true_ml']:.0f})", ("", f"{volume['ml']:.0f}")
    for name, value in extras.get("limits_of_agreement", {}).items():
        figure = f"{value['bias']:.3g} [{value['low']:.3g}, {value['high']:.3g}] of {value['true']:.3g} {value['unit']}"
        yield f"{_words(name)}, bias and limits of agreement", ("", figure)
    for name, value in extras.items():
        if isinstance(value, int | float):
            yield _words(name), ("", f"{value:.3g}")


def _words(name: str) -> str:
    return {"ggo": "ground glass", "dice": "Dice", "dice_pooled": "Dice pooled", "auc": "AUC"}.get(
        name, name.replace("_", " ")
    )


def _interval(value: dict) -> str:
    mean = f"{value['mean']:.3f}"
    return mean if value["low"] is None else f"{mean} [{value['low']:.3f}, {value['high']:.3f}]"


def _commands(records: list[Record]) -> list[str]:
    return list(dict.fromkeys(record.command for record in records))


def _version_of(network: str) -> str:
    from CovidLungQuantLib.networks.registry import cards_of

    return ", ".join(dict.fromkeys(card["version"] for card in cards_of(network)))


def main(arguments: list[str]) -> int:
    if arguments:
        from LesionKitCLI.main import main as lesionkit

        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = lesionkit([*arguments, "--json"])
        if code:
            return code
        document = json.loads(printed.getvalue())
        store(record_of(arguments, document, _version_of(document["network"])))
    PAGE.write_text(page(read_records()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
