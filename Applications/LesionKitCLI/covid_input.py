"""One input of ``lesionkit covid``, read and analyzed."""

from __future__ import annotations

import argparse
import time

from LesionKitCLI.shared.options import refuse_without_dicom
from LesionKitCLI.shared.series_options import choice_named


def analyze_input(path: str, options: argparse.Namespace, progress, identify: bool | None = None):
    """The CovidResult of one input, read and analyzed as the options say.

    identify: whether the volume's source holds the patient's name and ID; None as the options say.
    """
    from CovidLungQuantLib.pipeline import analyze
    from LesionKitLib.io.dicom.choice import CHEST_CT
    from LesionKitLib.io.images import read_volume_and_header

    start = time.perf_counter()
    progress.report("reading", 0.0)
    volume, header = read_volume_and_header(
        path, options.series, options.group, CHEST_CT, options.identify if identify is None else identify
    )
    refuse_without_dicom(volume, options)
    with choice_named(volume):
        return analyze(volume, options.network, options.device, progress, header, time.perf_counter() - start)
