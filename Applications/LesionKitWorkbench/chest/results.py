"""Results: burden with the image's name, tables and chart that follow every edit, display, lesions one by one."""

from __future__ import annotations

from trame.widgets import html
from trame.widgets import vuetify3 as v3

from LesionKitWorkbench.session.messages import told
from LesionKitWorkbench.session.timers import AsyncTimer
from LesionKitWorkbench.views.accessible import accessible

WINDOWS = {"Lung": (1500.0, -600.0), "Soft tissue": (400.0, 40.0)}  # width, level in HU
LINE_PX = 2  # of outlines
CHART_PX = 64  # height of the bars' box


class ResultsSection:
    """session, logic: as of ChestTab. on_counts(): called after an edit was counted."""

    def __init__(self, session, logic, on_counts):
        self.session, self.logic, self._on_counts = session, logic, on_counts
        self.state = session.state
        self._segmentation = self._live = None
        self._place = -1
        self._show_nothing()
        self.state.update(
            {
                "chest_window": "Lung",
                "chest_opacity": 50,
                "chest_outline": True,
                "chest_3d": False,
                "chest_heatmap": False,
                "chest_crosshair": False,
                "chest_visible": [],
            }
        )
        change = self.state.change
        change("chest_window")(lambda **_: self._set_window())
        change("chest_opacity", "chest_outline", "chest_visible")(lambda **_: self.set_display())
        change("chest_3d")(lambda **_: self._set_3d())
        change("chest_heatmap")(lambda **_: self._set_heatmap())
        change("chest_crosshair")(lambda chest_crosshair, **_: self.session.views.set_crosshair(chest_crosshair))

    def show(self, segmentation) -> None:
        """The result whose numbers are shown from now on; None: nothing."""
        from LesionKitLib.mrml.live_measurements import LiveMeasurement

        if self._live is not None:
            self._live.stop()
            self._live = None
        self._segmentation = segmentation
        if segmentation is None:
            self._show_nothing()
            return
        self._list_classes()
        self.list_lesions()
        self._live = LiveMeasurement(
            self.logic, segmentation, self.logic.volumeOf(segmentation), self._show_counts, AsyncTimer
        )
        self.set_display()

    @property
    def labels(self):
        """The label maps that the numbers are of (LiveMeasurement.labels), or None."""
        return self._live.labels if self._live is not None else None

    # numbers ----------------------------------------------------------------------------------------------------------

    def _show_nothing(self) -> None:
        with self.state:
            self.state.update(
                {
                    "chest_headline": "–",
                    "chest_detail": "No result is chosen.",
                    "chest_result_image": "",
                    "chest_rows": [],
                    "chest_header": [],
                    "chest_bars": [],
                    "chest_chart_text": "",
                    "chest_lesions": [],
                    "chest_decision": "",
                    "chest_has_heatmap": False,
                    "chest_classes": [],
                    "chest_has_result": False,
                    "chest_notes": [],
                    "chest_place": "",
                }
            )

    def _show_counts(self, counts) -> None:
        """counts: a LiveTable of LesionKitLib.mrml.live_measurements."""
        from CovidLungQuantLib.results.table_rows import comparison_table

        header, rows = comparison_table(counts.rows)
        with self.state as state:
            state.chest_has_result = True
            state.chest_result_image = self.logic.imageName(self._segmentation)
            state.chest_header, state.chest_rows = list(header), [[str(cell) for cell in row] for row in rows]
            if counts.measurements is None:
                state.chest_headline, state.chest_detail, state.chest_bars = "–", counts.message, []
            else:
                state.chest_headline, state.chest_detail = headline(counts.measurements)
                state.chest_bars = bars(counts.measurements)
                state.chest_chart_text = "; ".join(part["text"] for bar in state.chest_bars for part in bar["parts"])
            state.chest_notes = list(self.logic.runOf(self._segmentation).get("notes") or ())
            decision = self.logic.decisionFor(self._segmentation)
            state.chest_decision = decision_text(decision) if decision else ""
            state.chest_has_heatmap = self.logic.heatmapFor(self._segmentation) is not None
        self._on_counts()

    def list_lesions(self) -> None:
        """The lesions as last looked for, the largest first, with their slice."""
        rows = self.logic.lesionRows(self._segmentation)
        numbers = self.logic.sliceNumbers(self._segmentation, [place for _cells, place in rows])
        header = self.logic.LESION_HEADER
        with self.state as state:
            state.chest_lesion_header = [*header, "Slice"]
            state.chest_lesions = [
                {"cells": [str(cell) for cell in (*cells, number)], "ras": [float(x) for x in place]}
                for (cells, place), number in zip(rows, numbers, strict=True)
            ]
        self._place = -1

    # commands ---------------------------------------------------------------------------------------------------------

    @told
    def update_lesions(self) -> None:
        if self._segmentation is not None:
            self.logic.updateLesions(self._segmentation)
            self.list_lesions()
            self.session.changed()

    @told
    def jump(self, index: int) -> None:
        """Show the slices through a lesion of the list."""
        from LesionKitLib.mrml.views import jump_to

        lesions = self.state.chest_lesions
        if not lesions:
            raise ValueError("There is no lesion.")
        self._place = index % len(lesions)
        jump_to(self.session.scene, lesions[self._place]["ras"])
        with self.state as state:
            state.chest_place = f"{self._place + 1} of {len(lesions)}: {lesions[self._place]['cells'][1]}"

    def step(self, step: int) -> None:
        """To the next (+1) or the previous (-1) lesion."""
        self.jump(self._place + step if self._place >= 0 or step > 0 else -1)

    @told
    def _set_window(self) -> None:
        from LesionKitLib.mrml.views import set_window

        volume = self.logic.volumeOf(self._segmentation) if self._segmentation is not None else None
        if volume is not None:
            set_window(volume, *WINDOWS[self.state.chest_window])

    @told
    def set_display(self) -> None:
        """As the controls have it; lungs are never filled, so that the image stays to be seen."""
        from CovidLungQuantLib.labels import LESIONS

        display = self._segmentation.GetDisplayNode() if self._segmentation is not None else None
        if display is None:
            return
        modifying = display.StartModify()
        display.SetSliceIntersectionThickness(LINE_PX)
        lesions = {label.key for label in LESIONS}
        for row in self.state.chest_classes:
            for segment_id in row["ids"]:
                display.SetSegmentVisibility(segment_id, row["key"] in self.state.chest_visible)
                filled = row["key"] in lesions and not self.state.chest_outline
                display.SetSegmentVisibility2DFill(segment_id, filled)
                display.SetSegmentOpacity2DFill(segment_id, self.state.chest_opacity / 100)
        display.EndModify(modifying)

    @told
    def _set_3d(self) -> None:
        self.session.views.set_3d(bool(self.state.chest_3d))
        if self._segmentation is not None:
            self.logic.showIn3D(self._segmentation, bool(self.state.chest_3d))
            self.session.views.set_3d(bool(self.state.chest_3d))

    @told
    def _set_heatmap(self) -> None:
        from LesionKitLib.mrml.views import lay_over

        heatmap = self.logic.heatmapFor(self._segmentation) if self._segmentation is not None else None
        lay_over(self.session.scene, heatmap if self.state.chest_heatmap else None, opacity=0.4)

    def _list_classes(self) -> None:
        from CovidLungQuantLib.labels import LESIONS, LUNGS
        from LesionKitLib.mrml.segmentations import segments_of

        content = self._segmentation.GetSegmentation()
        rows = []
        for key, name, labels in (*((label.key, label.name, (label,)) for label in LESIONS), ("lungs", "Lungs", LUNGS)):
            ids = [segment_id for label in labels for segment_id in segments_of(self._segmentation, label)]
            color = content.GetSegment(ids[0]).GetColor() if ids else (0.5, 0.5, 0.5)
            shade = "#" + "".join(f"{round(255 * part):02x}" for part in color)
            rows.append({"key": key, "name": name, "ids": ids, "color": shade})
        with self.state as state:
            state.chest_classes, state.chest_visible = rows, [row["key"] for row in rows]

    # the page ---------------------------------------------------------------------------------------------------------

    def build(self) -> None:
        """The section's part of the page."""
        html.Div("{{ chest_result_image }}", classes="text-caption")
        html.Div("{{ chest_headline }}", classes="text-h5", id="chest-headline")
        html.Div("{{ chest_detail }}", classes="text-caption mb-1", id="chest-detail")
        html.Div("{{ chest_decision }}", v_if=("chest_decision",), classes="text-caption mb-1")
        with html.Div(v_if=("chest_notes.length",), classes="text-caption mb-1", id="chest-notes"):
            html.Div("• {{ note }}", v_for="(note, n) in chest_notes", key="n")
        with html.Div(v_if=("chest_has_result",)):
            self._build_table()
            self._build_chart()
            self._build_display()
            self._build_lesions()

    def _build_table(self) -> None:
        with v3.VTable(density="compact", classes="lk-table", id="chest-table", hover=True):
            with html.Thead(), html.Tr():
                html.Th("{{ name }}", v_for="(name, n) in chest_header", key="n", **accessible(scope="col"))
            with html.Tbody(), html.Tr(v_for="(row, n) in chest_rows", key="n"):
                html.Td("{{ cell }}", v_for="(cell, m) in row", key="m", classes=("m ? 'number' : ''",))

    def _build_chart(self) -> None:
        """% of each third of the lungs as bars: right upper ... left lower."""
        with (
            html.Div(
                classes="d-flex mt-2", style="gap: 6px;", **accessible(role="img", aria_label=("chest_chart_text",))
            ),
            html.Div(v_for="bar in chest_bars", key="bar.label", classes="flex-grow-1 text-center"),
        ):
            with html.Div(
                classes="d-flex align-end justify-center",
                style=f"height: {CHART_PX}px; gap: 2px; border-bottom: 1px solid currentColor;",
            ):
                html.Div(
                    v_for="part in bar.parts",
                    key="part.title",
                    **accessible(title=("part.text",)),
                    style=(f"{{width: '12px', height: (part.share * {CHART_PX}) + 'px', background: part.color}}",),
                )
            html.Div("{{ bar.label }}", classes="text-caption")
        html.Div("% of each lung third; R, L: the patient's right and left", classes="text-caption")

    def _build_display(self) -> None:
        with (
            html.Div(classes="d-flex flex-wrap align-center mt-2", style="gap: 2px 8px;"),
            html.Div(v_for="row in chest_classes", key="row.key", classes="d-flex align-center"),
        ):
            html.Span(style=("{width: '10px', height: '10px', background: row.color, display: 'inline-block'}",))
            v3.VCheckbox(
                v_model=("chest_visible",),
                value=("row.key",),
                label=("row.name",),
                density="compact",
                hide_details=True,
            )
        with html.Div(classes="d-flex flex-wrap align-center", style="gap: 4px;"):
            with v3.VBtnToggle(v_model=("chest_window",), density="compact", mandatory=True):
                for name in WINDOWS:
                    v3.VBtn(name, value=name, size="small")
            v3.VCheckbox(v_model=("chest_outline",), label="Outline", density="compact", hide_details=True)
            v3.VCheckbox(v_model=("chest_3d",), label="3-D", density="compact", hide_details=True, id="chest-3d")
            v3.VCheckbox(v_model=("chest_crosshair",), label="Crosshair", density="compact", hide_details=True)
            v3.VCheckbox(
                v_model=("chest_heatmap",),
                label="Heat map",
                density="compact",
                hide_details=True,
                disabled=("!chest_has_heatmap",),
            )
        v3.VSlider(
            v_model=("chest_opacity",),
            min=0,
            max=100,
            step=5,
            density="compact",
            hide_details=True,
            label="Opacity",
            disabled=("chest_outline",),
            **accessible(aria_label="Opacity in %"),
        )

    def _build_lesions(self) -> None:
        with html.Div(classes="d-flex align-center mt-1", style="gap: 4px;"):
            v3.VBtn("Previous", click=(self.step, "[-1]"), size="small", variant="tonal", id="chest-previous")
            v3.VBtn("Next", click=(self.step, "[1]"), size="small", variant="tonal", id="chest-next")
            v3.VBtn("Update list", click=self.update_lesions, size="small", variant="text")
            html.Span("{{ chest_place }}", classes="text-caption")
        with (
            html.Div(
                style="max-height: 180px; overflow: auto;",
                **accessible(tabindex="0", role="region", aria_label="Lesions"),
            ),
            v3.VTable(density="compact", classes="lk-table", hover=True, id="chest-lesions"),
        ):
            with html.Thead(), html.Tr():
                html.Th("{{ name }}", v_for="(name, n) in chest_lesion_header", key="n", **accessible(scope="col"))
            with (
                html.Tbody(),
                html.Tr(
                    v_for="(lesion, n) in chest_lesions",
                    key="n",
                    click=(self.jump, "[n]"),
                    classes="clickable",
                    **accessible(tabindex="0"),
                    keydown_enter=(self.jump, "[n]"),
                ),
            ):
                html.Td("{{ cell }}", v_for="(cell, m) in lesion.cells", key="m")


