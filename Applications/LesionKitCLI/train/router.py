"""``lesionkit train router...``: the body part networks."""

from __future__ import annotations

import argparse

from LesionKitCLI.shared.console import cancellable_progress, figure

from .plan_options import with_options

NAMES = ("router", "router-light", "router-mobilenet", "router-resnet18")


def run(options: argparse.Namespace) -> None:
    from LesionKitLib.models.inference import choose_runtime
    from LesionKitLib.run.errors import UnusableInput
    from LesionKitResearch.training.recipes.router_recipe import NAMES as NETWORKS
    from LesionKitResearch.training.recipes.router_recipe import PLANS, train_and_describe

    if not (options.data / "index.csv").is_file():
        raise UnusableInput(f"'{options.data}' holds no index.csv.")
    network = NETWORKS[options.name]
    plan = with_options(PLANS[network], options)
    device = choose_runtime(options.device).device
    with cancellable_progress() as progress:
        model = train_and_describe(
            options.data, options.output, network, plan, device, progress, options.start, options.head_only
        )
    print(f"The model lies in {model.folder}.")
    for name, figures in model.card["metrics"].items():
        print(f"  {name:16} F1 {figure(figures['f1'])}")
