"""Routing rules: their file, their conditions, what they choose."""

from __future__ import annotations

from pathlib import Path

import pytest

from BodyPartRouterLib.reading.header_values import check_keyword, number
from BodyPartRouterLib.routing import naming
from BodyPartRouterLib.routing.configuration.rules import Subject, folder_rules, into_folder
from BodyPartRouterLib.routing.configuration.rules_file import load_rules
from LesionKitLib.run.errors import UnusableInput

ROOT = Path(__file__).parents[3]


def rules_of(tmp_path, text):
    path = tmp_path / "rules.yaml"
    path.write_text(f"version: 1\n{text}", "utf-8")
    return load_rules(path)


def chosen(rules, label="adult_chest", probability=0.9, agrees=None, readable=True, **values):
    header = {keyword: (value,) if isinstance(value, str) else value for keyword, value in values.items()}
    name, actions = rules.choose(Subject(label, probability, agrees, header, readable))
    return name, [(action.kind, action.target) for action in actions]


def test_the_first_rule_whose_conditions_all_hold_decides(tmp_path):
    rules = rules_of(
        tmp_path,
        """
rules:
  - name: sure chests
    when: {class: [adult_chest, pediatric_chest], confidence: {at_least: 0.8}}
    then: [copy: chest]
  - name: any chest
    when: {class: adult_chest}
    then: [copy: doubtful, open: CovidLungQuant]
""",
    )
    assert chosen(rules, probability=0.8) == ("sure chests", [("copy", "chest")])
    assert chosen(rules, probability=0.7) == ("any chest", [("copy", "doubtful"), ("open", "CovidLungQuant")])
    assert chosen(rules, "pediatric_chest", 0.7)[0] == "otherwise"


def test_an_image_that_no_rule_speaks_of_is_held_unless_the_file_says_otherwise(tmp_path):
    rules = "rules:\n  - {when: {class: spine}, then: [copy: spine]}\n"
    assert chosen(rules_of(tmp_path, rules)) == ("otherwise", [("hold", "No rule speaks of this image.")])
    assert chosen(rules_of(tmp_path, rules + "otherwise: [copy: rest]\n")) == ("otherwise", [("copy", "rest")])


@pytest.mark.parametrize(
    ("test", "value", "holds"),
    [
        ("CT", "ct", True),
        ("[CR, DX]", "DX", True),
        ("[CR, DX]", "MR", False),
        ("{contains: Thorax}", "CT THORAX ABDOMEN", True),
        ("{matches: '^CHE?ST$'}", "chst", True),
        ("{matches: '^CHE?ST$'}", "CHESTS", False),
        ("{present: true}", "x", True),
        ("{present: false}", "x", False),
        ("{at_least: 2, below: 4}", "3.5", True),
        ("{at_least: 2, below: 4}", "4", False),
        ("{at_least: 2}", "many", False),
        ("3", "3.0", True),
    ],
)
def test_a_header_condition_compares_text_and_numbers(tmp_path, test, value, holds):
    rules = rules_of(tmp_path, f"rules:\n  - {{when: {{header: {{StudyDescription: {test}}}}}, then: [copy: a]}}\n")
    assert (chosen(rules, StudyDescription=value)[0] == "rule 1") is holds


def test_a_header_condition_holds_when_any_of_several_values_fits(tmp_path):
    rules = rules_of(tmp_path, "rules:\n  - {when: {header: {ImageType: PRIMARY}}, then: [copy: a]}\n")
    assert chosen(rules, ImageType=("ORIGINAL", "PRIMARY"))[0] == "rule 1"
    assert chosen(rules, ImageType=("ORIGINAL", "SECONDARY"))[0] == "otherwise"
    assert chosen(rules)[0] == "otherwise"


def test_ages_are_compared_in_years(tmp_path):
    rules = rules_of(tmp_path, "rules:\n  - {when: {header: {PatientAge: {below: 16}}}, then: [copy: child]}\n")
    assert [chosen(rules, PatientAge=age)[0] for age in ("015Y", "016Y", "018M", "400D")] == [
        "rule 1",
        "otherwise",
        "rule 1",
        "rule 1",
    ]
    assert number("006M") == pytest.approx(0.5)
    assert number("6 months") is None


def test_agreement_with_the_header_can_be_asked_for(tmp_path):
    rules = rules_of(tmp_path, "rules:\n  - {when: {agrees: false}, then: [hold: look at the header]}\n")
    assert chosen(rules, agrees=False) == ("rule 1", [("hold", "look at the header")])
    assert chosen(rules, agrees=True)[0] == chosen(rules, agrees=None)[0] == "otherwise"


def test_an_unreadable_image_is_touched_only_by_a_rule_that_says_unknown(tmp_path):
    rules = rules_of(
        tmp_path,
        """
rules:
  - {when: {class: unknown, header: {Modality: CT}}, then: [open: CovidLungQuant]}
  - {when: {header: {Modality: DX}}, then: [copy: x-rays]}
""",
    )
    assert chosen(rules, "unknown", 0.0, readable=False, Modality="CT")[1] == [("open", "CovidLungQuant")]
    assert chosen(rules, "unknown", 0.0, readable=False, Modality="DX")[0] == "otherwise"
    assert chosen(rules, "unknown", 0.0, readable=True, Modality="DX")[0] == "rule 2"


