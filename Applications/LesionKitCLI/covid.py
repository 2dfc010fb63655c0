"""``lesionkit covid``: pneumonia burden of a chest CT, or of several of one patient, as files."""

from __future__ import annotations

import argparse

from LesionKitCLI.shared.console import cancellable_progress, print_json
from LesionKitCLI.shared.options import (
    add_device_option,
    add_dicom_option,
    add_identify_option,
    add_json_option,
    add_report_options,
    check_device,
    check_report_options,
)
from LesionKitCLI.shared.parser import add_command
from LesionKitCLI.shared.series_options import add_input_options, listed

from .covid_input import analyze_input


def add_parser(commands) -> None:
    parser = add_command(
        commands,
        "covid",
        "segment and measure the pneumonia of a chest CT",
        (
            "lesionkit covid CT_FOLDER --output out",
            "lesionkit covid ct.nii.gz --output out --network ensemble --json",
            "lesionkit covid MARCH_FOLDER APRIL_FOLDER --output out",
        ),
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="a DICOM folder or file, .nii, .nii.gz, .nrrd, .mha or .mhd; several are one patient's at different dates",
    )
    add_input_options(parser)
    add_network_options(parser)
    add_identify_option(parser)
    add_dicom_option(parser)
    add_report_options(parser)
    add_json_option(parser, "the measurements")
    parser.set_defaults(run=run)


def add_network_options(parser: argparse.ArgumentParser, default: str = "convlstm") -> None:
    """--network and --device, as every command that runs a network has them."""
    from CovidLungQuantLib.networks.registry import CHOICES

    parser.add_argument("--network", choices=CHOICES, default=default, help=f"default: {default}")
    add_device_option(parser)


def run(options: argparse.Namespace) -> None:
    from CovidLungQuantLib.networks.registry import NETWORKS, members
    from LesionKitLib.io.atomic import refuse_unwritable
    from LesionKitLib.io.dicom.choice import CHEST_CT

    if listed(options.inputs, options, CHEST_CT):
        return
    check_report_options(options)
    refuse_unwritable(options.output)
    check_device(options.device)
    for network in members(options.network):
        NETWORKS.model(network)
    if len(options.inputs) > 1:
        from .followup import run_followup

        run_followup(options)
    else:
        _run_one(options)


def _run_one(options: argparse.Namespace) -> None:
    from CovidLungQuantLib.results.files import write_outputs

    with cancellable_progress() as progress:
        result = analyze_input(options.inputs[0], options, progress)
        names = write_outputs(result, options.output, options.pdf, options.paper, options.dicom)
    if options.json:
        print_json(result.summary())
    else:
        print_result(result)
        print(f"\nResults are in {options.output}: {', '.join(names)}")


def print_result(result) -> None:
    """The measurements as a table for people."""
    from CovidLungQuantLib.classification.decision import decision_texts
    from CovidLungQuantLib.measurement.severity import score_text

    regions = {(r["side"], r["third"]): r for r in result.measurements["regions"]}
    print(f"{'':16}{'lung ml':>9}{'GGO ml':>9}{'consol. ml':>12}{'effusion ml':>13}{'burden %':>10}")
    rows = [
        ("both", "all"),
        ("right", "all"),
        ("left", "all"),
        ("both", "upper"),
        ("both", "middle"),
        ("both", "lower"),
    ]
    for side, third in rows:
        r = regions[side, third]
        if r["lung_ml"] is None:  # lungs that are cut off have no thirds
            continue
        name = {"all": f"{side} lungs" if side == "both" else f"{side} lung"}.get(third, f"{third} thirds")
        burden = "-" if r["burden_percent"] is None else f"{r['burden_percent']:.1f}"
        values = f"{r['lung_ml']:9.0f}{r['ggo_ml']:9.1f}{r['consolidation_ml']:12.1f}{r['effusion_ml']:13.1f}"
        print(f"{name:16}{values}{burden:>10}")
    total = result.seconds["total"]
    print(f"\nSeverity score {score_text(result.measurements['severity'])}; {total:.1f} s on {result.device}.")
    decision = result.decision
    if decision:
        print(decision_texts(decision)[0])
        if decision["accuracy"]:
            print(decision["accuracy"])
    for note in result.notes:
        print(f"Note: {note}")
    print("Research and education only, not a medical device.")
