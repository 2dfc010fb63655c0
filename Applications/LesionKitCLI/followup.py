"""``lesionkit covid EARLIER LATER ...``: one patient's examinations compared."""

from __future__ import annotations

import argparse

from LesionKitCLI.shared.console import cancellable_progress, print_json

from .covid_input import analyze_input


def run_followup(options: argparse.Namespace) -> None:
    """Analyze each input, compare them in the order of their dates, write the files and print what changed."""
    from CovidLungQuantLib.followup.comparison import compare_examinations, notes_on_patients, without_identity
    from CovidLungQuantLib.followup.files import write_followup

    with cancellable_progress() as progress:
        share = 1 / (len(options.inputs) + 1)
        results = []
        for n, path in enumerate(options.inputs):
            results.append(analyze_input(path, options, progress.part(n * share, (n + 1) * share), True))
        notes = tuple(notes_on_patients(r.volume.source.patient_id for r in results if r.volume.source))
        if not options.identify:
            results = [without_identity(result) for result in results]
        followup = compare_examinations(results, progress.part(1 - share, 1.0), notes)
        names = write_followup(followup, options.output, options.pdf, options.paper, options.dicom)
    if options.json:
        print_json(followup.document())
    else:
        print_followup(followup)
        folders = f"examination-1 to examination-{len(results)}"
        print(f"\nResults are in {options.output}: {', '.join(names)}; of each examination in {folders}")


def print_followup(followup) -> None:
    """Burden at each date and the lesions' changes as a table for people."""
    from CovidLungQuantLib.followup.report import title_of

    print(
        f"{'':16}{'lung ml':>9}{'GGO ml':>9}{'consol. ml':>12}{'effusion ml':>13}{'burden %':>10}  lesions since before"
    )
    for n, result in enumerate(followup.examinations):
        total = result.measurements["total"]
        burden = "-" if total["burden_percent"] is None else f"{total['burden_percent']:.1f}"
        figures = f"{total['lung_ml']:9.0f}{total['ggo_ml']:9.1f}{total['consolidation_ml']:12.1f}"
        counts = followup.intervals[n - 1].counts() if n else {}
        changes = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        print(f"{title_of(followup, n):16}{figures}{total['effusion_ml']:13.1f}{burden:>10}  {changes}")
    for note in followup.notes:
        print(f"Note: {note}")
    for n, result in enumerate(followup.examinations):
        for note in result.notes:
            print(f"Note on {title_of(followup, n)}: {note}")
    print("Research and education only, not a medical device.")
