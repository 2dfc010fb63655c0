"""Over a slice view: the sides of the patient, the place of the slice, and a slider for whoever has no wheel."""

from __future__ import annotations

from trame.widgets import html
from trame.widgets import vuetify3 as v3

from .accessible import accessible

SIDES = {  # orientation -> left, right, top, bottom of the view, as radiologists hang them; and the axis of the slices
    "Axial": ("R", "L", "A", "P", ("S", "I")),
    "Coronal": ("R", "L", "S", "I", ("A", "P")),
    "Sagittal": ("A", "P", "S", "I", ("R", "L")),
}
PLACES = (
    "left: 6px; top: 50%;",
    "right: 6px; top: 50%;",
    "top: 4px; left: 50%;",
    "bottom: 26px; left: 50%;",
)
OVER = (
    "position: absolute; pointer-events: none; color: #fff; text-shadow: 0 0 3px #000, 0 0 3px #000; font-size: 13px;"
)
SLIDER = "position: absolute; bottom: 0; left: 8px; right: 8px; height: 22px;"


def build_slice_annotations(server, view_id: str, view) -> None:
    """server: of trame; view: trame_slicer.views.SliceView; view_id: its name on the page."""
    state, names = server.state, [f"{view_id}_{part}" for part in ("offset", "least", "most", "step", "place")]
    offset, least, most, step, place = names
    state.update(dict.fromkeys(names[:4], 0) | {most: 1, step: 1, place: ""})

    def follow(*_arguments) -> None:
        """Of the view; also when it was turned by its wheel."""
        low, high = view.get_slice_range()
        with state:
            state.update(
                {
                    offset: round(view.get_slice_value(), 2),
                    least: low,
                    most: high,
                    step: view.get_slice_step() or 1,
                    place: place_text(view.get_orientation(), view.get_slice_value()),
                }
            )

    view.modified.connect(follow)
    state.change(offset)(lambda **changed: _move(view, changed[offset]))
    # not on a picture, whose sides nobody has established
    for letter, where in zip(SIDES.get(view.get_orientation(), ("", "", "", ""))[:4], PLACES, strict=True):
        html.Div(letter, style=f"{OVER} {where}", v_if=("has_sides",))
    html.Div(f"{{{{ {place} }}}}", style=f"{OVER} top: 4px; left: 8px;", classes="lk-place", v_if=("has_sides",))
    v3.VSlider(
        v_model=(offset,),
        min=(least,),
        max=(most,),
        step=(step,),
        density="compact",
        hide_details=True,
        style=SLIDER,
        thumb_size=10,
        track_size=2,
        color="grey-lighten-1",
        **accessible(aria_label=f"Slice of the {view.get_orientation()} view"),
    )


def place_text(orientation: str, offset: float) -> str:
    """Such as "Axial, S 12.5 mm". offset: mm along the axis of the slices (RAS), as Slicer counts it."""
    positive, negative = SIDES.get(orientation, ("", "", "", "", ("+", "-")))[4]
    return f"{orientation}, {positive if offset >= 0 else negative} {abs(offset):.1f} mm"


def _move(view, offset: float) -> None:
    if abs(view.get_slice_value() - float(offset)) > 0.01:
        view.set_slice_value(float(offset))
