"""What the modules' logics share: a result is a segmentation, and the nodes that belong to it hang on it by references.

A logic of a module derives from ResultLogic and from ScriptedLoadableModuleLogic, and adds what its segments are and
how they are measured. This file is imported when Slicer starts, so it imports what it needs only when it is used.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import slicer

DECIMALS = {"HU": 1, "mm": 1}  # of the numbers that tables show, by unit; two of any other


class ResultLogic:
    """RUN_ATTRIBUTE: of the segmentation, how it was made, as JSON; each module has its own, to find its results by."""

    RUN_ATTRIBUTE = ""
    # node references from the segmentation to what belongs to it
    TABLE_ROLE = "LesionKit.measurements"
    COMPARISON_ROLE = "LesionKit.comparison"
    CHART_ROLE = "LesionKit.chart"

    def volumeFor(self, inputVolume):
        """The LesionKitLib Volume of a node, with what is known of where it came from."""
        from dataclasses import replace

        from .sources import source_of
        from .volumes import volume_from_node

        return replace(volume_from_node(inputVolume), source=source_of(inputVolume))

    def volumeOf(self, segmentation):
        """The image on whose grid the segmentation stands, or None."""
        return segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole())

    def sliceNumbers(self, segmentation, places) -> list:
        """The slice of the image, from 1, that each place (RAS, mm) lies in; "–" where the image is not there."""
        import numpy as np

        volume = self.volumeOf(segmentation)
        if volume is None or volume.GetImageData() is None:
            return ["–"] * len(places)
        to_ijk = np.linalg.inv(self.volumeFor(volume).ijk_to_ras)
        return [round(float(to_ijk[2] @ (*place, 1.0))) + 1 for place in places]

    def needVolumeOf(self, segmentation):
        """As volumeOf; raises UnusableInput where it is no longer there."""
        from LesionKitLib.run.errors import UnusableInput

        volume = self.volumeOf(segmentation) if segmentation is not None else None
        if volume is None:
            raise UnusableInput("The image that this segmentation belongs to is no longer in the scene.")
        return volume

    def imageName(self, segmentation) -> str:
        """Name of the image that a result belongs to, "" where it is no longer there."""
        volume = self.volumeOf(segmentation) if segmentation is not None else None
        return volume.GetName() if volume is not None else ""

    def tableFor(self, segmentation):
        """The table of measurements that belongs to a segmentation, or None."""
        return segmentation.GetNodeReference(self.TABLE_ROLE)

    def comparisonFor(self, segmentation):
        """The table that compares the network's result with what the segments hold now, or None."""
        return segmentation.GetNodeReference(self.COMPARISON_ROLE)

    def chartFor(self, segmentation):
        """The vtkMRMLPlotChartNode that belongs to a segmentation, or None."""
        return segmentation.GetNodeReference(self.CHART_ROLE)

    def runOf(self, segmentation) -> dict:
        """How a result was made; {} for a segmentation that this module did not make."""
        try:
            return json.loads(segmentation.GetAttribute(self.RUN_ATTRIBUTE) or "{}")
        except ValueError:
            return {}

    def isResult(self, segmentation) -> bool:
        """Whether this module made the segmentation."""
        return bool(segmentation.GetAttribute(self.RUN_ATTRIBUTE))

    def results(self) -> list:
        """This module's results in the scene."""
        return [node for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode") if self.isResult(node)]

    def showOnly(self, segmentation, *others) -> None:
        """Of this module's results and these other segmentations, show this one in the views and hide the rest."""
        for node in {*self.results(), *(other for other in others if other is not None)} - {segmentation}:
            if node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(False)
        if segmentation is not None and segmentation.GetDisplayNode() is not None:
            segmentation.GetDisplayNode().SetVisibility(True)

    def isShownIn3D(self, segmentation) -> bool:
        """Whether the 3-D views show the segmentation's surfaces."""
        from .surfaces import is_shown

        return is_shown(segmentation)

    def showIn3D(self, segmentation, shown: bool = True) -> None:
        """Show the segments as smoothed surfaces in the 3-D views, or hide them there."""
        from .surfaces import show

        show(segmentation, shown)

    def writeResult(self, layers: Sequence, inputVolume, algorithm: str, run: dict, segmentation, fill):
        """The segmentation that holds the layers now (see write_segmentation), described by ``run``.

        fill(segmentation): writes what belongs to it. On an error, whatever was made new is gone again.
        """
        from .nodes import new_nodes_removed_on_error
        from .segmentations import write_segmentation
        from .subject_hierarchy import place_under

        with new_nodes_removed_on_error(inputVolume.GetScene()):
            node = write_segmentation(layers, inputVolume, algorithm, segmentation)
            node.SetAttribute(self.RUN_ATTRIBUTE, json.dumps(run))
            place_under(node, inputVolume)
            fill(node)
        return node

    def writeTable(self, header, rows, segmentation, role: str, name: str):
        """Refill the table that hangs on the segmentation by this role, or make it."""
        from .tables import split_unit, write_table

        units = [split_unit(column)[1] for column in header]
        cells = [[_rounded(cell, DECIMALS.get(unit, 2)) for cell, unit in zip(row, units, strict=True)] for row in rows]
        name = f"{segmentation.GetName()} {name}"
        existing = segmentation.GetNodeReference(role)
        self.attach(segmentation, role, write_table(segmentation.GetScene(), header, cells, name, existing))

    def writeChart(self, labels, series, segmentation, y_title: str, colors):
        """Refill the segmentation's chart, or make it."""
        from .charts import series_of, table_of, write_bar_chart

        name = f"{segmentation.GetName()} chart"
        existing = self.chartFor(segmentation)
        chart = write_bar_chart(segmentation.GetScene(), labels, series, name, y_title, colors, existing)
        self.attach(segmentation, self.CHART_ROLE, chart)
        for node in (table_of(chart), *series_of(chart)) if existing is None else ():
            self._place(node, segmentation)
        return chart

    def attach(self, segmentation, role: str, node) -> None:
        """Remember what belongs to the segmentation, and put it under the same image in the subject hierarchy."""
        if segmentation.GetNodeReference(role) is not node:
            segmentation.SetNodeReferenceID(role, node.GetID())
            self._place(node, segmentation)

    def _place(self, node, segmentation) -> None:
        from .subject_hierarchy import place_under

        volume = self.volumeOf(segmentation)
        if volume is not None:
            place_under(node, volume)

    def showLive(self, segmentation, inputVolume, measurements: dict | None, comparison: list[dict]) -> None:
        """Tables and chart after an edit; measurements is None where there is nothing to measure against."""
        if measurements is not None:
            self.showMeasurements(measurements, segmentation, inputVolume)
        self.showComparison(comparison, segmentation, inputVolume)

    def export(self, segmentation, folder: str, kinds, progress=None) -> list[str]:
        """Write files of what the segments hold now, edited or not; returns their names. See prepareExport."""
        from LesionKitLib.run.progress import Progress

        return self.prepareExport(segmentation, folder, kinds)(progress or Progress())


def _rounded(cell, decimals: int):
    return round(cell, decimals) if isinstance(cell, float) else cell
