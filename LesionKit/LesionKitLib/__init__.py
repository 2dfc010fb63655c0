"""What the three LesionKit modules share. Everything outside ``mrml`` is plain Python: no slicer, qt, vtk."""

__version__ = "0.1.0"  # also in pyproject.toml, CITATION.cff and CHANGELOG.md; a test holds them together
