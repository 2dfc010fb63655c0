"""``lesionkit train``: train a bundled network anew from the public data sets."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from .console import cancellable_progress, figure, positive
from .covid import DEVICES

STROKE = "stroke-unet"
SYNTHESIS = ("stroke-mask-gan", "stroke-pix2pix", "stroke-spade", "stroke-cyclegan")


def add_parser(commands) -> None:
    parser = commands.add_parser("train", help="train a network anew; a stopped run goes on where it stopped")
    names = ("covid-convlstm", STROKE, *SYNTHESIS)
    parser.add_argument("name", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument(
        "--data",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder with sirm100, pseudo1600, volumes; for the stroke networks the one with soop and synthseg_labels",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="DIR")
    parser.add_argument("--steps", type=positive, help="optimiser steps (default: the recipe's)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument(
        "--as-it-is", action="store_true", help="stroke-unet: describe what an unfinished training reached"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    if options.name == STROKE:
        run_stroke(options)
    elif options.name in SYNTHESIS:
        run_synthesis(options)
    else:
        run_covid(options)


def run_stroke(options: argparse.Namespace) -> None:
    from LesionKitLib.atomic import refuse_unwritable
    from LesionKitLib.errors import UnusableInput
    from LesionKitLib.inference import choose_runtime
    from StrokeSynthLib.recipe import train_and_describe
    from StrokeSynthLib.training import PLAN

    if not (options.data / "soop").is_dir():
        raise UnusableInput(f"'{options.data}' holds no folder soop.")
    refuse_unwritable(options.output)
    plan = replace(PLAN, seed=options.seed)
    if options.steps:
        plan = replace(plan, steps=options.steps, warmup=min(plan.warmup, options.steps // 10))
    device = choose_runtime(options.device).device
    with cancellable_progress() as progress:
        model = train_and_describe(options.data, options.output, plan, device, progress, options.as_it_is)
    print(f"The model lies in {model.folder}.")
    for name, figures in model.card["metrics"].items():
        print(f"  {name:28} Dice {figure(figures['dice'])}")


def run_synthesis(options: argparse.Namespace) -> None:
    from LesionKitLib.atomic import refuse_unwritable
    from LesionKitLib.errors import UnusableInput
    from LesionKitLib.inference import choose_runtime
    from StrokeSynthLib import mask_training, translator_training
    from StrokeSynthLib.synthesis_recipes import train_mask_model, train_translator_model

    if not (options.data / "soop").is_dir():
        raise UnusableInput(f"'{options.data}' holds no folder soop.")
    refuse_unwritable(options.output)
    device, name = choose_runtime(options.device).device, options.name.removeprefix("stroke-")
    plan = mask_training.PLAN if name == "mask-gan" else translator_training.PLANS[name]
    plan = replace(plan, seed=options.seed, steps=options.steps or plan.steps)
    with cancellable_progress() as progress:
        if name == "mask-gan":
            model = train_mask_model(options.data, options.output, plan, device, progress)
        else:
            model = train_translator_model(name, options.data, options.output, plan, device, progress)
    print(f"The model lies in {model.folder}; its figures are in its card.")


def run_covid(options: argparse.Namespace) -> None:
    from CovidLungQuantLib.recipe import train_and_describe
    from CovidLungQuantLib.training import PLAN
    from LesionKitLib.atomic import refuse_unwritable
    from LesionKitLib.errors import UnusableInput
    from LesionKitLib.inference import choose_runtime

    if not (options.data / "sirm100").is_dir():
        raise UnusableInput(f"'{options.data}' holds no folder sirm100.")
    refuse_unwritable(options.output)
    plan = replace(PLAN, seed=options.seed)
    if options.steps:
        plan = replace(plan, steps=options.steps, warmup=min(plan.warmup, options.steps // 10))
    device = choose_runtime(options.device).device
    with cancellable_progress() as progress:
        model = train_and_describe(options.data, options.output, plan, device, progress)
    print(f"The model lies in {model.folder}.")
    for name, figures in model.card["metrics"].items():
        print(f"  {name:14} Dice {figure(figures['dice'])}")
