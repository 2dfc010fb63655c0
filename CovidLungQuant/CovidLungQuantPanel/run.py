"""Apply and Cancel for a chest CT."""

from __future__ import annotations

from slicer.i18n import tr as _

from LesionKitPanel import run


class RunSection(run.RunSection):
    """See LesionKitPanel.run."""

    def __init__(self, ui, logic, on_result, on_changed):
        stages = {
            "checking the image": _("Checking the image"),
            "finding the lungs": _("Finding the lungs"),
            "segmenting": _("Segmenting"),
            "cleaning the masks": _("Cleaning the masks"),
            "bringing labels to the image": _("Bringing labels to the image"),
            "measuring": _("Measuring"),
            "done": _("Done"),
        }
        super().__init__(ui, logic, on_result, on_changed, self._prepare_ct, stages, _("Choose a CT volume."))

    def nameChoices(self) -> None:
        """Readable names in place of the parameters' values."""
        names = {
            "convlstm": _("ConvLSTM (lesions and volumes)"),
            "jcs": _("JCS (also a decision and a heat map)"),
            "multitask": _("Multi-task (also a decision)"),
            "ensemble": _("All together (the mean of the three)"),
        }
        run.name_choices((self.ui.networkComboBox, self.ui.deviceComboBox), names)

    def _prepare_ct(self, parameters):
        return self.logic.prepare(parameters.inputVolume, parameters.network, parameters.device)