def test_only_the_header_elements_that_are_asked_for_are_read(tmp_path):
    rules = rules_of(
        tmp_path,
        """
rules:
  - {when: {header: {Modality: CT}}, then: [copy: "{StudyDate}/{class}"]}
otherwise: [move: "{StationName}"]
""",
    )
    assert rules.keywords == {"Modality", "StudyDate", "StationName"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("rules: []\nsurprise: 1\n", "surprise"),
        ("rules:\n  - {when: {class: knee}, then: [copy: a]}\n", "knee"),
        ("rules:\n  - {when: {class: spine}}\n", "'then' is a required property"),
        ("rules:\n  - {then: [copy: a, {copy: b, move: c}]}\n", "rules, number 1, then, number 2"),
        ("rules:\n  - {when: {confidence: {at_least: 80}}, then: [copy: a]}\n", "80"),
        ("rules:\n  - {when: {header: {PatientsShoe: x}}, then: [copy: a]}\n", "PatientsShoe"),
        ("rules:\n  - {when: {header: {PixelData: x}}, then: [copy: a]}\n", "PixelData"),
        ("rules:\n  - {when: {header: {Modality: {matches: '('}}}, then: [copy: a]}\n", "header, Modality"),
        ("rules:\n  - {then: [store: nowhere]}\n", "nowhere"),
        ("destinations: {a: {type: ftp}}\nrules: []\n", "destinations, a"),
        ("destinations: {a: {type: stow, url: 'http://x'}}\nrules:\n  - {then: [store: a]}\n", "type dicom"),
        ("rules:\n  - {then: [copy: '{PatientName}']}\n", "person's name"),
        ("rules:\n  - {then: [copy: '{Nonsense}']}\n", "Nonsense"),
        ("rules: [\n", "not valid YAML in line"),
        ("rules: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
    ],
)
def test_a_wrong_rules_file_is_refused_with_a_sentence_that_says_where(tmp_path, text, part):
    with pytest.raises(UnusableInput, match="(?s)rules.yaml.*\\.$") as caught:
        rules_of(tmp_path, text)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_rules_file_is_one_sentence(tmp_path):
    with pytest.raises(UnusableInput, match="cannot be read"):
        load_rules(tmp_path / "none.yaml")


def test_the_rules_in_the_documentation_are_valid(tmp_path):
    text = "".join((ROOT / "docs" / name).read_text("utf-8") for name in ("router-rules.md", "tutorial-router.md"))
    examples = [part.split("```")[0] for part in text.split("```yaml\n")[1:]]
    assert examples
    for example in examples:
        (tmp_path / "example.yaml").write_text(example, "utf-8")
        assert load_rules(tmp_path / "example.yaml").rules


def test_the_documentation_names_every_setting_of_the_service():
    from BodyPartRouterLib.routing.configuration.schema import RULES_SCHEMA

    text = (ROOT / "docs" / "router-rules.md").read_text("utf-8")
    assert [name for name in RULES_SCHEMA["properties"]["service"]["properties"] if f"`{name}`" not in text] == []


def test_relative_folders_lie_below_the_rules_file(tmp_path):
    rules = rules_of(tmp_path, "rules:\n  - {then: [copy: 'sorted/{class}', move: spine]}\nservice: {data: box}\n")
    assert rules.filled_folders == [tmp_path / "sorted", tmp_path / "spine"]
    assert rules.service.data == tmp_path / "box"


def test_without_a_rules_file_each_class_has_a_folder_and_the_unknown_stay(tmp_path):
    rules = folder_rules(tmp_path, move=True)
    assert chosen(rules, "spine")[1] == [("move", "{class}")]
    assert chosen(rules, "unknown", 0.3)[1][0][0] == "hold"


def test_a_folder_on_the_command_line_takes_the_place_of_that_of_the_rules(tmp_path):
    rules = rules_of(tmp_path, "rules:\n  - {then: [copy: a, open: Volumes]}\n")
    moved = into_folder(rules, tmp_path / "other", move=True)
    assert chosen(moved)[1] == [("move", "a"), ("open", "Volumes")]
    assert moved.filled_folders == [tmp_path / "other" / "a"]


@pytest.mark.parametrize(
    "text",
    ["../../etc", "/etc/passwd", "..", ".", "", "a\0b", "C:\\Windows", "con", "NUL.txt", "~/x", "a/b", "  ", "é" * 300],
)
def test_no_header_value_leaves_its_folder(tmp_path, text):
    part = naming.safe_part(text)
    assert part and len(part) <= 65 and not set(part) & set("/\\:\0~")
    assert part not in (".", "..") and part.split(".")[0].upper() not in ("CON", "NUL")
    folder = naming.fill_folder("sorted/{StudyDescription}", "spine", {"StudyDescription": (text,)}, tmp_path)
    assert folder.parent == tmp_path / "sorted"


@pytest.mark.parametrize("uid", ["../../evil", "1.2/../../3", "", "1.2.", "1..2", "1." + "2" * 70, "1.2\n", "9.1"])
def test_a_file_is_not_named_after_an_invalid_uid(uid):
    name = naming.file_name(Path("folder/Scan 1.DCM"), uid, "abcdef0123456789")
    assert name == "Scan_1-abcdef012345.dcm"


def test_a_file_is_named_after_its_uid():
    assert naming.file_name(Path("x"), "1.2.840.0.7", "ff") == "1.2.840.0.7.dcm"


def test_keywords_that_hold_no_text_cannot_be_asked_for():
    assert check_keyword("BodyPartExamined") is None
    assert check_keyword("SharedFunctionalGroupsSequence") and check_keyword("pixel")
