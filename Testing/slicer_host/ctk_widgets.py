"""Stand-ins for the widgets of CTK, the toolkit below Slicer: the module ``ctk``."""

from __future__ import annotations

import qt
from PySide6.QtCore import Property, Signal
from PySide6.QtWidgets import QStyle, QStyleOptionButton

from .standins import StandIn, forwarded, stored

HEADER = 26  # pixels, of a ctkCollapsibleButton
STEPS = 10000  # of the slider in a ctkSliderWidget


class ctkCollapsibleButton(StandIn, qt.QAbstractButton):
    """A header that shows or hides what lies below it."""

    SIGNALS = {"contentsCollapsed(bool)"}
    contentsCollapsed = Signal(bool)
    flat = stored(bool, False)
    collapsedHeight = stored(int, 0)

    def __init__(self, text=None, parent=None):
        if isinstance(text, qt.QWidget):
            text, parent = None, text
        super().__init__(parent)
        if text is not None:
            self.text = text
        self.checkable = True
        self.checked = True
        self.setContentsMargins(0, HEADER, 0, 0)
        self.setSizePolicy(qt.QSizePolicy.Preferred, qt.QSizePolicy.Maximum)
        self.toggled.connect(self._on_toggled)

    def _get_collapsed(self):
        return not self.checked

    def _set_collapsed(self, collapsed):
        self.checked = not collapsed

    collapsed = Property(bool, _get_collapsed, _set_collapsed)

    def _on_toggled(self, is_open):
        # the contents are cut off rather than hidden, so that a module may show and hide them all the while
        self.setMaximumHeight(16777215 if is_open else HEADER + 2)
        self.updateGeometry()
        self.contentsCollapsed.emit(not is_open)

    def hitButton(self, position):
        return position.y() < HEADER

    def sizeHint(self):
        inner = self.layout().totalSizeHint() if self.layout() is not None and self.checked else qt.QSize(0, 0)
        return qt.QSize(max(inner.width(), 120), max(inner.height(), HEADER))

    def minimumSizeHint(self):
        inner = self.layout().totalMinimumSize() if self.layout() is not None and self.checked else qt.QSize(0, 0)
        return qt.QSize(max(inner.width(), 60), max(inner.height(), HEADER))

    def paintEvent(self, _event):
        painter = qt.QPainter(self)
        option = QStyleOptionButton()
        option.initFrom(self)
        option.rect = qt.QRect(0, 0, self.width, HEADER)
        option.state |= QStyle.StateFlag.State_Raised
        self.style().drawControl(QStyle.ControlElement.CE_PushButtonBevel, option, painter, self)
        arrow = (
            QStyle.PrimitiveElement.PE_IndicatorArrowDown
            if self.checked
            else (QStyle.PrimitiveElement.PE_IndicatorArrowRight)
        )
        option.rect = qt.QRect(6, 6, HEADER - 12, HEADER - 12)
        self.style().drawPrimitive(arrow, option, painter, self)
        text_area = qt.QRect(HEADER, 0, self.width - HEADER, HEADER)
        painter.drawText(text_area, int(qt.Qt.AlignVCenter) | int(qt.Qt.TextShowMnemonic), self.text)
        painter.end()


class ctkCollapsibleGroupBox(StandIn, qt.QGroupBox):
    """A group box whose check mark opens and closes it."""

    def __init__(self, title=None, parent=None):
        if isinstance(title, qt.QWidget):
            title, parent = None, title
        super().__init__(parent)
        if title is not None:
            self.title = title
        self.checkable = True
        self.toggled.connect(self._on_toggled)

    def _on_toggled(self, is_open):
        self.setMaximumHeight(16777215 if is_open else 24)

    collapsed = Property(bool, lambda self: not self.checked, lambda self, value: setattr(self, "checked", not value))


class ctkSliderWidget(StandIn, qt.QWidget):
    """A slider and a spin box that show one number."""

    SIGNALS = {"valueChanged(double)", "valueIsChanging(double)", "decimalsChanged(int)"}
    valueChanged, valueIsChanging, decimalsChanged = Signal(float), Signal(float), Signal(int)
    value = forwarded(float, "_box")
    minimum = forwarded(float, "_box")
    maximum = forwarded(float, "_box")
    singleStep = forwarded(float, "_box")
    decimals = forwarded(int, "_box")
    prefix = forwarded(str, "_box")
    suffix = forwarded(str, "_box")
    tickInterval = stored(float, 0.0)
    pageStep = stored(float, 1.0)
    tracking = stored(bool, True)
    spinBoxVisible = stored(bool, True, "_show_box")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider = qt.QSlider(qt.Qt.Horizontal, self)
        self._slider.maximum = STEPS
        self._box = qt.QDoubleSpinBox(self)
        row = qt.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._slider)
        row.addWidget(self._box)
        self._is_following = False
        self._box.valueChanged.connect(self._on_box)
        self._slider.valueChanged.connect(self._on_slider)

    def setValue(self, value):
        self.value = value

    def setDecimals(self, decimals):
        self.decimals = decimals

    def setSpinBoxVisible(self, visible):
        self.spinBoxVisible = visible

    def _show_box(self):
        self._box.visible = self.spinBoxVisible

    def _on_box(self, value):
        span = self.maximum - self.minimum
        self._is_following = True
        self._slider.value = round(STEPS * (value - self.minimum) / span) if span > 0 else 0
        self._is_following = False
        self.valueIsChanging.emit(value)
        self.valueChanged.emit(value)

    def _on_slider(self, position):
        if not self._is_following:
            self.value = self.minimum + position * (self.maximum - self.minimum) / STEPS


