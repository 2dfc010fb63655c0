"""All sections open at the width that Slicer gives a panel: nothing lies over anything else."""

from __future__ import annotations

from contextlib import suppress
from itertools import combinations

import pytest

pytest_plugins = "covid_panel"

WIDTH, HEIGHT = 380, 900  # pixels, of Slicer's module panel
FIRST_SCREEN = 515  # of a window of 1280 x 800, whose Data Probe is open


@pytest.fixture
def shown(host, load):
    """shown(module): its widget, in a scroll area as in Slicer, with everything opened."""
    import ctk
    import qt

    areas = []

    def show(name):
        loaded = load(name)
        area = qt.QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(loaded.panel)
        area.resize(WIDTH, HEIGHT)
        area.show()
        for section in loaded.panel.findChildren(qt.QWidget):
            if isinstance(section, (ctk.ctkCollapsibleButton, ctk.ctkCollapsibleGroupBox)):
                section.enabled = True
                section.collapsed = False
        host.process_events(0.05)
        areas.append(area)
        return loaded

    yield show
    for area in areas:
        area.takeWidget()
        area.deleteLater()


def overlapping(panel) -> list[tuple[str, str]]:
    """Visible widgets of one parent that lie over each other, by name."""
    import qt

    found = []
    for parent in [panel, *panel.findChildren(qt.QWidget)]:
        if parent.layout() is None or not parent.isVisible():
            continue
        children = [c for c in parent.children() if isinstance(c, qt.QWidget) and c.isVisible() and c.objectName]
        for one, other in combinations(children, 2):
            common = one.geometry.intersected(other.geometry)
            if common.width() > 1 and common.height() > 1:
                found.append((one.objectName, other.objectName))
    return found


MODULES = ["CovidLungQuant", "StrokeSynth", "BodyPartRouter"]


@pytest.fixture(params=[1.0, 1.25], ids=["100 % fonts", "125 % fonts"])
def font(host, request):
    """Fonts of a plain and of an enlarged desktop."""
    import qt

    size = host.app.font().pointSizeF()
    host.app.setFont(qt.QFont("DejaVu Sans", round(request.param * size)))
    yield
    host.app.setFont(qt.QFont("DejaVu Sans", round(size)))


@pytest.mark.parametrize("name", MODULES)
def test_with_all_sections_open_a_panel_is_no_wider_than_slicer_s(shown, font, name):
    panel = shown(name).panel
    assert panel.minimumSizeHint.width() <= WIDTH
    assert panel.width <= WIDTH


def test_the_first_screen_of_a_result_needs_no_scrolling(panel, host):
    import qt

    area = qt.QScrollArea()
    area.setWidgetResizable(True)
    area.setWidget(panel.loaded.panel)
    area.resize(WIDTH, FIRST_SCREEN)
    area.show()
    panel.apply("p001 CT chest 1.0 lung kernel")
    host.process_events(0.1)
    ui, top = panel.ui, panel.loaded.panel
    needed = (
        ui.inputVolumeSelector, ui.applyButton, ui.imageLabel, ui.headlineLabel, ui.comparisonTableView,
        *panel.widget.resultsSection._checks, ui.lungWindowButton, ui.softTissueWindowButton, ui.show3DButton,
    )  # fmt: skip
    bottoms = {widget.objectName: widget.mapTo(top, qt.QPoint(0, widget.height)).y() for widget in needed}
    assert [name for name, bottom in bottoms.items() if bottom > FIRST_SCREEN] == []
    area.takeWidget()
    area.deleteLater()


@pytest.mark.parametrize("name", MODULES)
def test_nothing_overlaps_with_all_sections_open(shown, host, font, name):
    from LesionKitPanel.texts import show_text

    loaded = shown(name)
    long = "A sentence that is so long that it must be broken into several lines in a panel of this width. " * 3
    for label in ("statusLabel", "detailLabel", "editStateLabel", "exportStatusLabel"):
        if hasattr(loaded.widget.ui, label):
            widget = getattr(loaded.widget.ui, label)
            widget.setVisible(True)
            show_text(widget, long)
    with suppress(TimeoutError):  # layouts settle over some turns of the event loop
        host.wait_until(lambda: not overlapping(loaded.panel), 5)
    assert overlapping(loaded.panel) == []
