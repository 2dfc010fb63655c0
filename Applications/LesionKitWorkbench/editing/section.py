"""Edit: tools, brush, undo and redo, revert to AI, review; the same steps and words as the panels' section Edit."""

from __future__ import annotations

import slicer
from trame.widgets import html
from trame.widgets import vuetify3 as v3
from trame_slicer.segmentation import (
    SegmentationEffectDraw,
    SegmentationEffectErase,
    SegmentationEffectIslands,
    SegmentationEffectNoTool,
    SegmentationEffectPaint,
    SegmentationEffectScissors,
    SegmentationEffectSmoothing,
    SegmentationEffectThreshold,
)
from trame_slicer.segmentation.segmentation_effect_islands import SegmentationIslandsMode
from trame_slicer.segmentation.segmentation_effect_smoothing import SmoothingEffectMode

from LesionKitWorkbench.session.messages import told
from LesionKitWorkbench.session.timers import AsyncTimer
from LesionKitWorkbench.views.accessible import accessible

from .grow_from_seeds import grow_from_seeds
from .history import EditHistory
from .teaching import Teacher

STROKES = ("Paint", "Draw", "Erase")  # that can teach
UNDO_STATES = 30  # as in the panels
DRAWING_MS = 60  # one stroke fires several events
TOOLS = {  # as on the page -> icon, effect
    "Look": ("mdi-cursor-default", SegmentationEffectNoTool),
    "Paint": ("mdi-brush", SegmentationEffectPaint),
    "Draw": ("mdi-draw", SegmentationEffectDraw),
    "Erase": ("mdi-eraser", SegmentationEffectErase),
    "Threshold": ("mdi-contrast-circle", SegmentationEffectThreshold),
    "Scissors": ("mdi-content-cut", SegmentationEffectScissors),
    "Islands": ("mdi-chart-scatter-plot", SegmentationEffectIslands),
    "Smoothing": ("mdi-blur", SegmentationEffectSmoothing),
}
GROUND_GLASS_HU = (-900.0, -300.0)  # as the panel's brush for ground glass
MEDIAN_MM = 3.0  # kernel of Smoothing
SMALL_ISLAND_VOXELS = 50


