"""Measures bundled networks anew and writes what ``lesionkit evaluate`` prints into their cards.

``.venv/bin/python Tools/renew_card_metrics.py DATA NAME...``: DATA is the folder that holds ct, mr and xr; NAME is a
model's. Run it when inference or an evaluation changes without new weights, then make_model_cards.py and
make_readme_table.py. Half precision differs between processors, so the third decimal may, too.
"""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import sys
from pathlib import Path

from LesionKitCLI.main import main as lesionkit
from LesionKitCLI.shared.installed_models import installed_models

MASKS, DECISIONS = "evaluate covid --data ct/sirm100 --split val", "evaluate covid-class --data ct/classify --split val"
COMMANDS = {  # a model's name -> what measures it
    "covid-convlstm": (f"{MASKS} --network convlstm",),
    "covid-jcs": (f"{MASKS} --network jcs", f"{DECISIONS} --network jcs"),
    "covid-multitask": (f"{MASKS} --network multitask", f"{DECISIONS} --network multitask"),
    "stroke-unet": ("evaluate stroke --data mr/soop --split val",),
    "router-efficientnet-lite0": ("evaluate router --data xr --split val --network efficientnet-lite0",),
    "router-light": ("evaluate router --data xr --split val --network light",),
}
MEASURED_ON = {
    "covid": "masks: sirm100, {n} slices of 9 visual patient groups",
    "covid-class": "decision: {n} validation pictures of ct/classify by patient",
    "stroke": "SOOP, {n} FLAIR slices of the validation patients; Dice over lesions of at least 20 pixels",
    "router": "{n} X-rays, the likeliest class of every image",
}


def rows_of(document: dict) -> dict[str, dict]:
    """{row of a card: {metric: {mean, low, high}, n}} of what a command printed."""
    if document["task"] == "covid-class":
        rows = {"decision": next(iter(document["metrics"].values()))}
        return rows | {f"decision, {name}": next(iter(m.values())) for name, m in document["per_source"].items()}
    if document["task"] == "stroke":
        rows = {"all planes": document["metrics"]["lesion"]}
        return rows | {name: metrics["lesion"] for name, metrics in document["per_source"].items()}
    return document["metrics"]


def measured(command: str, data: Path) -> dict:
    """What a command prints with --json; the data folder is put before its --data."""
    words = shlex.split(command)
    where = words.index("--data") + 1
    words[where] = str(data / words[where])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = lesionkit([*words, "--json"])
    if code:
        raise SystemExit(f"'lesionkit {command}' ended with {code}.")
    return json.loads(printed.getvalue())


def renew(model, data: Path) -> None:
    """Writes the card of an installed model with its figures of today."""
    documents = [measured(command, data) for command in COMMANDS[model.name]]
    card = dict(model.card)
    card["metrics"] = {name: row for document in documents for name, row in rows_of(document).items()}
    card["metrics_command"] = "; ".join(f"lesionkit {command}" for command in COMMANDS[model.name])
    texts = [MEASURED_ON[document["task"]].format(n=document["n"]) for document in documents]
    card["metrics_data"] = "; ".join(texts) + "; none of them trained on"
    path = model.folder / "card.json"
    path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    installed = {model.name: model for model in installed_models()}
    for name in sys.argv[2:]:
        renew(installed[name], Path(sys.argv[1]))
