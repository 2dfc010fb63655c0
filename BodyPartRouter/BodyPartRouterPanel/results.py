"""The table of images: look at one, correct its class, open it where it belongs."""

from __future__ import annotations

import os

import qt
import slicer
from slicer.i18n import tr as _

from LesionKitPanel.slots import slot
from LesionKitPanel.texts import show_text

WIDTHS = (116, 78, 42, 56)  # pixels of all columns but the last, which takes the rest of a panel of 380
NEEDS_A_PERSON = (200, 90, 0)  # red, green, blue
MISMATCH = (190, 0, 0)


class ResultsSection:
    """Shows Entries. on_corrected(): a class was changed by hand."""

    def __init__(self, ui, logic, entries):
        self.ui, self.logic, self._entries = ui, logic, entries
        self._network = ""
        self._titles = (_("Image"), _("Class"), _("Prob."), _("Agrees"), _("To"))
        table = ui.imagesTableWidget
        table.setColumnCount(len(self._titles))
        table.setHorizontalHeaderLabels(list(self._titles))
        table.horizontalHeader().setStretchLastSection(True)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(44)
        table.setIconSize(qt.QSize(40, 40))
        table.setTextElideMode(qt.Qt.ElideMiddle)  # the end of a file's name tells as much as its beginning
        for column, width in enumerate(WIDTHS):
            table.setColumnWidth(column, width)
        for index, title in enumerate(logic.classTitles().values()):
            ui.classComboBox.insertItem(index, title)
        ui.labelsPathLineEdit.currentPath = os.path.join(os.path.expanduser("~"), "LesionKit", "router-labels.csv")
        table.connect("itemSelectionChanged()", self._on_selected)
        ui.correctButton.connect("clicked(bool)", self._on_correct)
        ui.showButton.connect("clicked(bool)", self._on_show)
        ui.openButton.connect("clicked(bool)", self._on_open)
        ui.heatmapCheckBox.connect("toggled(bool)", self._on_heatmap)
        self.show()

    def setNetwork(self, network: str) -> None:
        """The network that a correction is noted with."""
        self._network = network

    def show(self) -> None:
        """Fill the table anew; the selection stays where the list is as long as before."""
        table, entries = self.ui.imagesTableWidget, self._entries.all
        keep = self._rows() if table.rowCount == len(entries) else []
        table.setRowCount(len(entries))
        for row in range(len(entries)):
            self._fill(row)
        table.clearSelection()
        for row in keep[:1]:
            table.selectRow(row)
        section = self.ui.resultsCollapsibleButton
        section.enabled = bool(entries)
        section.collapsed = not entries
        self._on_selected()

    def close(self) -> None:
        """Nothing of a patient stays behind."""
        self.logic.removeThumbnails()

    # the table --------------------------------------------------------------------------------------------------------

    def _fill(self, row: int) -> None:
        entry, examined = self._entries.all[row], self._entries.examined(row)
        record = self.logic.recordOf(examined, entry.routed)
        titles = self.logic.classTitles()
        name = titles.get(record["class"]) or (_("Needs a person") if not examined.error else _("Cannot be read"))
        if entry.label:
            name = _("{name} (by hand)").format(name=name)
        probability = "–" if record["probability"] is None else f"{record['probability']:.2f}"
        agrees = {True: _("yes"), False: _("no"), None: "–"}[record["agrees"]]
        header = _("The header says: {part}").format(part=record["header_body_part"] or "–")
        destination = record["destination"] or self._without_destination(record, entry.routed)
        cells = (  # text, tool tip
            (examined.path.name, str(examined.path.name)),
            (name, name),
            ("–" if entry.label else probability, _("Probability of the class")),
            (agrees, header),
            (_short(destination), destination),
        )
        for column, (text, tip) in enumerate(cells):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(tip)
            if column == 1 and record["held"]:
                item.setForeground(qt.QBrush(qt.QColor(*NEEDS_A_PERSON)))
            if column == 3 and record["agrees"] is False:
                item.setForeground(qt.QBrush(qt.QColor(*MISMATCH)))
            if column == 0 and examined.thumbnail:
                item.setIcon(qt.QIcon(str(examined.thumbnail)))
            self.ui.imagesTableWidget.setItem(row, column, item)

    def _without_destination(self, record: dict, routed) -> str:
        if routed is None:
            return "–"
        return record["reason"] or _("stays where it is")

    def _rows(self) -> list[int]:
        selection = self.ui.imagesTableWidget.selectionModel().selectedRows()
        return sorted(index.row() for index in selection)

    def _row(self) -> int | None:
        rows = self._rows()
        return rows[0] if rows and rows[0] < len(self._entries.all) else None

    @slot
    def _on_selected(self) -> None:
        rows, row = self._rows(), self._row()
        readable = row is not None and self._entries.all[row].raw.error is None
        show_text(self.ui.selectionLabel, self._about(row) if row is not None else _("Select an image."))
        for name in ("showButton", "heatmapCheckBox", "openButton"):
            getattr(self.ui, name).enabled = readable and len(rows) == 1
        module = self._module(row) if row is not None else ""
        self.ui.openButton.enabled = len(rows) == 1 and bool(module)
        self.ui.openButton.text = _("Open in {module}").format(module=module) if module else _("Open in module")
        self.ui.openButton.toolTip = (
            _("Load the image and go to this module.") if module else _("Its rule names none; make a dry run first.")
        )
        can_correct = bool(rows) and all(not self._entries.all[one].raw.in_memory for one in rows)
        self.ui.classComboBox.enabled = self.ui.correctButton.enabled = can_correct
        if readable and self.ui.heatmapCheckBox.checked and len(rows) == 1:
            self._show_heatmap(row)

    def _about(self, row: int) -> str:
        examined, entry = self._entries.examined(row), self._entries.all[row]
        remarks = list(examined.agreement.remarks) if examined.agreement else []
        routed = [entry.routed.problem] if entry.routed is not None and entry.routed.problem else []
        lines = [examined.reason or "", *remarks, *examined.notes, *routed]
        return " ".join(line for line in lines if line) or examined.path.name

    def _module(self, row: int) -> str:
        return self.logic.moduleOf(self._entries.all[row].routed)

    # what can be done with a line -------------------------------------------------------------------------------------

    @slot
    def _on_correct(self, _checked=False) -> None:
        label = list(self.logic.classTitles())[self.ui.classComboBox.currentIndex]
        path = self.ui.labelsPathLineEdit.currentPath.strip()
        if not path:
            raise ValueError(_("Choose a file for the labels."))
        rows = self._rows()
        for row in rows:
            self.logic.correct(self._entries.all[row].raw, label, path, self._network)
        self.ui.labelsPathLineEdit.addCurrentPathToHistory()
        self._entries.correct(rows, label)

    @slot
    def _on_show(self, _checked=False) -> None:
        row = self._row()
        if row is not None:
            self.logic.show(self._entries.all[row].raw)

    @slot
    def _on_heatmap(self, checked: bool) -> None:
        from LesionKitLib.mrml.views import lay_over

        row = self._row()
        if checked and row is not None:
            self._show_heatmap(row)
        elif not checked:
            lay_over(slicer.mrmlScene, None, opacity=0.0)

    def _show_heatmap(self, row: int) -> None:
        from LesionKitLib.mrml.views import lay_over

        entry = self._entries.all[row]
        lay_over(slicer.mrmlScene, self.logic.showHeatmap(entry.raw, entry.label), opacity=0.4)

    @slot
    def _on_open(self, _checked=False) -> None:
        row = self._row()
        module = self._module(row) if row is not None else ""
        if module:
            self.logic.openIn(self._entries.all[row].raw, module)
            slicer.util.selectModule(module)


def _short(destination: str) -> str:
    """Of a file that will lie in a folder only the folder's name; the tool tip tells the rest."""
    return ", ".join(_folder(part) if os.path.isabs(part) else part for part in destination.split(", "))


def _folder(path: str) -> str:
    return f"{os.path.basename(os.path.dirname(path))}/"