class EditSection:
    """session: LesionKitWorkbench.session.session.Session; logic: of the module; tab: its name, which the state's names
    begin with. on_review(): review marks were set or taken away. lungs: a chest CT, whose brush may stay inside the
    lungs and on voxels of ground-glass density."""

    def __init__(self, session, logic, tab: str, on_review, lungs: bool = True):
        self.session, self.logic, self._tab = session, logic, tab
        self._on_review, self._lungs = on_review, lungs
        self.editor = session.slicer_app.segmentation_editor
        self._history: EditHistory | None = None
        self._teacher: Teacher | None = None
        self._watched: list = []
        self._watch_timer = AsyncTimer(DRAWING_MS, self._note_drawing)
        self._segmentation = self._volume = None
        state = session.state
        state.update(
            {
                f"{tab}_tool": "Look",
                f"{tab}_brush_mm": 12,
                f"{tab}_sphere": False,
                f"{tab}_teach": False,
                f"{tab}_segment": "",
                f"{tab}_segments": [],
                f"{tab}_inside": lungs,
                f"{tab}_hu_brush": False,
                f"{tab}_can_undo": False,
                f"{tab}_can_redo": False,
                f"{tab}_range": [-900, -300] if lungs else [100, 600],
                f"{tab}_edit_state": "",
                f"{tab}_reviewed": False,
            }
        )
        state.change(f"{tab}_tool")(lambda **_: self._set_tool())
        state.change(f"{tab}_brush_mm", f"{tab}_sphere")(lambda **_: self._set_brush())
        state.change(f"{tab}_segment")(lambda **_: self._set_segment())
        state.change(f"{tab}_inside", f"{tab}_hu_brush")(lambda **_: self._set_mask())
        state.change(f"{tab}_range")(lambda **_: self._set_range())

    # what the tab calls -----------------------------------------------------------------------------------------------

    def edit(self, segmentation, volume, is_measured: bool = True) -> None:
        """Edit this segmentation on this image from now on; None: nothing. is_measured: note() is called after each
        edit; a drawing that nobody measures is looked at here."""
        self._watch(None if is_measured else segmentation)
        self._segmentation, self._volume = segmentation, volume
        with self.session.state as state:
            if segmentation is None:
                self._history = None
                self.editor.deactivate_effect()
                state.update(
                    {
                        f"{self._tab}_segments": [],
                        f"{self._tab}_segment": "",
                        f"{self._tab}_tool": "Look",
                        f"{self._tab}_edit_state": "",
                        f"{self._tab}_can_undo": False,
                        f"{self._tab}_can_redo": False,
                    }
                )
                return
            self.editor.set_active_segmentation(segmentation, volume)
            self._history = EditHistory(segmentation, volume, self.logic.liveGroups(), UNDO_STATES)
            self._teacher = Teacher(self.logic, segmentation, volume)
            self._list_segments()
            state[f"{self._tab}_tool"] = "Look"
            if state[f"{self._tab}_segment"] not in {row["id"] for row in state[f"{self._tab}_segments"]}:
                state[f"{self._tab}_segment"] = self._first_lesion()
            self._set_segment()
            self._set_mask()
        self.show_state()

    def _watch(self, segmentation) -> None:
        """Note each edit of a drawing by itself."""
        for watched, tag in self._watched:
            watched.RemoveObserver(tag)
        self._watch_timer.stop()
        self._watched = []
        if segmentation is not None:
            content = segmentation.GetSegmentation()
            event = slicer.vtkSegmentation.SourceRepresentationModified
            self._watched = [(content, content.AddObserver(event, lambda *_: self._watch_timer.start()))]
            self._watch_timer.start()

    def _note_drawing(self) -> None:
        from LesionKitLib.mrml.segmentations import read_labels

        self._watch_timer.stop()
        self.note(tuple(read_labels(self._segmentation, self._volume, group) for group in self.logic.liveGroups()))
        self.show_state()

    def note(self, labels) -> None:
        """After an edit was counted; labels: of LiveMeasurement."""
        if self._history is None or labels is None:
            return
        before = self._history.note(labels)
        taught = self.session.state[f"{self._tab}_teach"] and self.session.state[f"{self._tab}_tool"] in STROKES
        if before is not None and taught:
            answer = self._teacher.answer(before, labels)
            if answer is not None:
                self._history.replace(len(labels) - 1, answer)

    def show_state(self) -> None:
        """Number of edits, and whether a person has reviewed the result."""
        from LesionKitLib.mrml.editing import editing_summary

        if self._segmentation is None:
            return
        told_now = editing_summary(self._segmentation)
        seconds, reviewed = round(told_now["edit_seconds"]), told_now["reviewed"]
        with self.session.state as state:
            state[f"{self._tab}_reviewed"] = reviewed
            state[f"{self._tab}_edit_state"] = (
                f"Edits: {told_now['edits']}, in {seconds // 60} min {seconds % 60} s. "
                f"{'Reviewed by a person' if reviewed else 'Not reviewed'}."
            )
        self._show_undo()

    def build(self) -> None:
        """The section's part of the page."""
        html.Div("There is no result to correct.", v_if=(f"!{self._tab}_segments.length",), classes="text-caption")
        with html.Div(v_if=(f"{self._tab}_segments.length",)):
            self._build_tools()

    def _build_tools(self) -> None:
        tab = self._tab
        with v3.VSelect(
            v_model=(f"{tab}_segment",),
            items=(f"{tab}_segments",),
            item_title="name",
            item_value="id",
            label="Segment",
            density="compact",
            hide_details=True,
            classes="mb-2",
            id=f"{tab}-segment",
        ):
            pass
        with html.Div(
            classes="d-flex flex-wrap", style="gap: 4px;", **accessible(role="toolbar", aria_label="Editing tools")
        ):
            for name, (icon, _effect) in TOOLS.items():
                v3.VBtn(
                    icon=icon,
                    click=f"{tab}_tool = '{name}'",
                    size="small",
                    rounded="sm",
                    id=f"{tab}-tool-{name.lower()}",
                    color=(f"{tab}_tool === '{name}' ? 'primary' : undefined",),
                    variant=(f"{tab}_tool === '{name}' ? 'flat' : 'tonal'",),
                    **accessible(
                        title=name, aria_label=name, aria_pressed=(f"{tab}_tool === '{name}' ? 'true' : 'false'",)
                    ),
                )
            v3.VBtn(
                icon="mdi-undo",
                click=self.undo,
                size="small",
                rounded="sm",
                variant="tonal",
                **accessible(title="Undo (Ctrl+Z)", aria_label="Undo"),
                disabled=(f"!{tab}_can_undo",),
                id=f"{tab}-undo",
            )
            v3.VBtn(
                icon="mdi-redo",
                click=self.redo,
                size="small",
                rounded="sm",
                variant="tonal",
                **accessible(title="Redo (Ctrl+Y)", aria_label="Redo"),
                disabled=(f"!{tab}_can_redo",),
                id=f"{tab}-redo",
            )
        self._build_options()
        with html.Div(classes="d-flex flex-wrap mt-1", style="gap: 4px;"):
            v3.VBtn("Grow from seeds", click=self.grow, size="small", variant="tonal", id=f"{tab}-grow")
            v3.VBtn("Revert to AI", click=self.revert, size="small", variant="tonal", id=f"{tab}-revert")
            v3.VBtn(
                f"{{{{ {tab}_reviewed ? 'Reviewed' : 'Mark as reviewed' }}}}",
                click=self.review,
                size="small",
                variant=(f"{tab}_reviewed ? 'flat' : 'tonal'",),
                id=f"{tab}-review",
            )
        html.Div(f"{{{{ {tab}_edit_state }}}}", classes="text-caption mt-1", id=f"{tab}-edit-state")

    def _build_options(self) -> None:
        tab, unit = self._tab, "HU" if self._lungs else ""
        brushes = f"['Paint', 'Erase', 'Smoothing'].includes({tab}_tool)"
        with html.Div(v_if=(brushes,), classes="d-flex align-center"):
            v3.VSlider(
                v_model=(f"{tab}_brush_mm",),
                min=2,
                max=60,
                step=1,
                density="compact",
                hide_details=True,
                label="Brush",
                **accessible(aria_label="Diameter of the brush in mm"),
            )
            html.Span(f"{{{{ {tab}_brush_mm }}}} mm", classes="text-caption mx-2 number")
            v3.VCheckbox(v_model=(f"{tab}_sphere",), label="Ball", density="compact", hide_details=True)
        v3.VCheckbox(
            v_model=(f"{tab}_teach",),
            label="Teach: a stroke also takes what is alike near it",
            density="compact",
            hide_details=True,
            id=f"{tab}-teach",
            v_if=(f"['Paint', 'Draw', 'Erase'].includes({tab}_tool)",),
        )
        with html.Div(v_if=("true" if self._lungs else "false",), classes="d-flex"):
            v3.VCheckbox(v_model=(f"{tab}_inside",), label="Inside the lungs", density="compact", hide_details=True)
            v3.VCheckbox(
                v_model=(f"{tab}_hu_brush",),
                label="Ground glass (HU)",
                density="compact",
                hide_details=True,
                **accessible(title="Change only voxels from -900 to -300 HU"),
            )
        with html.Div(v_if=(f"{tab}_tool === 'Threshold'",), classes="d-flex align-center"):
            v3.VRangeSlider(
                v_model=(f"{tab}_range",),
                min=-1024 if self._lungs else 0,
                max=300 if self._lungs else 2000,
                step=1,
                density="compact",
                hide_details=True,
                strict=True,
                **accessible(aria_label="Range of values"),
            )
            html.Span(
                f"{{{{ {tab}_range[0] }}}} to {{{{ {tab}_range[1] }}}} {unit}", classes="text-caption mx-2 number"
            )
            v3.VBtn("Use", click=self.apply_threshold, size="small", variant="tonal")
        with html.Div(v_if=(f"{tab}_tool === 'Islands'",), classes="d-flex", style="gap: 4px;"):
            v3.VBtn("Keep largest", click=(self.islands, "['KEEP_LARGEST_ISLAND']"), size="small", variant="tonal")
            v3.VBtn("Remove small", click=(self.islands, "['REMOVE_SMALL_ISLANDS']"), size="small", variant="tonal")
        with html.Div(v_if=(f"{tab}_tool === 'Smoothing'",), classes="d-flex"):
            v3.VBtn("Smooth the segment", click=self.smooth, size="small", variant="tonal")

    def choose(self, tool: str) -> None:
        """Take up a tool of TOOLS, as with its button."""
        if self._segmentation is not None:
            with self.session.state as state:
                state[f"{self._tab}_tool"] = tool
            self._set_tool()

    # commands ---------------------------------------------------------------------------------------------------------

    @told
    def undo(self) -> None:
        if self._history is not None:
            self._history.undo()

    @told
    def redo(self) -> None:
        if self._history is not None:
            self._history.redo()

    @told
    def apply_threshold(self) -> None:
        self._active(SegmentationEffectThreshold).apply()

    @told
    def islands(self, mode: str) -> None:
        effect = self._active(SegmentationEffectIslands)
        effect.set_minimum_island_size(SMALL_ISLAND_VOXELS)
        effect.apply(SegmentationIslandsMode[mode])

    @told
    def smooth(self) -> None:
        effect = self._active(SegmentationEffectSmoothing)
        effect.set_kernel_size(MEDIAN_MM)
        effect.apply_smoothing(None, SmoothingEffectMode.MEDIAN)

    @told
    def grow(self) -> None:
        """Let the lesion segments grow from what is drawn of them now."""
        segment_ids = [row["id"] for row in self.session.state[f"{self._tab}_segments"] if not row["lung"]]
        grow_from_seeds(self.editor, self._segmentation, self._volume, segment_ids)

    @told
    def revert(self) -> None:
        """Bring back what the network found for the chosen segment; undo takes it back."""
        from LesionKitLib.mrml.originals import read_original

        segment_id = self.session.state[f"{self._tab}_segment"]
        original = read_original(self._segmentation) if self._segmentation is not None else None
        label = self._label_of(segment_id)
        if original is None or label is None or not original.fits(self._volume):
            raise ValueError("What the network found is not kept with this segment.")
        found = original.labels([label.key], [1])
        self.editor.active_segment_modifier.set_segment_labelmap(segment_id, (found == 1).astype("uint8"))

    @told
    def review(self) -> None:
        from LesionKitLib.mrml.editing import set_reviewed

        reviewed = not self.session.state[f"{self._tab}_reviewed"]
        for segment_id in self._segmentation.GetSegmentation().GetSegmentIDs() if self._segmentation else ():
            set_reviewed(self._segmentation, segment_id, reviewed)
        self.show_state()
        self._on_review()

    # state -> editor --------------------------------------------------------------------------------------------------

    def _active(self, effect: type):
        if self._segmentation is None:
            raise ValueError("There is no result to correct.")
        return self.editor.set_active_effect_type(effect)

    @told
    def _set_tool(self) -> None:
        if self._segmentation is None:
            return
        name = self.session.state[f"{self._tab}_tool"]
        self.editor.set_active_effect_type(TOOLS[name][1])
        self._set_brush()
        self._set_range()

    @told
    def _set_brush(self) -> None:
        from trame_slicer.segmentation import BrushDiameterMode

        effect = self.editor.active_effect
        if hasattr(effect, "set_brush_diameter"):
            state = self.session.state
            effect.set_brush_diameter(float(state[f"{self._tab}_brush_mm"]), BrushDiameterMode.Absolute)
            effect.set_use_sphere_brush(bool(state[f"{self._tab}_sphere"]))

    @told
    def _set_segment(self) -> None:
        segment_id = self.session.state[f"{self._tab}_segment"]
        if self._segmentation is not None and segment_id:
            self.editor.set_active_segment_id(segment_id)

    @told
    def _set_mask(self) -> None:
        state, modes, node = self.session.state, slicer.vtkMRMLSegmentationNode, self.editor.editor_node
        inside = state[f"{self._tab}_inside"]
        node.SetMaskMode(modes.EditAllowedInsideAllSegments if inside else modes.EditAllowedEverywhere)
        node.SetSourceVolumeIntensityMaskRange(*GROUND_GLASS_HU)
        node.SetSourceVolumeIntensityMask(bool(state[f"{self._tab}_hu_brush"]))

    @told
    def _set_range(self) -> None:
        effect = self.editor.active_effect
        if isinstance(effect, SegmentationEffectThreshold):
            effect.set_threshold_min_max_values(tuple(float(v) for v in self.session.state[f"{self._tab}_range"]))

    # editor -> state --------------------------------------------------------------------------------------------------

    def _show_undo(self) -> None:
        with self.session.state as state:
            state[f"{self._tab}_can_undo"] = self._history is not None and self._history.can_undo
            state[f"{self._tab}_can_redo"] = self._history is not None and self._history.can_redo

    def _list_segments(self) -> None:
        content = self._segmentation.GetSegmentation()
        lungs = {label.key for label in self.logic.liveGroups()[0]} if len(self.logic.liveGroups()) > 1 else set()
        rows = []
        for segment_id in content.GetSegmentIDs():
            label = self._label_of(segment_id)
            name = content.GetSegment(segment_id).GetName()
            rows.append({"id": segment_id, "name": name, "lung": label is not None and label.key in lungs})
        self.session.state[f"{self._tab}_segments"] = rows

    def _first_lesion(self) -> str:
        from LesionKitLib.mrml.segmentations import segments_of

        lesions = [i for label in self.logic.liveGroups()[-1] for i in segments_of(self._segmentation, label)]
        rows = self.session.state[f"{self._tab}_segments"]
        return lesions[0] if lesions else rows[0]["id"] if rows else ""

    def _label_of(self, segment_id: str):
        from LesionKitLib.mrml.segmentations import segments_of

        for group in self.logic.liveGroups():
            for label in group:
                if segment_id in segments_of(self._segmentation, label):
                    return label
        return None
