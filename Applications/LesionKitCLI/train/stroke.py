"""``lesionkit train stroke-...``: the brain MR networks."""

from __future__ import annotations

import argparse
from dataclasses import replace

from LesionKitCLI.shared.console import cancellable_progress, figure

from .plan_options import with_options

SYNTHESIS = ("stroke-mask-gan", "stroke-pix2pix", "stroke-spade", "stroke-cyclegan")
EXTRACTION = "stroke-brain-extraction"
NAMES = ("stroke-unet", EXTRACTION, *SYNTHESIS)


def run(options: argparse.Namespace) -> None:
    if options.name in SYNTHESIS:
        run_synthesis(options)
    elif options.name == EXTRACTION:
        run_extraction(options)
    else:
        run_segmentation(options)


def run_segmentation(options: argparse.Namespace) -> None:
    from LesionKitLib.models.inference import choose_runtime
    from LesionKitLib.models.registry import read_model
    from LesionKitLib.run.errors import UnusableInput
    from LesionKitResearch.training.recipes.stroke_recipe import EVALUATED, fine_tune_and_describe, train_and_describe
    from LesionKitResearch.training.stroke import FINE_TUNE_PLAN, PLAN

    for folder in EVALUATED if options.start else ("soop",):
        if not (options.data / folder).is_dir():
            raise UnusableInput(f"'{options.data}' holds no folder {folder}.")
    device = choose_runtime(options.device).device
    with cancellable_progress() as progress:
        if options.start:
            start, plan = read_model(options.start), with_options(FINE_TUNE_PLAN, options)
            model = fine_tune_and_describe(
                options.data, options.output, start, plan, device, progress, options.as_it_is
            )
        else:
            plan = with_options(PLAN, options)
            model = train_and_describe(options.data, options.output, plan, device, progress, options.as_it_is)
    print(f"The model lies in {model.folder}.")
    for name, figures in model.card["metrics"].items():
        print(f"  {name:28} Dice {figure(figures['dice'])}")


def run_extraction(options: argparse.Namespace) -> None:
    from LesionKitLib.io.atomic import refuse_unwritable
    from LesionKitLib.models.inference import choose_runtime
    from LesionKitLib.run.errors import UnusableInput
    from LesionKitResearch.training.brain_extraction import PLAN
    from LesionKitResearch.training.recipes.brain_extraction_recipe import train_and_describe

    if not (options.data / "synthseg_labels").is_dir():
        raise UnusableInput(f"'{options.data}' holds no folder synthseg_labels.")
    refuse_unwritable(options.output)
    plan = replace(PLAN, seed=options.seed, steps=options.steps or PLAN.steps)
    device = choose_runtime(options.device).device
    with cancellable_progress() as progress:
        model = train_and_describe(options.data, options.output, plan, device, progress)
    print(f"The model lies in {model.folder}.")
    for name, figures in model.card["metrics"].items():
        print(f"  {name:28} Dice {figure(figures['dice'])}")


def run_synthesis(options: argparse.Namespace) -> None:
    from LesionKitLib.models.inference import choose_runtime
    from LesionKitLib.run.errors import UnusableInput
    from LesionKitResearch.training import stroke_masks, stroke_translators
    from LesionKitResearch.training.recipes.stroke_synthesis_recipes import train_mask_model, train_translator_model

    if not (options.data / "soop").is_dir():
        raise UnusableInput(f"'{options.data}' holds no folder soop.")
    device, name = choose_runtime(options.device).device, options.name.removeprefix("stroke-")
    plan = stroke_masks.PLAN if name == "mask-gan" else stroke_translators.PLANS[name]
    plan = replace(plan, seed=options.seed, steps=options.steps or plan.steps)
    with cancellable_progress() as progress:
        if name == "mask-gan":
            model = train_mask_model(options.data, options.output, plan, device, progress)
        else:
            model = train_translator_model(name, options.data, options.output, plan, device, progress)
    print(f"The model lies in {model.folder}; its figures are in its card.")
