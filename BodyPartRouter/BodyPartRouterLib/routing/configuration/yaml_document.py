"""YAML read strictly, with the place of every value: what YAML would silently take for something else is refused.

A key that is there twice (YAML 1.2, 3.2.1.3: the last would win), and plain scalars that YAML 1.1 turns into another
value than the text says: 0012 (ten), 22:00 (1320), yes and no (true and false), dates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MOST_NODES = 100_000  # aliases count each time: a short text can stand for a huge document
_ODD_NUMBERS = re.compile(
    r"[-+]?(0[0-9_]+|0b[01_]+|0x[0-9a-fA-F_]+|[0-9]+_[0-9_]*|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)"
)
_PLAIN_TRUTHS = ("true", "false")


class YamlError(ValueError):
    """The sentence's end, without a period: what is wrong, in which line."""


Path = tuple  # keys and indices from the top


class YamlDocument:
    """value: as PyYAML's safe loader gives it. Raises YamlError."""

    def __init__(self, text: str):
        import yaml

        try:
            loader = yaml.SafeLoader(text)
            try:
                node = loader.get_single_node()
                self._places: dict[Path, tuple[int, int]] = {}
                self._keys: dict[Path, tuple[int, int]] = {}
                self._count = 0
                if node is not None:
                    self._walk(node, ())
                self.value = loader.construct_document(node) if node is not None else None
            finally:
                loader.dispose()
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            raise YamlError(f"is not valid YAML{where}") from None
        except RecursionError:
            raise YamlError("is nested too deeply") from None

    def place(self, path: Sequence, key: str | None = None) -> str:
        """ "line 3, column 5" of the value there, or of one of its keys; "" where it is not known."""
        path = tuple(path)
        found = self._keys.get((*path, key)) if key is not None else None
        found = found or self._places.get(path)
        return f"line {found[0]}, column {found[1]}" if found else ""

    def _walk(self, node, path: Path) -> None:
        import yaml

        self._count += 1
        if self._count > MOST_NODES:
            raise YamlError("is too large; are there aliases in it?")
        self._places.setdefault(path, _place(node))
        if isinstance(node, yaml.MappingNode):
            self._walk_mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            for index, one in enumerate(node.value):
                self._walk(one, (*path, index))
        else:
            _check_scalar(node)

    def _walk_mapping(self, node, path: Path) -> None:
        seen = set()
        for key, value in node.value:
            _check_scalar(key)
            name = key.value if isinstance(key.value, str) else ""
            if name in seen and name != "<<":
                raise YamlError(f"is wrong: '{name}' is there twice, line {_place(key)[0]}")
            seen.add(name)
            self._keys.setdefault((*path, name), _place(key))
            self._walk(value, (*path, name))


def _place(node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _check_scalar(node) -> None:
    """Raises YamlError for a plain scalar that YAML 1.1 reads otherwise than it looks."""
    if node.id != "scalar" or node.style is not None:
        return
    kind, text = node.tag.rpartition(":")[2], node.value
    is_odd = (
        (kind in ("int", "float") and _ODD_NUMBERS.fullmatch(text))
        or (kind == "bool" and text.lower() not in _PLAIN_TRUTHS)
        or kind == "timestamp"
    )
    if is_odd:
        line, column = _place(node)
        other = " or true or false" if kind == "bool" else ""
        mend = f'write "{text}" in quotes{other}'
        raise YamlError(f"is wrong: {text} means something else in YAML; {mend}, line {line}, column {column}")