def headline(measurements: dict) -> tuple[str, str]:
    """The burden, and what it is a part of; as the panel says it."""
    from CovidLungQuantLib.measurement.severity import score_text

    total = measurements["total"]
    burden, lung = total["burden_percent"], total["lung_ml"]
    return (
        f"Burden {'–' if burden is None else f'{burden:.1f}'} %",
        f"Of {'–' if lung is None else f'{lung:.0f}'} ml lung; severity score {score_text(measurements['severity'])}",
    )


def bars(measurements: dict) -> list[dict]:
    """Of each lung third its label and its parts: title, text, color, and share of the highest bar (0 to 1)."""
    from CovidLungQuantLib.results.table_rows import BARS, third_bars

    labels, series = third_bars(measurements)
    highest = max((value for values in series.values() for value in values if value), default=1.0)
    colors = {title: "#" + "".join(f"{part:02x}" for part in color) for title, color in BARS.values()}
    return [
        {
            "label": label,
            "parts": [
                {
                    "title": title,
                    "color": colors[title],
                    "share": (values[n] or 0.0) / highest,
                    "text": f"{title}, {label}: {'–' if values[n] is None else f'{values[n]:.1f}'} %",
                }
                for title, values in series.items()
            ],
        }
        for n, label in enumerate(labels)
    ]


def decision_text(decision: dict) -> str:
    """As the panel says it."""
    if decision["covid_probability"] is None:
        text = f"COVID-19 pneumonia: cannot say. {decision['reason']}"
    else:
        word = "positive" if decision["positive"] else "negative"
        percent = round(100 * decision["covid_probability"])
        text = f"COVID-19 pneumonia: probability {percent} %, {word}; not a diagnosis. {decision.get('rule', '')}"
    return f"{text} {decision.get('accuracy', '')}".strip()