class ctkDoubleSpinBox(StandIn, qt.QWidget):
    """A spin box that real CTK wraps in a widget of its own."""

    SIGNALS = {"valueChanged(double)", "decimalsChanged(int)", "editingFinished()"}
    valueChanged, decimalsChanged, editingFinished = Signal(float), Signal(int), Signal()
    value = forwarded(float, "_box")
    minimum = forwarded(float, "_box")
    maximum = forwarded(float, "_box")
    singleStep = forwarded(float, "_box")
    decimals = forwarded(int, "_box")
    prefix = forwarded(str, "_box")
    suffix = forwarded(str, "_box")
    readOnly = forwarded(bool, "_box")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._box = qt.QDoubleSpinBox(self)
        row = qt.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._box)
        self._box.valueChanged.connect(self.valueChanged)
        self._box.editingFinished.connect(self.editingFinished)

    def setValue(self, value):
        self.value = value


class ctkPathLineEdit(StandIn, qt.QWidget):
    """A path, with a button that asks for one."""

    SIGNALS = {"currentPathChanged(QString)", "validInputChanged(bool)"}
    currentPathChanged, validInputChanged = Signal(str), Signal(bool)
    currentPath = forwarded(str, "_edit", "text")
    nameFilters = stored("QStringList", [])
    settingKey = stored(str, "")
    label = stored(str, "")
    minimumContentsLength = stored(int, 0)
    showBrowseButton = stored(bool, True, "_show_button")
    showHistoryButton = stored(bool, True)
    # values of QDir's filter; what .ui files spell as ctkPathLineEdit::Dirs and so on
    filters = stored(int, 0)
    Dirs, Files, Readable, Writable, Executable = 1, 2, 16, 32, 64

    def __init__(self, parent=None):
        super().__init__(parent)
        self._edit = qt.QLineEdit(self)
        self._button = qt.QToolButton(self)
        self._button.text = "..."
        row = qt.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._edit)
        row.addWidget(self._button)
        self._edit.textChanged.connect(self.currentPathChanged)
        self._button.connect("clicked()", self.browse)

    def setCurrentPath(self, path):
        self.currentPath = path

    def addCurrentPathToHistory(self):
        """The history is kept in the settings, which the host forgets."""

    def browse(self):
        only_folders = self.filters & self.Dirs and not self.filters & self.Files
        ask = qt.QFileDialog.getExistingDirectory if only_folders else qt.QFileDialog.getSaveFileName
        self.currentPath = ask(self, self.label, self.currentPath) or self.currentPath

    def _show_button(self):
        self._button.visible = self.showBrowseButton


class ctkDirectoryButton(StandIn, qt.QWidget):
    """A button that shows a folder and asks for another."""

    SIGNALS = {"directoryChanged(QString)", "directorySelected(QString)"}
    directoryChanged, directorySelected = Signal(str), Signal(str)
    caption = stored(str, "")
    directory = stored(str, "", "_on_changed")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._button = qt.QPushButton(self)
        row = qt.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._button)
        self._button.connect("clicked()", self.browse)

    def browse(self):
        chosen = qt.QFileDialog.getExistingDirectory(self, self.caption, self.directory)
        if chosen:
            self.directory = chosen
            self.directorySelected.emit(chosen)

    def _on_changed(self):
        self._button.text = self.directory
        self.directoryChanged.emit(self.directory)


class ctkComboBox(StandIn, qt.QComboBox):
    """A combo box with a text for 'nothing chosen'."""

    defaultText = stored(str, "")
    forceDefault = stored(bool, False)

    def _get_data(self):
        return str(self.itemData(self.currentIndex) or "")

    def _set_data(self, text):
        self.currentIndex = self.findData(text)

    currentUserDataAsString = Property(str, _get_data, _set_data)


class ctkCheckBox(StandIn, qt.QCheckBox):
    """A check box that can show an icon."""


class ctkPushButton(StandIn, qt.QPushButton):
    """A push button whose text can be aligned."""


class ctkMenuButton(ctkPushButton):
    """A push button with a menu at its side."""


class ctkCheckablePushButton(ctkPushButton):
    """A push button with a check box in it."""

    SIGNALS = {"checkBoxToggled(bool)"}
    checkBoxToggled = Signal(bool)
    checkBoxControlsButton = stored(bool, True)
    checkBoxUserCheckable = stored(bool, True)


class ctkMessageBox(StandIn, qt.QMessageBox):
    """A message box that can be told not to come again. messages.py sees to it that none waits for a person."""

    dontShowAgain = stored(bool, False)
    dontShowAgainVisible = stored(bool, False)
    dontShowAgainSettingsKey = stored(str, "")

    def setDontShowAgain(self, value):
        self.dontShowAgain = value


class ctkFittedTextBrowser(StandIn, qt.QTextBrowser):
    """A text browser as tall as its text."""

    collapsed = stored(bool, False)
    showDetailsText = stored(str, "")
    hideDetailsText = stored(str, "")

    def setCollapsibleText(self, text):
        self.setText(text)
