"""Synthesize: a brain image with a stroke, drawn by the GAN within bounds or by hand, and before/after."""

from __future__ import annotations

from trame.widgets import html
from trame.widgets import vuetify3 as v3

from LesionKitWorkbench.session.messages import told
from LesionKitWorkbench.views.accessible import accessible

TRANSLATORS = ["pix2pix", "spade", "cyclegan"]
SIDES = ["any", "left", "right"]


class SynthesisSection:
    """tab: BrainTab."""

    def __init__(self, tab):
        self.tab, self.session, self.state, self.logic = tab, tab.session, tab.state, tab.logic
        self._drawing = None
        self.state.update(
            {
                "brain_ml": [5, 60],
                "brain_side": "any",
                "brain_seed": 3,
                "brain_translator": "pix2pix",
                "brain_labels_share": 0,
                "brain_drawing": False,
            }
        )
        self.state.change("brain_labels_share")(lambda **_: self._compare())

    @told
    def draw(self) -> None:
        """Show the template's labels with an empty lesion to draw in."""
        labels = self.logic.templateNode()
        self._drawing = self.logic.newDrawing(labels)
        self.tab.volume = None
        self.session.views.show(labels)
        self.logic.showOnly(self._drawing)
        self.tab.edit.edit(self._drawing, labels, is_measured=False)
        self.tab.edit.choose("Paint")
        with self.state as state:
            state.brain_drawing = True

    @told
    def run(self, drawn: bool) -> None:
        """Synthesize; drawn: with the lesion that was drawn, otherwise with one of the GAN."""
        state = self.state
        low, high = (float(value) for value in state.brain_ml)
        work = self.logic.prepareSynthesis(
            None,
            self._drawing if drawn else "gan",
            state.brain_translator,
            int(state.brain_seed),
            (low, high),
            state.brain_side,
        )
        drawing = self._drawing if drawn else None

        def deliver(result):
            volume = self.logic.showSynthesis(result, drawing)
            self._drawing = None
            with self.state as now:
                now.brain_drawing, now.brain_labels_share = False, 0
            self.tab.choose(volume)

        self.session.run(work, deliver)

    @told
    def _compare(self) -> None:
        if self.tab.volume is not None and self.logic.labelsOf(self.tab.volume) is not None:
            self.logic.compare(self.tab.volume, self.state.brain_labels_share / 100)
            self.session.views.render()

    def build(self) -> None:
        """The section's part of the page."""
        with html.Div(classes="d-flex align-center"):
            v3.VRangeSlider(
                v_model=("brain_ml",),
                min=1,
                max=200,
                step=1,
                strict=True,
                density="compact",
                hide_details=True,
                label="GAN lesion",
                **accessible(aria_label="Volume of the GAN's lesion in ml"),
            )
            html.Span("{{ brain_ml[0] }} to {{ brain_ml[1] }} ml", classes="text-caption mx-2 number")
        with html.Div(classes="d-flex", style="gap: 6px;"):
            v3.VSelect(
                v_model=("brain_side",),
                items=("brain_sides", SIDES),
                label="Side",
                density="compact",
                hide_details=True,
            )
            v3.VSelect(
                v_model=("brain_translator",),
                items=("brain_translators", TRANSLATORS),
                label="Network",
                density="compact",
                hide_details=True,
            )
            v3.VTextField(v_model=("brain_seed",), type="number", label="Seed", density="compact", hide_details=True)
        with html.Div(classes="d-flex flex-wrap mt-2", style="gap: 4px;"):
            v3.VBtn(
                "Synthesize",
                click=(self.run, "[false]"),
                size="small",
                color="primary",
                id="brain-synthesize",
                disabled=("busy",),
            )
            v3.VBtn("Draw a lesion", click=self.draw, size="small", variant="tonal", id="brain-draw")
            v3.VBtn(
                "Synthesize with the drawn lesion",
                click=(self.run, "[true]"),
                size="small",
                variant="tonal",
                id="brain-synthesize-drawn",
                disabled=("busy || !brain_drawing",),
            )
        v3.VSlider(
            v_model=("brain_labels_share",),
            min=0,
            max=100,
            step=5,
            density="compact",
            hide_details=True,
            label="Image to labels",
            **accessible(aria_label="From the image to the labels it was made from, in %"),
        )
