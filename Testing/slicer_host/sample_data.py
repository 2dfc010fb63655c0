"""Stand-in for the module SampleData: keeps what is registered. Nothing is downloaded."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass

import slicer


@dataclass(frozen=True)
class SampleDataSource:
    """One entry; the lists hold one element per file."""

    sampleName: str | None
    uris: list
    fileNames: list
    nodeNames: list
    checksums: list
    customDownloader: object
    thumbnailFileName: str | None
    loadFileTypes: object
    loadFiles: object
    loadFileProperties: dict


class SampleDataLogic:
    @staticmethod
    def registerCustomSampleDataSource(
        category="Custom",
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFiles=None,
        loadFileProperties=None,
        checksums=None,
        loadFileType=None,
    ):
        files = [_as_list(value) for value in (uris, fileNames, nodeNames, checksums)]
        source = SampleDataSource(
            sampleName,
            *files,
            customDownloader=customDownloader,
            thumbnailFileName=thumbnailFileName,
            loadFileTypes=loadFileTypes or loadFileType,
            loadFiles=loadFiles,
            loadFileProperties=loadFileProperties or {},
        )
        if len({len(entry) for entry in files if entry}) > 1:
            raise ValueError(f"{sampleName}: unequal numbers of addresses, files, nodes and checksums")
        slicer.modules.sampleDataSources.setdefault(category, []).append(source)


def install() -> None:
    module = types.ModuleType("SampleData")
    module.SampleDataLogic, module.SampleDataSource = SampleDataLogic, SampleDataSource
    sys.modules["SampleData"] = module
    slicer.modules.sampleDataSources = {}


def _as_list(value) -> list:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]
