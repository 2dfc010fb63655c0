"""The scene on disk after every stroke, so that a page or a process that dies takes nothing along.

The volumes are written once, the segmentations after each change; the scene's file is renamed into its place last, so
that what is found is whole.
"""

from __future__ import annotations

import os
from pathlib import Path

import slicer

SCENE = "scene.mrml"


class Autosave:
    """folder: of this session alone."""

    def __init__(self, scene, folder: Path):
        self._scene, self._folder = scene, folder
        self._written: dict[str, int] = {}  # node ID -> modification time of what was written

    def save(self) -> None:
        """Write what has changed since the last call."""
        for kind in ("vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLTableNode"):
            for node in slicer.util.getNodesByClass(kind, self._scene):
                self._write(node)
        self._scene.SetURL(str(self._folder / SCENE))
        self._scene.SetRootDirectory(str(self._folder))
        draft = self._folder / f"{SCENE}.draft"
        if self._scene.Commit(str(draft)):
            os.replace(draft, self._folder / SCENE)

    def restore(self) -> bool:
        """Load what was kept; False where there is nothing."""
        file = self._folder / SCENE
        if not file.is_file():
            return False
        self._scene.SetRootDirectory(str(self._folder))
        self._scene.SetURL(str(file))
        return bool(self._scene.Connect())

    def _write(self, node) -> None:
        stamp = _stamp(node)
        if self._written.get(node.GetID()) == stamp or not node.GetSaveWithScene():
            return
        if not node.GetStorageNode():
            node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        if storage is None:
            return
        storage.SetUseCompression(False)
        final = self._folder / f"{node.GetID()}{_suffix(node)}"
        draft = final.with_name(f"draft-{final.name}")
        storage.SetFileName(str(draft))
        if storage.WriteData(node):
            os.replace(draft, final)
            self._written[node.GetID()] = stamp
        storage.SetFileName(str(final))


def _stamp(node) -> int:
    """Grows with every change of what the node's file holds; a volume's place and display are in the scene's file."""
    if node.IsA("vtkMRMLSegmentationNode"):
        return max(node.GetMTime(), node.GetSegmentation().GetMTime())
    if node.IsA("vtkMRMLVolumeNode"):
        return node.GetImageData().GetMTime() if node.GetImageData() is not None else 0
    return node.GetMTime()


def _suffix(node) -> str:
    if node.IsA("vtkMRMLSegmentationNode"):
        return ".seg.nrrd"
    return ".tsv" if node.IsA("vtkMRMLTableNode") else ".nrrd"
