"""Puts a cross-validation into its network's card and draws it: ``python docs/make_cross_validation.py RESULT``.

RESULT: the cross_validation.json that ``lesionkit train covid-convlstm --folds 5`` wrote. The card of the bundled
network gets its figures, docs/figures/ the picture; docs/make_model_cards.py then shows them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIGURE = ROOT / "docs" / "figures" / "cross-validation-{network}.png"
CARD = ROOT / "CovidLungQuant" / "Resources" / "Models" / "covid-{network}" / "card.json"


def main(result: Path) -> None:
    from LesionKitResearch.experiments.cross_validation import draw_folds

    document = json.loads(result.read_text(encoding="utf-8"))
    network = document["network"]
    draw_folds(document, Path(str(FIGURE).format(network=network)))
    path = Path(str(CARD).format(network=network))
    card = json.loads(path.read_text(encoding="utf-8"))
    command = "lesionkit train covid-{network} --data DIR --output DIR --folds {folds} --steps {steps} --seed {seed}"
    card["cross_validation"] = {"command": command.format(**document), **document}
    path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
