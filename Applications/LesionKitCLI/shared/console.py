"""What commands print: progress on stderr, JSON on stdout, tables for people; and cancelling with Ctrl-C."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress

from LesionKitLib.run.progress import Progress

BAR = 30
PIPE_STEP_S = 10.0  # how often a line tells the progress where stderr is no terminal
_documents = None  # where JSON goes while --quiet holds everything else back


class ProgressBar:
    """Draws stage, fraction and remaining time on stderr; on a pipe a line for each stage and every PIPE_STEP_S.

    A stderr that went away does not stop the work.
    """

    def __init__(self, clock=time.monotonic):
        self._stage = ""
        self._drawn = float("-inf")
        self._clock = clock
        self._terminal = sys.stderr.isatty()

    def __call__(self, stage: str, fraction: float, remaining: float | None) -> None:
        now = self._clock()
        step = 0.1 if self._terminal else PIPE_STEP_S
        if stage == self._stage and now - self._drawn < step and (fraction < 1 or not self._terminal):
            return
        left = "" if remaining is None else f"{remaining:.0f} s left"
        with suppress(OSError, ValueError):
            if self._terminal:
                bar = ("#" * round(BAR * fraction)).ljust(BAR, ".")
                end = "\n" if fraction >= 1 else ""
                text = f"\r[{bar}] {100 * fraction:3.0f} %  {stage:<28} {left:<14}"
                print(text, end=end, file=sys.stderr, flush=True)
            else:
                known = f" {100 * fraction:.0f} %, {left}" if left else ""
                print(f"{stage} ...{known}", file=sys.stderr, flush=True)
        self._drawn, self._stage = now, stage


@contextmanager
def quiet_output() -> Iterator[None]:
    """Nothing is printed on stdout but JSON documents, and no progress is shown."""
    global _documents
    _documents = sys.stdout
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            yield
    finally:
        _documents = None


@contextmanager
def cancellable_progress() -> Iterator[Progress]:
    """A Progress that draws a bar and that Ctrl-C or SIGTERM cancels at the next step; a second one stops at once."""
    progress = Progress(None if _documents else ProgressBar())

    def on_signal(*_):
        if progress.cancelled:
            raise KeyboardInterrupt
        progress.cancel()

    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, on_signal) for number in numbers]
    try:
        yield progress
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


def print_json(document: dict | list) -> None:
    """One JSON document on stdout; what the output's encoding does not know is escaped."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)  # all or nothing
    stream = _documents or sys.stdout
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        text = json.dumps(document, indent=2, allow_nan=False)
    print(text, file=stream)


def replace_unprintable() -> None:
    """What an output's encoding does not know is replaced: a terminal never ends a command with an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def figure(value: dict | None, digits: int = 3) -> str:
    """A metric with its interval, e.g. 0.812 [0.771, 0.850]."""
    if value is None or value["mean"] is None:
        return "-"
    text = f"{value['mean']:.{digits}f}"
    if value["low"] is None:
        return text
    return f"{text} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"


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
