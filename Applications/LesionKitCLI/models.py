"""``lesionkit models``: what is installed, and whether it is undamaged."""

from __future__ import annotations

import argparse
from pathlib import Path

from LesionKitCLI.shared.console import print_json
from LesionKitCLI.shared.installed_models import installed_models
from LesionKitCLI.shared.options import add_json_option
from LesionKitCLI.shared.parser import add_command


def add_parser(commands) -> None:
    parser = add_command(
        commands,
        "models",
        "list the models and check their weights",
        (
            "lesionkit models --verify",
            "lesionkit models --export out",
            "LESIONKIT_MODELS=my_models lesionkit models",
        ),
    )
    add_json_option(parser, "the cards")
    parser.add_argument("--verify", action="store_true", help="check every model's sha256")
    parser.add_argument(
        "--export", metavar="DIR", help="write each bundled network as ONNX with a MONAI bundle's metadata"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from LesionKitLib.models.registry import verify
    from LesionKitLib.run.errors import MissingResource

    if options.export:
        _export(options)
        return 0
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


def _export(options: argparse.Namespace) -> None:
    """A folder for each network."""
    from LesionKitCLI.shared.network_interfaces import bundled_networks
    from LesionKitLib.models.onnx_export import export_onnx, require_onnx

    require_onnx()
    found = {}
    for registry, name, interface in bundled_networks():
        model, network = registry.load(name)
        found[model.name] = export_onnx(model, network, interface, Path(options.export) / model.name)
        if not options.json:
            largest = max(own["largest_difference"] for own in found[model.name].values())
            print(f"{model.name:28} {model.version:8} largest difference to PyTorch {largest:.1e}", flush=True)
    if options.json:
        print_json({"exported": found})
