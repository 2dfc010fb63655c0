"""Which names of Testing/slicer_host/slicer-widget-api.json an older 3D Slicer lacks, by its and CTK's headers.

``python Tools/list_slicer_widget_names.py SLICER_CLONE v5.10.0 CTK_CLONE dd4caeae`` prints class -> names as JSON. The
clones are git repositories; CTK's commit is the one in SuperBuild/External_CTK.cmake of that Slicer. Names are looked
for as words in the header of their class, without comments. Compared with ``dir()`` in a running Slicer 5.8.1 this
finds 38 of 45 names, and three more in classes that no panel uses: a word may stand in a header in another role.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

LIST = Path(__file__).resolve().parents[1] / "Testing" / "slicer_host" / "slicer-widget-api.json"


def git(clone: str, *arguments: str) -> str:
    return subprocess.run(["git", "-C", clone, *arguments], check=True, capture_output=True, text=True).stdout


def headers(clone: str, commit: str) -> dict[str, str]:
    """Class -> path of its header, which both projects name after it."""
    paths = git(clone, "ls-tree", "-r", "--name-only", commit).splitlines()
    return {Path(path).stem: path for path in paths if path.endswith(".h")}


def absent(classes: dict, sources: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Names of each class that do not occur in its header; sources: (clone, commit), the first that has it counts."""
    found = {}
    listings = [(clone, commit, headers(clone, commit)) for clone, commit in sources]
    for kind, parts in classes.items():
        clone, commit, path = next(
            ((clone, commit, listing[kind]) for clone, commit, listing in listings if kind in listing),
            (None, None, None),
        )
        names = {name for part in parts.values() for name in part}
        if path is not None:
            text = re.sub(r"/\*.*?\*/|//[^\n]*", "", git(clone, "show", f"{commit}:{path}"), flags=re.DOTALL)
            names -= set(re.findall(r"\w+", text))
        if names:
            found[kind] = sorted(names)
    return found


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    pairs = list(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    print(json.dumps(absent(json.loads(LIST.read_text("utf-8"))["classes"], pairs), indent=1))
