"""``lesionkit train router...``: the body part networks."""

from __future__ import annotations

import argparse

from .console import cancellable_progress, figure
from .wishes import wished

NAMES = ("router", "router-light", "router-mobilenet", "router-resnet18")


def run(options: argparse.Namespace) -> None:
    from BodyPartRouterLib.recipe import NAMES as NETWORKS
    from BodyPartRouterLib.recipe import PLANS, train_and_describe
    from LesionKitLib.atomic import refuse_unwritable
    from LesionKitLib.errors import UnusableInput
    from LesionKitLib.inference import choose_runtime

    if not (options.data / "index.csv").is_file():
        raise UnusableInput(f"'{options.data}' holds no index.csv.")
    refuse_unwritable(options.output)
    network = NETWORKS[options.name]
    plan = wished(PLANS[network], options)
    device = choose_runtime(options.device).device
    with cancellable_progress() as progress:
        model = train_and_describe(options.data, options.output, network, plan, device, progress)
    print(f"The model lies in {model.folder}.")
    for name, figures in model.card["metrics"].items():
        print(f"  {name:16} F1 {figure(figures['f1'])}")
