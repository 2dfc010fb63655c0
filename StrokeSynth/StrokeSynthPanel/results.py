"""Volume and components of a stroke, in numbers that follow every edit."""

from __future__ import annotations

from slicer.i18n import tr as _

from LesionKitPanel import results
from LesionKitPanel.slots import slot


class ResultsSection(results.ResultsSection):
    """on_labels(node): a label map of the result was made, to synthesize from. See LesionKitPanel.results."""

    def __init__(self, ui, logic, on_counts, on_labels):
        from StrokeSynthLib.labels import BRAIN, LESION, TISSUES

        self._on_labels = on_labels
        checks = {
            ui.showLesionCheckBox: (LESION,), ui.showBrainCheckBox: (BRAIN,), ui.showTissuesCheckBox: TISSUES,
        }  # fmt: skip
        super().__init__(ui, logic, on_counts, headline, checks, (LESION,))
        ui.useLabelsButton.connect("clicked(bool)", self._on_use_labels)

    def _show_nodes(self) -> None:
        super()._show_nodes()
        self._on_renewed()  # the list of components follows every edit

    @slot
    def _on_use_labels(self, _checked=False) -> None:
        if self._segmentation is not None:
            self._on_labels(self.logic.labelMapOf(self._segmentation))


def headline(measurements: dict) -> tuple[str, str]:
    """The volume of the lesion, and what it consists of."""
    return _("Stroke {ml:.1f} ml").format(ml=measurements["lesion_ml"]), detail(measurements)


def detail(found: dict) -> str:
    """Components, side and share of the brain of measurements.measure, for people."""
    sides = {"left": _("left side"), "right": _("right side"), "both": _("both sides")}
    components = _("1 component") if found["lesions"] == 1 else _("{count} components").format(count=found["lesions"])
    side = sides.get(found["side"], "")
    if any(component["side"] != found["side"] for component in found["components"]) and found["side"] in (
        "left",
        "right",
    ):
        side = {"left": _("mostly on the left"), "right": _("mostly on the right")}[found["side"]]
    parts = [components, side] if found["lesions"] else [_("No lesion")]
    if found["lesion_percent"] is not None:
        share = _("{percent:.1f} % of {ml:.0f} ml brain")
        parts.append(share.format(percent=found["lesion_percent"], ml=found["brain_ml"]))
    return ", ".join(parts)
