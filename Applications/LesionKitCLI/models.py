"""``lesionkit models``: what is installed, and whether it is undamaged."""

from __future__ import annotations

import argparse

from LesionKitCLI.shared.console import print_json
from LesionKitCLI.shared.installed_models import installed_models
from LesionKitCLI.shared.options import add_json_option
from LesionKitCLI.shared.parser import add_command


def add_parser(commands) -> None:
    parser = add_command(
        commands,
        "models",
        "list the models and check their weights",
        ("lesionkit models --verify", "LESIONKIT_MODELS=my_models lesionkit models"),
    )
    add_json_option(parser, "the cards")
    parser.add_argument("--verify", action="store_true", help="check every model's sha256")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from LesionKitLib.models.registry import verify
    from LesionKitLib.run.errors import MissingResource

    models, damaged = installed_models(), {}
    for model in models if options.verify else ():
        try:
            verify(model)
        except MissingResource as error:
            damaged[model.name] = str(error)
    if options.json:
        state = {m.name: m.name not in damaged for m in models} if options.verify else {}
        print_json({"models": [{**m.card, **({"verified": state[m.name]} if state else {})} for m in models]})
    else:
        for model in models:
            size = model.weights_path.stat().st_size / 1e6 if model.weights_path.exists() else 0.0
            mark = damaged.get(model.name, "verified" if options.verify else "")
            print(f"{model.name:24} {model.version:8} {size:5.1f} MB  {model.card['task']}  {mark}")
    if damaged:
        raise MissingResource(" ".join(damaged.values()))
    return 0
