"""Draws the picture of BodyPartRouter's panel in docs/figures/: ``python docs/make_router_figures.py``.

The panel runs on the test host (Testing/slicer_host), so frames and buttons look a little different in 3D Slicer. The
images are drawings, and in place of the network a stand-in answers with what was drawn: the numbers say nothing about
accuracy.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures"
sys.path[:0] = [
    str(ROOT / folder) for folder in ("LesionKit", "CovidLungQuant", "BodyPartRouter", "Testing", "Testing/support")
]

# file name -> (drawn, BodyPartExamined, probability)
IMAGES = {
    "CR000412.dcm": ("chest", "CHEST", 0.98),
    "CR000413.dcm": ("spine", "CHEST", 0.96),
    "CR000417.dcm": ("spine", "LSPINE", 0.97),
    "DX000020.dcm": ("hand", "HAND", 0.99),
    "DX000021.dcm": ("blank", "", 0.41),
}
CLASSES = {"chest": "adult_chest", "spine": "spine", "hand": "others", "blank": "unknown"}


def drawing(kind: str) -> np.ndarray:
    """uint16 (320, 256), bones bright."""
    from PIL import Image, ImageDraw, ImageFilter

    image = Image.new("L", (256, 320), 25)
    pen = ImageDraw.Draw(image)
    if kind == "chest":
        pen.ellipse((20, 20, 236, 330), fill=120)
        for box in ((52, 60, 118, 250), (138, 60, 204, 250)):
            pen.ellipse(box, fill=45)
        for y in range(70, 240, 26):
            for side in (-1, 1):
                pen.arc((128 - 95, y - 30, 128 + 95, y + 60), *((190, 265) if side < 0 else (275, 350)), 150, 6)
        pen.ellipse((112, 150, 190, 250), fill=165)
        pen.rectangle((118, 20, 138, 300), fill=175)
    elif kind == "spine":
        pen.rectangle((40, 0, 216, 320), fill=80)
        for n, y in enumerate(range(10, 300, 40)):
            pen.rounded_rectangle((98 - n, y, 158 + n, y + 32), 6, fill=200)
            pen.line((70, y + 20, 186, y + 14), 160, 7)
    elif kind == "hand":
        pen.rounded_rectangle((78, 180, 178, 320), 30, fill=90)
        for n, (x, top) in enumerate(((60, 130), (92, 50), (122, 30), (152, 50), (184, 90))):
            pen.line((x, top, 100 + 14 * n, 220), 95, 24)
            pen.line((x, top, 100 + 14 * n, 220), 210, 10)
        pen.ellipse((100, 220, 160, 270), fill=205)
    soft = image.filter(ImageFilter.GaussianBlur(2))
    return np.asarray(soft, np.uint16) * 16


class Drawn:
    """Knows each image by its number, which stands in the header."""

    network, name, version = "light", "stand-in", "0"

    def predict(self, xrays, progress=None):
        from BodyPartRouterLib.classification.prediction import Prediction
        from BodyPartRouterLib.labels import CLASSES as LABELS
        from BodyPartRouterLib.labels import UNKNOWN, UNKNOWN_SENTENCE

        found = []
        for xray in xrays:
            kind, _part, probability = list(IMAGES.values())[int(xray.header.series_description)]
            label = CLASSES[kind]
            held = label == UNKNOWN
            shares = {name: (1 - probability) / 5 for name in LABELS}
            shares[LABELS[0] if held else label] = probability
            found.append(Prediction(label, probability, shares, held, UNKNOWN_SENTENCE if held else None))
        return found

    def explain(self, xray, label=None):
        return xray.pixels


def main() -> None:
    from dicom_fixtures import DX_STORAGE, dicom_image, save
    from make_panel_figures import draw
    from slicer_host import host as hosts

    from LesionKitLib.run import requirements

    requirements.missing_packages = lambda *_: []
    host = hosts.start()
    panel = host.load_module(ROOT / "BodyPartRouter" / "BodyPartRouter.py")
    with tempfile.TemporaryDirectory() as temporary:
        for n, (name, (kind, part, _probability)) in enumerate(IMAGES.items()):
            more = {"BodyPartExamined": part, "SeriesDescription": str(n), "BitsStored": 12, "HighBit": 11}
            more |= {"WindowCenter": 2048, "WindowWidth": 4096, "PatientAge": "054Y"}
            save(dicom_image(drawing(kind), DX_STORAGE, "DX", **more), Path(temporary, name))
        (Path(temporary, "IM0003")).write_bytes(b"cut off")
        widget, ui = panel.widget, panel.widget.ui
        widget.logic._loadClassifier = lambda network, device: Drawn()
        widget._parameterNode.source = "folder"
        ui.folderPathLineEdit.currentPath = temporary
        ui.applyButton.click()
        host.wait_until(lambda: not widget.runSection.apply.running, 120)
        ui.targetPathLineEdit.currentPath = "/sorted"
        ui.planButton.click()
        host.wait_until(lambda: not widget.routeSection.apply.running, 120)
        ui.imagesTableWidget.selectRow(2)
        ui.imagesTableWidget.setMinimumHeight(320)
        ui.folderPathLineEdit.currentPath = "/data/monday"
        ui.labelsPathLineEdit.currentPath = "/data/router-labels.csv"
        draw(host, panel, "router")
    host.quit()


if __name__ == "__main__":
    main()
