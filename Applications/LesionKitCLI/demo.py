"""``lesionkit demo``: the main job on the bundled sample."""

from __future__ import annotations

import argparse
from pathlib import Path

from LesionKitCLI.shared.console import cancellable_progress
from LesionKitCLI.shared.parser import add_command

from .covid import print_result

SAMPLE = "sample-ct.nii.gz"
SAMPLE_SEED = 19
SAMPLE_SPACING = (0.8, 0.8, 2.5)
SAMPLE_LESIONS = ("ggo", "ggo", "ggo", "consolidation", "consolidation", "effusion")


def add_parser(commands) -> None:
    parser = add_command(
        commands, "demo", "analyze the bundled sample CT, a procedural chest with known lesions", ("lesionkit demo",)
    )
    parser.add_argument("--no-serve", action="store_true", help="end after the report; otherwise the Workbench opens")
    parser.add_argument("--port", type=int, default=8765, metavar="P", help="of the Workbench (default 8765; 0: any)")
    parser.add_argument(
        "--output", type=Path, default=Path("lesionkit-demo"), metavar="DIR", help="default: lesionkit-demo"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from CovidLungQuantLib.phantoms.chest import make_phantom
    from CovidLungQuantLib.pipeline import analyze
    from CovidLungQuantLib.results.files import OVERLAY, REPORT, write_outputs
    from LesionKitLib.io.atomic import refuse_unwritable
    from LesionKitLib.io.images import write_volume

    refuse_unwritable(options.output)
    print("Making the sample: a procedural chest CT, 0.8 x 0.8 x 2.5 mm, whose lesion volumes are known ...")
    sample = make_phantom(SAMPLE_SEED, SAMPLE_SPACING, lesions=SAMPLE_LESIONS)
    with cancellable_progress() as progress:
        result = analyze(sample.volume, progress=progress)
    write_outputs(result, options.output)
    write_volume(options.output / SAMPLE, sample.volume)
    print_result(result)
    found = result.measurements["total"]
    print("\nAgainst the known volumes (ml):")
    for key, true_ml in sample.truth_ml.items():
        print(f"  {key.removesuffix('_ml'):14} true {true_ml:8.1f}   found {found[key]:8.1f}")
    print(f"\nReport:   {options.output / REPORT}\nPictures: {options.output / OVERLAY}")
    print(f"Image:    {options.output / SAMPLE}")
    if not options.no_serve:
        _open_workbench(options.output / SAMPLE, options.port)


def _open_workbench(sample: Path, port: int) -> None:
    """The sample in the Workbench; without what the Workbench needs, one sentence says so and the demo is done."""
    from LesionKitLib.run.errors import MissingResource

    from .workbench import open_workbench

    try:
        open_workbench([str(sample)], port, apply=True)
    except (MissingResource, ModuleNotFoundError) as error:
        print(f"\nThe Workbench was not opened: {error}")
