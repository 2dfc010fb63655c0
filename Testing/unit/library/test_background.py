"""Work off the main thread, with a timer that the test turns by hand."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading

import pytest
from module_lists import ROOT

from LesionKitLib.run.background import CLOCK_STEP_S, BackgroundRunner, user_sentence
from LesionKitLib.run.errors import MissingResource, UnusableInput

MAX_TICKS = 2000  # ticks of at most 8 ms


class HandTimer:
    """Fires when the test says so."""

    def __init__(self, interval_ms, callback):
        self.interval_ms, self.callback, self.active = interval_ms, callback, False

    def start(self):
        self.active = True

    def stop(self):
        self.active = False


class HandClock:
    now = 100.0

    def __call__(self):
        return self.now


class Listener:
    """Keeps what the runner tells, and on which thread."""

    def __init__(self):
        self.told = []
        self.threads = set()

    def keep(self, kind):
        def callback(*values):
            self.threads.add(threading.current_thread())
            self.told.append((kind, *values))

        return callback

    def callbacks(self):
        return {f"on_{kind}": self.keep(kind) for kind in ("result", "error", "progress", "cancelled")}

    @property
    def endings(self):
        return [told for told in self.told if told[0] != "progress"]


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def bench(clock):
    """(runner, its timer, listener)."""
    timers = []

    def factory(interval_ms, callback):
        timers.append(HandTimer(interval_ms, callback))
        return timers[-1]

    runner = BackgroundRunner(factory, clock=clock)
    yield runner, timers[0], Listener()
    runner.stop(5)


def turn(timer, until=lambda: False):
    """Fire the timer until it is stopped or ``until`` holds."""
    for _ in range(MAX_TICKS):
        if not timer.active or until():
            return
        timer.callback()
    raise AssertionError("the runner never came to an end")


def test_a_result_is_delivered_on_the_main_thread_and_the_work_ran_on_another(bench):
    runner, timer, listener = bench
    workers = []

    def work(progress):
        workers.append(threading.current_thread())
        return 42

    runner.start(work, **listener.callbacks())
    turn(timer)
    assert listener.endings == [("result", 42)]
    assert listener.threads == {threading.current_thread()}
    assert workers[0] is not threading.current_thread()
    assert not runner.running


def test_the_timer_runs_only_while_work_runs(bench):
    runner, timer, listener = bench
    assert not timer.active
    gate = threading.Event()
    runner.start(lambda progress: gate.wait(5), **listener.callbacks())
    timer.callback()
    assert timer.active
    gate.set()
    turn(timer)
    assert not timer.active


def test_a_second_start_is_refused_while_work_runs_and_possible_after_it(bench):
    runner, timer, listener = bench
    gate = threading.Event()
    runner.start(lambda progress: gate.wait(5), **listener.callbacks())
    with pytest.raises(RuntimeError, match="running already"):
        runner.start(lambda progress: 2, **listener.callbacks())
    gate.set()
    turn(timer)
    runner.start(lambda progress: 3, **listener.callbacks())
    turn(timer)
    assert listener.endings == [("result", True), ("result", 3)]


def test_progress_arrives_with_elapsed_and_remaining_time(bench, clock):
    runner, timer, listener = bench
    reported, gate = threading.Event(), threading.Event()

    def work(progress):
        progress.report("segmenting", 0.25)
        reported.set()
        gate.wait(5)

    runner.start(work, **listener.callbacks())
    assert reported.wait(5)
    clock.now += 3
    timer.callback()
    _, stage, fraction, remaining, elapsed = listener.told[0]
    assert (stage, fraction, elapsed) == ("segmenting", 0.25, 3)
    assert remaining == 0
    gate.set()
    turn(timer)


def test_the_clock_goes_on_between_two_reports_but_not_at_every_tick(bench, clock):
    runner, timer, listener = bench
    reported, gate = threading.Event(), threading.Event()

    def work(progress):
        progress.report("segmenting", 0.5)
        reported.set()
        gate.wait(5)

    runner.start(work, **listener.callbacks())
    assert reported.wait(5)
    for _ in range(3):
        timer.callback()
    assert len(listener.told) == 1
    clock.now += CLOCK_STEP_S
    timer.callback()
    assert [told[4] for told in listener.told] == [0, CLOCK_STEP_S]
    gate.set()
    turn(timer)


def test_cancel_ends_the_work_at_its_next_report_and_delivers_no_result(bench):
    runner, timer, listener = bench
    steps, started, gate = [], threading.Event(), threading.Event()

    def work(progress):
        for step in range(100):
            steps.append(step)
            started.set()
            gate.wait(5)
            progress.report("segmenting", step / 100)
        return "whole"

    runner.start(work, **listener.callbacks())
    assert started.wait(5)
    runner.cancel()
    assert runner.running, "until the thread has ended"
    gate.set()
    turn(timer)
    assert steps == [0]
    assert listener.endings == [("cancelled",)]
    assert not runner.running


def test_a_result_that_comes_after_cancel_is_thrown_away(bench):
    runner, timer, listener = bench
    gate = threading.Event()
    runner.start(lambda progress: gate.wait(5), **listener.callbacks())
    runner.cancel()
    gate.set()
    turn(timer)
    assert listener.endings == [("cancelled",)]


def test_cancel_without_work_does_nothing(bench):
    runner, timer, listener = bench
    runner.cancel()
    assert not timer.active
    assert listener.told == []


def test_an_error_becomes_one_sentence_and_its_traceback_goes_to_the_log(bench, caplog):
    runner, timer, listener = bench

    def work(progress):
        raise UnusableInput("No lungs were found.")

    with caplog.at_level(logging.ERROR):
        runner.start(work, **listener.callbacks())
        turn(timer)
    [(kind, sentence, error)] = listener.endings
    assert (kind, sentence) == ("error", "No lungs were found.")
    assert isinstance(error, UnusableInput)
    assert "Traceback" in caplog.text
    assert "in work" in caplog.text


def test_even_an_exit_inside_the_work_is_delivered(bench):
    runner, timer, listener = bench
    runner.start(lambda progress: sys.exit(3), **listener.callbacks())
    turn(timer)
    assert [told[0] for told in listener.endings] == ["error"]


def test_a_result_that_cannot_be_shown_is_an_error_and_is_logged(bench, caplog):
    runner, timer, listener = bench

    def show(result):
        raise ValueError("The volume was deleted.")

    runner.start(lambda progress: 1, **{**listener.callbacks(), "on_result": show})
    turn(timer)
    assert listener.endings[0][:2] == ("error", "The volume was deleted.")
    assert "in show" in caplog.text
    assert not runner.running


def test_a_failing_progress_display_does_not_end_the_work(bench, caplog):
    runner, timer, listener = bench

    def work(progress):
        progress.report("segmenting", 0.5)
        return 7

    runner.start(work, **{**listener.callbacks(), "on_progress": lambda *_: 1 / 0})
    turn(timer)
    assert listener.endings == [("result", 7)]
    assert "ZeroDivisionError" in caplog.text


def test_the_callback_of_a_result_may_start_the_next_work(bench):
    runner, timer, listener = bench
    following = listener.callbacks()
    runner.start(
        lambda progress: 1, **{**following, "on_result": lambda result: runner.start(lambda progress: 2, **following)}
    )
    turn(timer)
    assert listener.endings == [("result", 2)]


def test_a_tick_inside_a_callback_neither_delivers_twice_nor_stops_the_timer(bench):
    runner, timer, listener = bench
    seen = []

    def dialog(result):
        timer.callback()  # the event loop of a modal dialog
        seen.append(result)

    runner.start(lambda progress: 1, **{**listener.callbacks(), "on_result": dialog})
    turn(timer)
    assert seen == [1]
    assert not timer.active


def test_stop_delivers_nothing_and_lets_the_thread_end_by_itself(bench):
    runner, timer, listener = bench
    started, gate = threading.Event(), threading.Event()

    def work(progress):
        started.set()
        gate.wait(5)
        progress.report("segmenting", 0.5)

    runner.start(work, **listener.callbacks())
    assert started.wait(5)
    runner.stop()
    assert not runner.running
    assert timer.active, "the thread still needs the interpreter lock to come to its end"
    gate.set()
    turn(timer)
    assert listener.told == []


def test_new_work_may_start_while_stopped_work_comes_to_its_end(bench):
    runner, timer, listener = bench
    gate = threading.Event()
    runner.start(lambda progress: gate.wait(5), **listener.callbacks())
    runner.stop()
    runner.start(lambda progress: "second", **listener.callbacks())
    turn(timer, until=lambda: listener.endings)
    gate.set()
    turn(timer)
    assert listener.endings == [("result", "second")]


def test_stop_waits_for_the_thread_as_long_as_it_is_told(bench):
    runner, timer, listener = bench
    ended = []

    def work(progress):
        while not progress.cancelled:
            pass
        ended.append(True)

    runner.start(work, **listener.callbacks())
    runner.stop(wait_s=10)
    assert ended == [True]
    assert not timer.active


def test_leaving_the_interpreter_ends_running_work_first():
    code = (
        "import sys, threading\n"
        "from LesionKitLib.run.background import BackgroundRunner\n"
        "class Timer:\n"
        "    def __init__(self, *_): pass\n"
        "    start = stop = lambda self: None\n"
        "def work(progress):\n"
        "    started.set()\n"
        "    while not progress.cancelled: pass\n"
        "    sys.stdout.write('ended')\n"
        "    sys.stdout.flush()\n"
        "started = threading.Event()\n"
        "runner = BackgroundRunner(Timer)\n"
        "runner.start(work, print, print)\n"
        "started.wait(5)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'LesionKit')!r})\n{code}"],
        capture_output=True,
        text=True,
    )
    assert (run.stdout, run.stderr, run.returncode) == ("ended", "", 0)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UnusableInput("The volume holds no image."), "The volume holds no image."),
        (MissingResource("The weights are damaged."), "The weights are damaged."),
        (ValueError("No segmentation is chosen."), "No segmentation is chosen."),
        (MemoryError(), "not enough memory"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "package 'torch' is missing"),
        (ValueError("shapes (3,) and (4,) not aligned"), r"\(ValueError\); the details"),
        (KeyError("secret"), r"\(KeyError\); the details are in the application's log"),
    ],
)
def test_every_error_becomes_a_sentence(error, expected):
    import re

    sentence = user_sentence(error)
    assert re.search(expected, sentence)
    assert sentence.endswith(".")
    assert "\n" not in sentence
