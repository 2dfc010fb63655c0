"""What an image shows, from its header: MR contrast, class of a CT kernel, part of the body."""

from __future__ import annotations

import re

from .header import Header
from .traits import tokens

_HEAD = {"HEAD", "BRAIN", "SKULL", "NEURO", "CRANIUM", "KOPF", "SCHADEL", "CEREBRO", "CRANE"}
_CHEST = {
    "CHEST",
    "THORAX",
    "LUNG",
    "LUNGS",
    "TORAX",
    "LUNGE",
    "POUMON",
    "PULMON",
    "HRCT",
    "CAP",
    "TAP",
    "CHESTABDOMEN",
}
_ELSEWHERE = {
    "ABDOMEN", "PELVIS", "KNEE", "HIP", "SHOULDER", "ANKLE", "FOOT", "HAND", "WRIST", "ELBOW", "LEG", "ARM", "NECK",
    "CSPINE", "TSPINE", "LSPINE", "SPINE", "LSSPINE", "PROSTATE", "BREAST", "LIVER", "HEART", "SINUS", "EXTREMITY",
    "ORBIT", "IAC",
}  # fmt: skip
_T2_ECHO_MS = 60.0
_T1_ECHO_MS = 30.0
_FLAIR_INVERSION_MS = (1500.0, 3500.0)


def mr_contrast(header: Header) -> str:
    """map, DWI, b0, FLAIR, T2, PD, T1, susceptibility, perfusion, angiography, or "" where nothing tells.

    By b-value, image type and the words of the series description and protocol; else by echo and inversion times.
    """
    words = tokens(header.description, header.protocol, *header.image_type[2:])
    if header.map_name:
        return "map"
    for name, found in (
        ("perfusion", words & {"PWI", "PERF", "PERFUSION", "DSC", "DCE", "ASL", "BOLD", "FMRI", "PCASL"}),
        ("susceptibility", words & {"SWI", "SWAN", "SWIP", "VENOBOLD", "HEMO", "T2STAR", "HAEMO", "QSM"}),
        ("angiography", words & {"TOF", "MRA", "ANGIO", "PCA", "MRV", "INHANCE"}),
    ):
        if found:
            return name
    if header.b_value is not None:
        return "DWI" if header.b_value > 0 else "b0"
    if words & {"DWI", "TRACE", "TRACEW", "DIFFUSION", "DIFF", "RESOLVE", "DTI"} or _b_of(words):
        return "DWI"
    return _by_words(words) or _by_times(header)


def _b_of(words: set[str]) -> bool:
    return any(re.fullmatch(r"B[1-9]\d{2,3}", word) for word in words)


def _by_words(words: set[str]) -> str:
    if any("FLAIR" in word for word in words) or {"DARK", "FLUID"} <= words or "TIRM" in words:
        return "T1" if "T1" in words else "FLAIR"
    if words & {"T2W", "T2", "T2WI"} or any(re.match(r"T2(TSE|FSE|W)", word) for word in words):
        return "susceptibility" if words & {"GRE", "FFE", "FL2D"} else "T2"
    if words & {"T1", "T1W", "MPRAGE", "MP2RAGE", "BRAVO", "SPGR", "TFE"}:
        return "T1"
    return "PD" if words & {"PD", "PDW"} else ""


def _by_times(header: Header) -> str:
    inversion, echo = header.inversion_time or 0.0, header.echo_time
    if echo is None:
        return ""
    low, high = _FLAIR_INVERSION_MS
    if low <= inversion <= high and echo >= _T2_ECHO_MS:
        return "FLAIR"
    if echo >= _T2_ECHO_MS:
        return "T2"
    return "T1" if echo < _T1_ECHO_MS else ""


def kernel_class(header: Header) -> str:
    """lung, soft, sharp (bone, edge, inner ear), or "" where neither kernel nor description tell.

    Siemens numbers (B70f, Br40d, I70f): from 50 lung, from 75 sharp. Canon: FC50 to FC59 lung, FC30 to FC49 and from
    FC80 sharp. GE and Philips by their names.
    """
    name = header.kernel.upper().strip()
    if canon := re.match(r"FC(\d+)", name):
        number = int(canon[1])
        return "lung" if 50 <= number < 60 else "sharp" if number >= 30 else "soft"
    if siemens := re.match(r"[A-Z]{1,2}(\d\d)", name):
        number = int(siemens[1])
        return "soft" if number < 50 else "lung" if number < 75 else "sharp"
    if re.match(r"(LUNG|CHST|Y[A-E]$|L$)", name):
        return "lung"
    if re.match(r"(BONE|EDGE|DETAIL|SHARP|ULTRA|[DE]$)", name):
        return "sharp"
    if re.match(r"(STAND|SOFT|SMOOTH|MEDIUM|[ABC]$)", name):
        return "soft"
    words = tokens(header.description)
    if words & {"LUNG", "LUNGS", "LUNGE", "POUMON", "PULMON", "PARENCHYMA"}:
        return "lung"
    return "soft" if words & {"SOFT", "MEDIASTINUM", "MEDIASTIN", "STANDARD", "WEICHTEIL"} else ""


def body_part_rank(header: Header, wanted: str) -> int:
    """2 where the header names the part ("head" or "chest"), 1 where it names none, 0 where it names others alone."""
    words = tokens(header.body_part, header.description, header.protocol, header.study_description)
    parts = {"head": _HEAD, "chest": _CHEST}
    if words & parts[wanted]:
        return 2
    others = _ELSEWHERE.union(*(part for name, part in parts.items() if name != wanted))
    own = tokens(header.body_part, header.description)
    return 0 if own & others else 1
