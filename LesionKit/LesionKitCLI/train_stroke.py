"""``lesionkit train stroke-...``: the brain MR networks."""

from __future__ import annotations

import argparse

from .console import cancellable_progress, figure
from .wishes import wished

NAMES = ("stroke-unet",)


def run(options: argparse.Namespace) -> None:
    from LesionKitLib.atomic import refuse_unwritable
    from LesionKitLib.errors import UnusableInput
    from LesionKitLib.inference import choose_runtime
    from StrokeSynthLib.recipe import train_and_describe
    from StrokeSynthLib.training import PLAN

    if not (options.data / "soop").is_dir():
        raise UnusableInput(f"'{options.data}' holds no folder soop.")
    refuse_unwritable(options.output)
    plan = wished(PLAN, options)
    device = choose_runtime(options.device).device
    with cancellable_progress() as progress:
        model = train_and_describe(options.data, options.output, plan, device, progress, options.as_it_is)
    print(f"The model lies in {model.folder}.")
    for name, figures in model.card["metrics"].items():
        print(f"  {name:28} Dice {figure(figures['dice'])}")
