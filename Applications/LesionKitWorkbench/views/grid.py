"""The views of a page: axial, coronal and sagittal slices, linked, and 3-D when it is asked for."""

from __future__ import annotations

import slicer
from trame_slicer.core import LayoutManager
from trame_slicer.rca_view import register_rca_factories
from trame_slicer.views import Layout, LayoutDirection, ViewLayoutDefinition

from LesionKitWorkbench.session.timers import AsyncTimer

from .annotations import build_slice_annotations

SLICES, WITH_3D, PICTURE = "slices", "slices and 3-D", "picture"
QUALITY_WHILE_MOVING = 60  # of the JPEG pictures while something moves; at rest they are sent in full quality
FRAMES_PER_S, FRAMES_PER_S_ELSEWHERE = 30.0, 2.0  # of the view under the pointer, and of the others
LAYOUT_MS = 700  # until a page has laid out its views


class ViewGrid:
    """slicer_app: trame_slicer.core.SlicerApp. Views are drawn here and sent as pictures; the pointer is sent back."""

    def __init__(self, server, slicer_app):
        register_rca_factories(
            slicer_app.view_manager,
            server,
            slice_view_ui_f=_slice_view,
            three_d_view_ui_f=_threed_view,
            target_fps=FRAMES_PER_S,
            blur_fps=FRAMES_PER_S_ELSEWHERE,
            interactive_quality=QUALITY_WHILE_MOVING,
        )
        self._app, self._state = slicer_app, server.state
        self._state.has_sides = True
        self._fit_timer = AsyncTimer(LAYOUT_MS, self._fit)
        self._layouts = LayoutManager(slicer_app.scene, slicer_app.view_manager, server)
        self._layouts.register_layout_dict(_layouts(), lazy_initialization=True)
        self._layouts.set_layout(SLICES)

    def build(self, layout) -> None:
        """Put the views into the part of the page's layout that is being built."""
        self._layouts.initialize_layout_grid(layout)
        self._link()

    def show(self, volume_node) -> None:
        """The volume in all slice views, as large as they are."""
        if not self._state.has_sides:
            self._state.has_sides = True
            self._layouts.set_layout(SLICES)
        for view in self._app.view_manager.get_slice_views():
            view.set_background_volume_id(volume_node.GetID() if volume_node is not None else None)
            view._view_node.SetOrientationToDefault()
            view.fit_view_to_content()

    def show_picture(self, volume_node) -> None:
        """A picture of one slice: in the axial view alone, turned to its plane."""
        self._state.has_sides = False
        self._layouts.set_layout(PICTURE)
        view = self._app.view_manager.get_view("Red")
        view.set_background_volume_id(volume_node.GetID())
        view._view_node.RotateToVolumePlane(volume_node)
        self._fit_timer.start()

    def set_3d(self, shown: bool) -> None:
        """With or without a 3-D view; without one nothing is drawn for it."""
        self._layouts.set_layout(WITH_3D if shown else SLICES)
        self._fit_timer.start()  # the page has to lay them out first

    def _fit(self) -> None:
        """All views as large as their places are."""
        self._fit_timer.stop()
        slices = list(self._app.view_manager.get_slice_views())
        for view in slices:
            view.fit_view_to_content()
        for view in self._app.view_manager.get_views():
            if view not in slices:
                view.reset_view()

    def set_crosshair(self, shown: bool) -> None:
        """A cross in all slice views at the place of the pointer (with Shift the other views follow it)."""
        crosshair = slicer.util.getNodesByClass("vtkMRMLCrosshairNode", self._app.scene)[0]
        crosshair.SetCrosshairMode(
            slicer.vtkMRMLCrosshairNode.ShowBasic if shown else slicer.vtkMRMLCrosshairNode.NoCrosshair
        )

    def render(self) -> None:
        """Draw all views anew."""
        for view in self._app.view_manager.get_views():
            view.schedule_render()

    def _link(self) -> None:
        for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode", self._app.scene):
            node.SetLinkedControl(True)


def _layouts() -> dict[str, Layout]:
    axial, coronal = ViewLayoutDefinition.axial_view(), ViewLayoutDefinition.coronal_view()
    sagittal, threed = ViewLayoutDefinition.sagittal_view(), ViewLayoutDefinition.threed_view()

    def beside(*views) -> Layout:
        return Layout(LayoutDirection.Horizontal, [axial, Layout(LayoutDirection.Vertical, list(views))], ["2", "1"])

    return {
        SLICES: beside(coronal, sagittal),
        WITH_3D: beside(threed, coronal, sagittal),
        PICTURE: Layout(LayoutDirection.Vertical, [axial]),
    }


def _slice_view(server, view_id, view) -> None:
    _draw_fast(view)
    build_slice_annotations(server, view_id, view)


def _threed_view(_server, _view_id, view) -> None:
    _draw_fast(view)


def _draw_fast(view) -> None:
    """Without multisampling: where the processor draws, a picture takes 55 ms with it and 5 ms without (measured)."""
    view.render_window().SetMultiSamples(0)
