"""3D Slicer's desktop without 3D Slicer: start() once per process, then load_module().

Real: MRML, VTK, Slicer's C++ logics, slicer.util. Stand-ins: Qt with PythonQt's manners, the widgets of ctk and
Slicer, the application object. README.md says what a test on it proves and what it does not.
"""

from __future__ import annotations

import importlib.util
import sys
import time
import types
from dataclasses import dataclass
from pathlib import Path

from PySide6 import QtCore

from . import pythonqt

# what Qt says about the platform without a screen, and means no harm
HARMLESS = ("This plugin does not support propagateSizeHints()", "This plugin does not support raise()")
WIDGET_FILES = (
    "ctk_widgets",
    "qmrml_widgets",
    "qmrml_tables",
    "qmrml_plots",
    "qmrml_segments",
    "module_widgets",
    "slicer_app",
)


@dataclass(frozen=True)
class LoadedModule:
    """What load_module gives; unpacks into module, module_object, widget, panel."""

    module: types.ModuleType
    module_object: object  # slicer.modules.<Name>Instance
    widget: object  # the Python half of the panel
    panel: object  # the Qt half: what is shown

    def __iter__(self):
        return iter((self.module, self.module_object, self.widget, self.panel))


class Host:
    """The running application. messages: what was shown to the user; uncaught: exceptions that reached nobody.

    qt_warnings: what Qt wrote on the console, such as a signal that it could not connect.
    """

    def __init__(self):
        import slicer

        from . import headless

        qt = pythonqt.install()
        core = headless.start()
        sys.modules["ctk"] = types.ModuleType("ctk")
        _import_stand_ins()
        from . import sample_data
        from .audit import Uncaught
        from .messages import Messages
        from .slicer_app import qSlicerApplication
        from .uiloader import QUiLoader

        qt.QUiLoader = QUiLoader
        slicer.app = self.app = qSlicerApplication(core)
        _make_readable(self.app)
        self.app.layoutManager()
        self.messages, self.uncaught = Messages(), Uncaught()
        self.messages.install()
        sample_data.install()
        self.uncaught.install()
        self.qt_warnings: list[str] = []
        QtCore.qInstallMessageHandler(self._on_qt_message)
        self._entered = None

    def load_module(self, path: str | Path) -> LoadedModule:
        """What Slicer does with a scripted module: import the file, make the Module, then the panel, and enter it."""
        import slicer

        path = Path(path).resolve()
        name = path.stem
        self.unload_module(name)
        module = import_file(path)
        described = slicer.qSlicerScriptedLoadableModule(name, str(path))
        setattr(slicer.modules, name.lower(), described)
        module_object = getattr(module, name)(described)
        setattr(slicer.modules, f"{name}Instance", module_object)
        self.app.moduleManager().moduleLoaded.emit(name)
        self._complete_startup()
        panel = described.widgetRepresentation()
        self.enter(name)
        return LoadedModule(module, module_object, panel.self(), panel)

    def unload_module(self, name: str) -> None:
        """As at the end of the application: the panel cleans up and is gone."""
        import slicer

        described = getattr(slicer.modules, name.lower(), None)
        if described is None:
            return
        if self._entered == name:
            self.leave()
        self.app.moduleManager().moduleAboutToBeUnloaded.emit(name)
        described.widgetRepresentation().deleteLater()
        for attribute in (name.lower(), f"{name}Instance", f"{name}Widget"):
            if hasattr(slicer.modules, attribute):
                delattr(slicer.modules, attribute)
        self.process_events()

    def unload_modules(self) -> None:
        """All that load_module loaded."""
        import slicer

        kind = slicer.qSlicerScriptedLoadableModule
        for name in [module.name for module in vars(slicer.modules).values() if isinstance(module, kind)]:
            self.unload_module(name)

    def enter(self, name: str) -> None:
        """The user chooses the module: the other one's exit() and this one's enter() are called."""
        self.leave()
        self._set_entered(name, True)
        self._entered = name

    def leave(self) -> None:
        """The user chooses another module."""
        if self._entered is not None:
            name, self._entered = self._entered, None
            self._set_entered(name, False)

    def _set_entered(self, name: str, is_entered: bool) -> None:
        import slicer

        panel = getattr(slicer.modules, name.lower()).widgetRepresentation()
        panel._is_entered = is_entered
        method = getattr(panel.self(), "enter" if is_entered else "exit", None)
        if method is not None:
            method()

    def _complete_startup(self) -> None:
        """Modules wait for this signal to register sample data; each waits for it once."""
        waiting, self.app._startup_slots = self.app._startup_slots, []
        for slot in waiting:
            slot()

    def _on_qt_message(self, _kind, _context, text: str) -> None:
        if text not in HARMLESS:
            self.qt_warnings.append(text)
            sys.__stderr__.write(f"Qt: {text}\n")

    def screenshot(self, widget, path: str | Path, width: int = 520, height: int | None = None) -> Path:
        """Draw a widget, shown or not, into a PNG; height: by default what the widget wants at that width."""
        widget.resize(width, height or 400)
        widget.show()
        self.process_events(0.05)
        if height is None:
            widget.resize(width, max(_wanted_height(widget, width), widget.minimumHeight))
            self.process_events(0.05)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if not widget.grab().save(str(path)):
            raise OSError(f"{path} cannot be written")
        return Path(path)

    def process_events(self, seconds: float = 0.0) -> None:
        """Let timers tick and signals arrive for so long, at least one turn of the event loop."""
        import qt

        end = time.monotonic() + seconds
        while True:
            self.app.processEvents()
            qt.QCoreApplication.sendPostedEvents(None, qt.QEvent.DeferredDelete.value)
            if time.monotonic() >= end:
                return
            time.sleep(0.001)

    def wait_until(self, condition, seconds: float = 10.0) -> None:
        """Process events until condition() holds; raises TimeoutError after so long."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"Not so after {seconds} s: {condition}")
            self.process_events(0.005)

    def quit(self) -> None:
        """End the application: modules are unloaded, then aboutToQuit is emitted."""
        self.unload_modules()
        self.app.aboutToQuit.emit()
        self.process_events()


_host: Host | None = None


def start() -> Host:
    """The host of this process, made at the first call."""
    global _host
    if _host is None:
        _host = Host()
    return _host


def load_module(path: str | Path) -> LoadedModule:
    return start().load_module(path)


def screenshot(widget, path: str | Path, width: int = 520, height: int | None = None) -> Path:
    return start().screenshot(widget, path, width, height)


def process_events(seconds: float = 0.0) -> None:
    start().process_events(seconds)


def quit() -> None:
    start().quit()


def import_file(path: Path) -> types.ModuleType:
    """Run a module's file under its own name; its folder goes on sys.path for its library."""
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _wanted_height(widget, width: int) -> int:
    layout = widget.layout()
    if layout is None:
        return widget.sizeHint.height()
    if layout.hasHeightForWidth():  # lines are broken somewhere
        return layout.totalHeightForWidth(width)
    return layout.totalMinimumSize().height()


def _import_stand_ins() -> None:
    """Put every stand-in where modules look for it: ctk's in ``ctk``, the others in ``slicer``."""
    import slicer

    from .standins import CLASSES

    for name in WIDGET_FILES:
        importlib.import_module(f"{__package__}.{name}")
        for kind_name, kind in CLASSES.items():
            setattr(sys.modules["ctk"] if kind_name.startswith("ctk") else slicer, kind_name, kind)


def _make_readable(app) -> None:
    """The same picture on every machine: Qt's own style, light, with the one font that Debian's base has."""
    import qt

    app.setStyle("Fusion")
    app.setPalette(app.style().standardPalette())
    app.setFont(qt.QFont("DejaVu Sans", 10))
