"""``lesionkit evaluate phantom``: volumes on procedural chests."""

from __future__ import annotations

import argparse

from LesionKitCLI.covid import add_network_options
from LesionKitCLI.shared.console import cancellable_progress, print_json
from LesionKitCLI.shared.options import add_json_option, add_seed_option, positive
from LesionKitCLI.shared.parser import add_command


def add_tasks(tasks) -> None:
    phantom = add_command(
        tasks,
        "phantom",
        "volumes on procedural chests: a check of geometry, not of accuracy on patients",
        ("lesionkit evaluate phantom --count 5",),
    )
    phantom.add_argument("--count", type=positive, default=20, help="phantoms (default 20)")
    add_seed_option(phantom, default=1000)
    add_network_options(phantom)
    add_json_option(phantom)
    phantom.set_defaults(run=run_phantom)


def run_phantom(options: argparse.Namespace) -> None:
    from LesionKitResearch.evaluation.covid_phantoms import evaluate_phantoms

    with cancellable_progress() as progress:
        document = evaluate_phantoms(options.count, options.seed, options.network, options.device, progress)
        progress.report("done", 1.0)
    if options.json:
        print_json(document)
        return
    print(f"{'case':>5} {'spacing mm':18} {'lesion':15} {'true ml':>8} {'found ml':>9} {'error %':>8}")
    for row in document["lesions"]:
        spacing = " x ".join(f"{s:.2f}" for s in row["spacing"])
        print(
            f"{row['case']:5} {spacing:18} {row['key']:15} "
            f"{row['true_ml']:8.1f} {row['ml']:9.1f} {row['error_percent']:8.1f}"
        )
    within = document["lesions_within_10_percent"], document["totals_within_5_percent"]
    for n, (what, limit) in enumerate((("lesion", 10), ("total", 5))):
        print(
            f"\n{within[n]} of {len(document[what + 's'])} {what}s within {limit} %, error in the median "
            f"{document[f'median_{what}_percent']:.1f} %, at most {document[f'worst_{what}_percent']:.1f} %",
            end="",
        )
    print()
