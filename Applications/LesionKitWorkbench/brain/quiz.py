"""Quiz: a synthesized case that nobody has seen; the student outlines, then sees found, missed and false."""

from __future__ import annotations

import secrets

import numpy as np
from trame.widgets import html
from trame.widgets import vuetify3 as v3

from LesionKitWorkbench.session.messages import told

VOLUME_ML = (4.0, 60.0)
SEEDS = 1_000_000


class QuizSection:
    """tab: BrainTab."""

    def __init__(self, tab):
        self.tab, self.session, self.state, self.logic = tab, tab.session, tab.state, tab.logic
        self._truth = self._answer = None
        self.state.update({"brain_quiz": "", "brain_quiz_open": False, "brain_quiz_seed": ""})

    @told
    def ask(self) -> None:
        """A new case: of the seed that was typed, or of any."""
        text = str(self.state.brain_quiz_seed).strip()
        seed = int(text) if text else secrets.randbelow(SEEDS)
        work = self.logic.prepareSynthesis(None, "gan", "spade", seed, VOLUME_ML, "any")

        def deliver(result):
            volume = self.logic.showSynthesis(result)
            volume.SetName(f"Quiz case {seed}")
            self._truth = volume.GetNodeReference(self.logic.SEGMENTATION_ROLE)
            self.tab.choose(volume)
            self._truth.GetDisplayNode().SetVisibility(False)
            self._answer = self.logic.newDrawing(volume)
            self.tab.edit.edit(self._answer, volume, is_measured=False)
            self.tab.edit.choose("Paint")
            with self.state as state:
                state.brain_quiz_open = True
                state.brain_quiz = f"Case {seed}: outline the stroke, then press Check."

        self.session.run(work, deliver)

    @told
    def check(self) -> None:
        """What the student found, missed and marked falsely, with the truth shown."""
        from LesionKitLib.mrml.segmentations import read_labels
        from StrokeSynthLib.labels import LESION

        if self._truth is None:
            raise ValueError("Ask for a case first.")
        volume = self.logic.volumeOf(self._truth)
        truth, answer = (read_labels(node, volume, (LESION,)) > 0 for node in (self._truth, self._answer))
        if not answer.any():
            raise ValueError("Outline the stroke first: choose Paint and draw in a slice view.")
        ml = self.logic.volumeFor(volume).voxel_ml
        self._truth.GetDisplayNode().SetVisibility(True)
        self.session.views.render()
        with self.state as state:
            state.brain_quiz_open = False
            state.brain_quiz = quiz_text(truth, answer, ml)

    def build(self) -> None:
        """The section's part of the page."""
        with html.Div(classes="d-flex align-center", style="gap: 6px;"):
            v3.VTextField(
                v_model=("brain_quiz_seed",), label="Number (any)", density="compact", hide_details=True, type="number"
            )
            v3.VBtn("New case", click=self.ask, size="small", color="primary", id="brain-quiz", disabled=("busy",))
            v3.VBtn(
                "Check",
                click=self.check,
                size="small",
                variant="tonal",
                id="brain-check",
                disabled=("!brain_quiz_open",),
            )
        html.Div("{{ brain_quiz }}", classes="mt-1", id="brain-quiz-text")


def quiz_text(truth: np.ndarray, answer: np.ndarray, voxel_ml: float) -> str:
    """truth, answer: masks of one shape; voxel_ml: ml of a voxel."""
    found, missed, false = (float(part.sum()) * voxel_ml for part in (truth & answer, truth & ~answer, answer & ~truth))
    dice = 2 * found / (2 * found + missed + false) if found + missed + false else 0.0
    parts = f"Found {found:.1f} ml, missed {missed:.1f} ml, false {false:.1f} ml"
    return f"{parts}; Dice {dice:.2f}. The truth is outlined as well."
