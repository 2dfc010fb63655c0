"""Results of a stroke: volume, AI and corrected side by side, its pieces one by one."""

from __future__ import annotations

from trame.widgets import html
from trame.widgets import vuetify3 as v3

from LesionKitWorkbench.session.messages import told
from LesionKitWorkbench.session.timers import AsyncTimer
from LesionKitWorkbench.views.accessible import accessible

LINE_PX = 2


class ResultsSection:
    """session, logic: as of BrainTab. on_counts(): called after an edit was counted."""

    def __init__(self, session, logic, on_counts):
        self.session, self.logic, self._on_counts = session, logic, on_counts
        self.state = session.state
        self._segmentation = self._live = None
        self._place = -1
        self._show_nothing()

    @property
    def labels(self):
        """The label maps that the numbers are of, or None."""
        return self._live.labels if self._live is not None else None

    def show(self, segmentation) -> None:
        """The result whose numbers are shown from now on; None: nothing."""
        from LesionKitLib.mrml.live_measurements import LiveMeasurement

        if self._live is not None:
            self._live.stop()
            self._live = None
        self._segmentation = segmentation
        self._show_nothing()
        if segmentation is None:
            return
        volume = self.logic.volumeOf(segmentation)
        display = segmentation.GetDisplayNode()
        if display is not None:
            display.SetVisibility2DFill(False)
            display.SetSliceIntersectionThickness(LINE_PX)
        if "to_image" in self.logic.runOf(segmentation):  # a network's result; a synthesized truth is only shown
            self._live = LiveMeasurement(self.logic, segmentation, volume, self._show_counts, AsyncTimer)

    def _show_nothing(self) -> None:
        with self.state:
            self.state.update(
                {
                    "brain_headline": "–",
                    "brain_detail": "No result is chosen.",
                    "brain_header": [],
                    "brain_rows": [],
                    "brain_lesions": [],
                    "brain_place": "",
                }
            )
        self._place = -1

    def _show_counts(self, counts) -> None:
        from StrokeSynthLib.results.table_rows import comparison_table

        header, rows = comparison_table(counts.rows)
        lesions = self.logic.lesionRows(self._segmentation)
        with self.state as state:
            state.brain_header, state.brain_rows = list(header), [[str(cell) for cell in row] for row in rows]
            state.brain_lesions = [
                {"cells": [str(cell) for cell in cells], "ras": [float(x) for x in ras]} for cells, ras in lesions
            ]
            if counts.measurements is None:
                state.brain_headline, state.brain_detail = "–", counts.message
            else:
                total = counts.measurements["lesion_ml"]
                state.brain_headline = f"Lesion {total:.1f} ml"
                state.brain_detail = f"{self.logic.imageName(self._segmentation)}; {len(lesions)} pieces"
        self._on_counts()

    @told
    def jump(self, index: int) -> None:
        """Show the slices through a piece of the list."""
        from LesionKitLib.mrml.views import jump_to

        lesions = self.state.brain_lesions
        if not lesions:
            raise ValueError("There is no lesion.")
        self._place = index % len(lesions)
        jump_to(self.session.scene, lesions[self._place]["ras"])
        with self.state as state:
            state.brain_place = f"{self._place + 1} of {len(lesions)}"

    def step(self, step: int) -> None:
        """To the next (+1) or the previous (-1) piece."""
        self.jump(self._place + step if self._place >= 0 or step > 0 else -1)

    def build(self) -> None:
        """The section's part of the page."""
        html.Div("{{ brain_headline }}", classes="text-h5", id="brain-headline")
        html.Div("{{ brain_detail }}", classes="text-caption mb-1")
        with html.Div(v_if=("brain_rows.length",)):
            with v3.VTable(density="compact", classes="lk-table", id="brain-table"):
                with html.Thead(), html.Tr():
                    html.Th("{{ name }}", v_for="(name, n) in brain_header", key="n", **accessible(scope="col"))
                with html.Tbody(), html.Tr(v_for="(row, n) in brain_rows", key="n"):
                    html.Td("{{ cell }}", v_for="(cell, m) in row", key="m", classes=("m ? 'number' : ''",))
            with html.Div(classes="d-flex align-center mt-1", style="gap: 4px;"):
                v3.VBtn("Previous", click=(self.step, "[-1]"), size="small", variant="tonal")
                v3.VBtn("Next", click=(self.step, "[1]"), size="small", variant="tonal", id="brain-next")
                html.Span("{{ brain_place }}", classes="text-caption")
