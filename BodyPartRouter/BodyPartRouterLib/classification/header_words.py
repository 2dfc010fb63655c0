"""Words for body parts in headers, in the languages that archives mix, and the classes that they speak of."""

from __future__ import annotations

import re
import unicodedata

CHEST = "chest"  # of any age
# starts of words, without accents, in English, German, French, Spanish, Portuguese, Italian and Dutch
_LISTS = {
    CHEST: """
        CHEST THORA TORAX TORACI TORACE BRUST LUNG POUMON PULM CXR RXT PECHO
        """,
    "abdomen": """
        ABD KUB BAUCH VENTRE BNS
        """,
    "spine": """
        SPIN CSPINE TSPINE LSPINE LSSPINE SSPINE CTSPINE TLSPINE VERTEBR COLUMN COLUNA COLONNA RACHIS
        WIRBEL HALSWIRBEL BRUSTWIRBEL LENDENWIRBEL HWS BWS LWS WERVEL
        CERVICA LUMB LOMB LUMBAR SACR COCCYX SCOLIO SKOLIO ESCOLIO DORSAL
        """,
    "others": """
        SKULL HEAD SCHADEL CRAN SINUS FACIAL FACE NASAL ORBIT MANDIB MAXILL JAW TMJ TEETH TOOTH DENT PANORAM
        ORTHOPAN OPG NECK SHOULDER SCHULTER EPAULE HOMBRO OMBRO SPALLA CLAVIC SCAPUL STERNUM RIB RIBS RIPPE
        COSTELA COTES HUMER
        UPPERARM ARM ELBOW ELLENB COUDE CODO COTOVELO GOMITO FOREARM RADIUS ULNA WRIST HANDGEL POIGNET
        MUNECA PUNHO POLSO HAND MAIN MANO MAO FINGER THUMB DAUMEN PELV BECKEN BASSIN BACIA HIP HUFTE HUEFT
        HANCHE CADERA QUADRIL FEMUR THIGH OBERSCH KNEE KNIE GENOU RODILLA JOELHO GINOCCH PATELL TIBIA FIBUL
        LEG LOWERLEG UNTERSCH ANKLE SPRUNGG CHEVILLE TOBILLO TORNOZ CAVIGL FOOT FUSS PIED PIE PE PIEDE
        CALCAN HEEL TOE ZEHE EXTREM BREAST MAMM
        """,
}
STARTS = {name: tuple(words.split()) for name, words in _LISTS.items()}
WHOLE_WORDS = {"PE", "PIE", "ARM", "LEG", "RIB", "RIBS", "HIP", "TOE", "TOES", "HEAD", "JAW", "MAO", "MAIN"}
# words that begin like a body part and mean something else
NOT_PARTS = {"HANDED", "HANDHELD", "SPINDLE", "HEADER", "DENTRO", "LUMEN", "SACRIFICE"}
# ViewPosition that only one class has: skull and breast projections
VIEWS = {
    "others": {"WATERS", "TOWNE", "TOWNES", "CALDWELL", "MLO", "CC", "ML", "LM", "XCCL", "SMV", "MERCHANT", "SUNRISE"},
}


def classes_in(text: str) -> set[str]:
    """Classes, or CHEST, that a header text speaks of; empty when it names no body part.

    A part of the spine that is named by its region ("thoracic spine") is spine and nothing else.
    """
    words = re.findall(r"[A-Z]+", plain(text))
    joined = "".join(words)
    found = {name for name, starts in STARTS.items() if any(_names(word, starts) for word in words)}
    if {"spine", CHEST} <= found and re.search(r"(THORACIC|THORACO|DORSAL|TORACICA|BRUSTWIRBEL)", joined):
        found.discard(CHEST)
    if {"spine", "others"} <= found and re.search(r"(SPINE|COLUNA|RACHIS)", joined) and "NECK" in words:
        found.discard("others")
    if "ABDOMEN" in joined:  # also CHESTABDOMEN in one word
        found.add("abdomen")
    return found


def _names(word: str, starts: tuple[str, ...]) -> bool:
    if word in NOT_PARTS:
        return False
    return any(word == start if start in WHOLE_WORDS else word.startswith(start) for start in starts)


def plain(text: str) -> str:
    """Upper case without accents."""
    parts = unicodedata.normalize("NFKD", text)
    return "".join(c for c in parts if not unicodedata.combining(c)).upper()
