"""``lesionkit train covid-...``: the chest CT networks."""

from __future__ import annotations

import argparse
from pathlib import Path

from LesionKitCLI.shared.console import cancellable_progress, figure

from .plan_options import with_options

NAMES = ("covid-convlstm", "covid-jcs", "covid-multitask")


def run(options: argparse.Namespace) -> None:
    from LesionKitLib.models.inference import choose_runtime
    from LesionKitLib.run.errors import UnusableInput

    decides = options.name != "covid-convlstm"
    wanted = (["classify"] if decides else []) + ([] if decides and options.start else ["sirm100"])
    for folder in wanted:
        if not (options.data / folder).is_dir():
            raise UnusableInput(f"'{options.data}' holds no folder {folder}.")
    if options.start and options.folds:
        raise UnusableInput("Cross-validation starts from ImageNet's weights; leave --start out.")
    if options.folds == 1:
        raise UnusableInput("Cross-validation needs at least two folds.")
    plan = _plan(options)
    device = choose_runtime(options.device).device
    with cancellable_progress() as progress:
        if options.folds:
            return _cross_validate(options, plan, device, progress)
        if options.start:
            model = _go_on(options, device, progress)
        else:
            model = _train(options.name, options.data, options.output, plan, device, progress)
    print(f"The model lies in {model.folder}.")
    for name, figures in model.card["metrics"].items():
        if "dice" in figures:
            print(f"  {name:14} Dice {figure(figures['dice'])}")
        else:
            print(f"  {name:14} area under the ROC curve {figure(figures['auc'])}")
    return None


def _plan(options: argparse.Namespace):
    from LesionKitResearch.training.covid import PLAN
    from LesionKitResearch.training.covid_multi_output import PLANS

    return with_options(PLANS.get(options.name.removeprefix("covid-"), PLAN), options)


def _train(name: str, data: Path, output: Path, plan, device: str, progress, **own):
    """The model's folder and card, trained on the data and evaluated on its validation patients.

    own: further arguments of recipe.train_and_describe, for the ConvLSTM network.
    """
    if name == "covid-convlstm":
        from LesionKitResearch.training.recipes.covid_recipe import train_and_describe

        return train_and_describe(data, output, plan, device, progress, **own)
    from LesionKitResearch.training.recipes.covid_multi_output_recipe import train_and_describe_multi_output

    return train_and_describe_multi_output(name.removeprefix("covid-"), data, output, plan, device, progress)


def _go_on(options: argparse.Namespace, device: str, progress):
    """The model that going on from options.start gives: fine-tuned, or with a new head for its decision."""
    from LesionKitLib.models.registry import read_model

    start = read_model(options.start)
    if options.name == "covid-convlstm":
        from LesionKitResearch.training.covid import FINE_TUNE_PLAN
        from LesionKitResearch.training.recipes.covid_recipe import fine_tune_and_describe

        plan = with_options(FINE_TUNE_PLAN, options)
        return fine_tune_and_describe(options.data, options.output, start, plan, device, progress)
    from LesionKitResearch.training.covid_decision import HeadPlan
    from LesionKitResearch.training.recipes.covid_decision_recipe import train_and_describe_head

    plan = HeadPlan(options.steps or HeadPlan.steps, options.seed)
    short = options.name.removeprefix("covid-")
    return train_and_describe_head(short, options.data, options.output, start, plan, device, progress)


def _cross_validate(options: argparse.Namespace, plan, device: str, progress) -> None:
    from CovidLungQuantLib.networks.registry import NETWORKS
    from LesionKitResearch.evaluation.covid_pictures import picture_segmenter
    from LesionKitResearch.experiments.cross_validation import RESULT, cross_validate, draw_folds

    short = options.name.removeprefix("covid-")
    own = {"finish": False} if short == "convlstm" else {}

    def train(data: Path, output: Path):
        model = _train(options.name, data, output, plan, device, progress, **own)
        return picture_segmenter(NETWORKS.with_weights(short, model), device)

    about = {"network": short, "steps": plan.steps, "seed": plan.seed}
    document = cross_validate(options.data, options.output, options.folds, train, about)
    draw_folds(document, options.output / "cross_validation.png")
    print(f"Cross-validation is in {options.output}: {RESULT}, cross_validation.png")
    for name, figures in document["metrics"].items():
        print(f"  {name:14} Dice {figure(figures['dice'])}")
