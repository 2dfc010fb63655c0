"""What commands share: progress on stderr, JSON on stdout, cancelling with Ctrl-C."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from LesionKitLib.run.progress import Progress

BAR = 30


class ProgressBar:
    """Draws stage, fraction and remaining time on stderr; on a pipe only the stages, one line each."""

    def __init__(self):
        self._stage = ""
        self._drawn = 0.0
        self._terminal = sys.stderr.isatty()

    def __call__(self, stage: str, fraction: float, remaining: float | None) -> None:
        if self._terminal:
            now = time.monotonic()
            if now - self._drawn < 0.1 and fraction < 1 and stage == self._stage:
                return
            self._drawn = now
            left = f"{remaining:4.0f} s left" if remaining is not None else ""
            bar = ("#" * round(BAR * fraction)).ljust(BAR, ".")
            end = "\n" if fraction >= 1 else ""
            print(f"\r[{bar}] {100 * fraction:3.0f} %  {stage:<28} {left:<14}", end=end, file=sys.stderr, flush=True)
        elif stage != self._stage:
            print(f"{stage} ...", file=sys.stderr)
        self._stage = stage


@contextmanager
def cancellable_progress() -> Iterator[Progress]:
    """A Progress that draws a bar and that Ctrl-C cancels at the next step; a second Ctrl-C stops at once."""
    progress = Progress(ProgressBar())

    def on_interrupt(*_):
        if progress.cancelled:
            raise KeyboardInterrupt
        progress.cancel()

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield progress
    finally:
        signal.signal(signal.SIGINT, previous)


def print_json(document: dict | list) -> None:
    """One JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))  # all or nothing


def figure(value: dict | None, digits: int = 3) -> str:
    """A metric with its interval, e.g. 0.812 [0.771, 0.850]."""
    if value is None or value["mean"] is None:
        return "-"
    text = f"{value['mean']:.{digits}f}"
    if value["low"] is None:
        return text
    return f"{text} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"


def positive(text: str) -> int:
    """A whole number from 1, for argparse."""
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def print_metrics(title: str, metrics: dict) -> None:
    """{name: {metric: {mean, low, high}}} as lines."""
    print(f"\n{title}")
    for name, figures in metrics.items():
        if not isinstance(figures, dict):
            print(f"  {name:14} {figures:.3f}")
            continue
        shown = [f"{metric} {figure(value)}" for metric, value in figures.items() if isinstance(value, dict)]
        print(f"  {name:14} n={figures['n']:<4} " + "  ".join(shown))


def print_evaluation(document: dict, as_json: bool, what: str = "images") -> None:
    """The document of an evaluation on stdout: as JSON, or all figures and then those of each source."""
    if as_json:
        print_json(document)
        return
    print_metrics(f"{document['network']}, {document['n']} {what}", document["metrics"])
    for source, metrics in document["per_source"].items():
        print_metrics(source, metrics)
