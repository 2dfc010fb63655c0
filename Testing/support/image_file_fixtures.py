"""Image files written byte by byte, also such as no library writes: NIfTI, NRRD, MetaImage."""

from __future__ import annotations

from pathlib import Path

import numpy as np

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
STRUCTURED = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6) - 40  # no two voxels alike
SPACING = (2.0, 3.0, 4.0)


def nifti(
    path: Path, array: np.ndarray = STRUCTURED, *, sform=None, qform=None, codes=(1, 0), version=1, pair=False, **fields
) -> Path:
    """array (k, j, i) as it is stored; sform, qform: 4 x 4 to RAS; fields: of the header (scl_slope, ...)."""
    import nibabel

    plain = LPS @ np.diag([*SPACING, 1.0])
    kinds = {1: nibabel.Nifti1Header, 2: nibabel.Nifti2Header}
    header = (nibabel.nifti1.Nifti1PairHeader if pair else kinds[version])()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape[::-1])
    header.set_sform(plain if sform is None else sform, codes[0])
    header.set_qform(plain if qform is None else qform, codes[1])
    header["scl_slope"], header["scl_inter"] = 1, 0
    if codes[1] == 0:
        header["pixdim"][1:4] = np.linalg.norm((plain if sform is None else sform)[:3, :3], axis=0)
    for name, value in fields.items():
        header[name] = value
    voxels = np.ascontiguousarray(array).tobytes()
    if pair:
        path.with_suffix(".img").write_bytes(voxels)
        path.write_bytes(header.binaryblock)
    else:
        offset = header.single_vox_offset
        path.write_bytes(header.binaryblock.ljust(offset, b"\0") + voxels)
    return path


def nrrd(path: Path, array: np.ndarray = STRUCTURED, data: bytes | None = None, attached=True, **fields) -> Path:
    """array (k, j, i) with just these further fields (spaces for underscores). data: what stands for its bytes."""
    kind = {"u1": "uint8", "i2": "int16", "u2": "uint16", "f4": "float"}[array.dtype.str[1:]]
    sizes = " ".join(map(str, array.shape[::-1]))
    described = {"type": kind, "dimension": array.ndim, "sizes": sizes, "endian": "little", "encoding": "raw"} | {
        key.replace("_", " "): value for key, value in fields.items()
    }
    head = "NRRD0005\n" + "".join(f"{key}: {value}\n" for key, value in described.items() if value is not None)
    body = np.ascontiguousarray(array).tobytes() if data is None else data
    path.write_bytes(head.encode() + (b"\n" + body if attached else b""))
    return path


def metaimage(path: Path, array: np.ndarray = STRUCTURED, data: bytes | None = None, **fields) -> Path:
    """array (k, j, i) as .mha with just these further fields; with ElementDataFile the header alone."""
    kind = {"u1": "MET_UCHAR", "i2": "MET_SHORT", "f4": "MET_FLOAT"}[array.dtype.str[1:]]
    described = {"ObjectType": "Image", "NDims": array.ndim, "DimSize": " ".join(map(str, array.shape[::-1]))}
    described |= {"BinaryData": "True", "BinaryDataByteOrderMSB": "False", "ElementType": kind} | fields
    local = "ElementDataFile" not in fields
    described["ElementDataFile"] = described.pop("ElementDataFile", "LOCAL")  # the last field
    head = "".join(f"{key} = {value}\n" for key, value in described.items()).encode()
    body = np.ascontiguousarray(array).tobytes() if data is None else data
    path.write_bytes(head + (body if local else b""))
    return path
