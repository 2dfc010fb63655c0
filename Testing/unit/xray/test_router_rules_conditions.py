"""Conditions on the sender and the time of day, several rules for one image, groups that must be complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from BodyPartRouterLib.routing.configuration.rules import Hours, Sender, Subject
from BodyPartRouterLib.routing.configuration.rules_file import load_rules
from BodyPartRouterLib.routing.journal.journal import Image, Journal
from BodyPartRouterLib.routing.plan import Delivery, Plan
from BodyPartRouterLib.service.completed_groups import CompletedGroups
from LesionKitLib.run.errors import UnusableInput


def rules_of(tmp_path, text):
    (tmp_path / "rules.yaml").write_text(f"version: 1\n{text}", "utf-8")
    return load_rules(tmp_path / "rules.yaml")


def chosen(rules, *sender, label="spine"):
    name, actions = rules.choose(Subject(label, 0.9, sender=Sender(*sender)))
    return name, [action.target for action in actions]


@pytest.mark.parametrize(
    ("condition", "sender", "holds"),
    [
        ("calling_ae: CR1", ("CR1",), True),
        ("calling_ae: [CR1, 'CR 2']", ("CR 2",), True),
        ("calling_ae: CR1", ("CR3",), False),
        ("called_ae: SPINES", ("CR1", "SPINES"), True),
        ("called_ae: SPINES", ("CR1", "LESIONKIT"), False),
        ("address: 10.1.0.0/16", ("CR1", "", "10.1.2.3"), True),
        ("address: [10.1.0.0/16, 'fe80::/10']", ("CR1", "", "fe80::1%eth0"), True),
        ("address: 10.1.2.3", ("CR1", "", "10.1.2.4"), False),
        ("calling_ae: CR1, address: 10.1.0.0/16", ("CR2", "", "10.1.2.3"), False),
        ("calling_ae: CR1", (), False),
        ("address: 10.1.0.0/16", (), False),
    ],
)
def test_rules_ask_who_sent_an_image(tmp_path, condition, sender, holds):
    rules = rules_of(tmp_path, f"rules: [{{when: {{sender: {{{condition}}}}}, then: [copy: a]}}]\n")
    assert (chosen(rules, *sender)[0] == "rule 1") is holds


@pytest.mark.parametrize(
    ("hours", "minute", "holds"),
    [((540, 1020), 540, True), ((540, 1020), 1020, False), ((1320, 360), 0, True), ((1320, 360), 360, False)],
)
def test_hours_may_go_over_midnight(hours, minute, holds):
    assert Hours(*hours).hold(minute) is holds


def test_rules_ask_for_the_time_of_day(tmp_path):
    from dataclasses import replace

    rules = rules_of(tmp_path, "rules: [{when: {hours: '22:00-06:00'}, then: [copy: a]}]\n")
    night, day = (replace(rules.rules[0].when, minute=lambda m=m: m) for m in (23 * 60, 12 * 60))
    assert night.holds(Subject("spine", 0.9)) and not day.holds(Subject("spine", 0.9))


def test_a_rule_that_continues_lets_later_rules_act_as_well(tmp_path):
    rules = rules_of(
        tmp_path,
        """
rules:
  - {name: all, then: [copy: archive], continue: true}
  - {name: spines, when: {class: spine}, then: [copy: spine, copy: archive], continue: true}
  - {name: chests, when: {class: adult_chest}, then: [copy: chest]}
  - {name: rest, then: [copy: rest]}
""",
    )
    assert chosen(rules) == ("all, spines, rest", ["archive", "spine", "rest"])
    assert chosen(rules, label="adult_chest") == ("all, chests", ["archive", "chest"])


def test_an_image_that_only_continuing_rules_touch_is_not_held(tmp_path):
    rules = rules_of(tmp_path, "rules: [{when: {class: spine}, then: [copy: a], continue: true}]\n")
    assert chosen(rules) == ("rule 1", ["a"])
    assert chosen(rules, label="others")[0] == "otherwise"


def test_deliveries_wait_until_no_image_of_their_study_has_come_for_a_while():
    now = [0.0]
    journal = Journal(monotonic=lambda: now[0])
    groups = CompletedGroups(journal, 60, lambda: now[0])
    for n, at in enumerate((0, 40, 80)):
        now[0] = at
        groups.note({"StudyInstanceUID": ("1.2",)})
        image = Image(str(n), "", str(n), Path("x"), 0.0)
        journal.add(image)
        journal.classify(image, Plan("r", (Delivery("dicom", "a", "", "study:1.2"),)), "spine", 0.9)
        groups.release_quiet()
        assert journal.due("dicom", "a", 9) == []
    now[0] = 140
    assert groups.release_quiet() == 1
    assert len(journal.due("dicom", "a", 9)) == 3
    journal.close()


def test_after_a_start_a_group_waits_its_full_time():
    now = [1000.0]
    journal = Journal(monotonic=lambda: now[0])
    image = Image("a", "", "a", Path("x"), 0.0)
    journal.add(image)
    journal.classify(image, Plan("r", (Delivery("dicom", "a", "", "series:1"),)), "spine", 0.9)
    groups = CompletedGroups(journal, 60, lambda: now[0])
    assert groups.release_quiet() == 0
    now[0] += 60
    assert groups.release_quiet() == 1
    journal.close()


def test_a_destination_has_hours_and_may_be_asked_what_it_has(tmp_path):
    text = (
        "destinations: {a: {type: dicom, host: h, port: 1, ae_title: A, hours: '22:00-06:00', verify: true}}\n"
        "rules: [{then: [store: a]}]\n"
    )
    place = rules_of(tmp_path, text).destinations["a"]
    assert place.hours == Hours(22 * 60, 6 * 60) and place.settings["verify"] is True
    with pytest.raises(UnusableInput, match="hours"):
        rules_of(tmp_path, text.replace("22:00-06:00", "22-6"))
