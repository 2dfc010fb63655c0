"""The rules file read strictly: what YAML would take for something else is refused, with its place and the mend."""

from __future__ import annotations

import pytest

from BodyPartRouterLib.routing.configuration.rules_file import load_rules
from LesionKitLib.run.errors import UnusableInput


def refused(tmp_path, text):
    (tmp_path / "rules.yaml").write_text(text, "utf-8")
    with pytest.raises(UnusableInput) as caught:
        load_rules(tmp_path / "rules.yaml")
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


RULE_TWICE = "rules:\n  - {then: [copy: a]}\nrules:\n  - {then: [copy: b]}\n"
CONDITION_TWICE = "rules:\n  - when: {class: unknown, class: spine}\n    then: [copy: a]\n"
DESTINATION_TWICE = "destinations:\n  a: {type: stow, url: 'http://x'}\n  a: {type: stow, url: 'http://y'}\nrules: []\n"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (RULE_TWICE, "'rules' is there twice, line 4"),
        (CONDITION_TWICE, "'class' is there twice, line 3"),
        (DESTINATION_TWICE, "'a' is there twice, line 4"),
        ("rules: []\nservice: {data: a, data: b}\n", "'data' is there twice, line 3"),
    ],
)
def test_a_key_that_is_there_twice_is_refused_with_its_line(tmp_path, text, part):
    assert part in refused(tmp_path, f"version: 1\n{text}")


@pytest.mark.parametrize(
    "value", ["0012", "0x1F", "0b101", "1_000", "22:00", "1:30:00", "yes", "NO", "On", "2024-01-02"]
)
def test_a_value_that_yaml_reads_otherwise_must_be_quoted(tmp_path, value):
    rule = "version: 1\nrules:\n  - when: {{header: {{AccessionNumber: {}}}}}\n    then: [copy: a]\n"
    sentence = refused(tmp_path, rule.format(value))
    assert f'write "{value}" in quotes' in sentence and "line 3, column 38" in sentence
    (tmp_path / "rules.yaml").write_text(rule.format(f'"{value}"'))
    (test,) = load_rules(tmp_path / "rules.yaml").rules[0].when.header
    assert test.equal == (value,)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("version: 1\nrules:\n  - name: a\n    when: {clas: spine}\n    then: [copy: a]\n", "line 4, column 12"),
        ("version: 1\nrules:\n  - when: {confidence: {at_least: 80}}\n    then: [copy: a]\n", "line 3, column 35"),
        ("version: 1\nrules:\n  - then: [store: nowhere]\n", "line 3, column 12"),
        ("version: 1\nrules:\n  - then: [copy: a, {copy: b, move: c}]\n", "line 3, column 21"),
        ("version: 1\nrules: [\n", "line 3, column 1"),
        ("version: 1\nrules:\n  - when: {header: {Nonsense: 1}}\n    then: [copy: a]\n", "line 3, column 21"),
    ],
)
def test_a_mistake_is_told_with_line_and_column(tmp_path, text, place):
    assert place in refused(tmp_path, text)


@pytest.mark.parametrize("title", ["ae_title: ' '", "ae_title: ''", "allow: ['  ']"])
def test_a_blank_title_is_refused(tmp_path, title):
    assert "line 3" in refused(tmp_path, f"version: 1\nrules: []\nservice: {{{title}}}\n")


def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path):
    text = "version: 1\ndestinations: {a: {type: stow, url: 'https://jim:secret@host/web'}}\nrules: []\n"
    sentence = refused(tmp_path, text)
    assert "login_variable" in sentence and "secret" not in sentence


def test_aliases_that_unfold_without_end_are_refused(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "too large" in refused(tmp_path, "\n".join(lines))
    refused(tmp_path, "a: &a [*a]\n")


def test_an_address_that_is_none_is_refused(tmp_path):
    assert "10.1.0.0/99" in refused(
        tmp_path, "version: 1\nrules: [{when: {sender: {address: 10.1.0.0/99}}, then: [copy: a]}]"
    )


@pytest.mark.parametrize("action", ["move: a", "open: Volumes", "hold: x"])
def test_only_a_copy_that_leaves_can_be_changed(tmp_path, action):
    text = f"version: 1\nrules: [{{then: [{{{action}, change: {{remove: [StationName]}}}}]}}]\n"
    assert "only a copy that leaves" in refused(tmp_path, text)


def test_the_identity_of_an_image_cannot_be_set(tmp_path):
    text = "version: 1\nrules: [{then: [{copy: a, change: {set: {SOPInstanceUID: '1.2'}}}]}]\n"
    assert "cannot be changed alone" in refused(tmp_path, text)
