"""Steps, permissions and parameters in words."""

from __future__ import annotations

import pytest

from marketplace import wording


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ({"run": ["cp", "a b", "work/c"]}, "cp 'a b' work/c"),
        ({"run": ["openssl", "-days", "${{ parameters.days }}"]}, "openssl -days ${{ parameters.days }}"),
        ({"run": ["echo", "/CN=${{ parameters.domain }}"]}, "echo /CN=${{ parameters.domain }}"),
        ({"run": ["echo", "", "a;b"]}, "echo '' 'a;b'"),
        ({"shell": "a | b\n"}, "a | b"),
        ({"http": {"method": "PUT", "url": "http://x/"}}, "PUT http://x/"),
        ({"file": {"write": "work/a", "content": "x\n", "mode": "0600"}}, "write work/a (0600)\nx"),
        ({"file": {"template": "work/a", "source": "assets/a"}}, "template work/a\nfrom assets/a"),
        ({"file": {"patch": "a", "replacements": [{"find": "x", "replace": "y"}]}}, "patch a\nx → y"),
        ({"file": {"remove": "work/a"}}, "remove work/a"),
        ({"ask": "Really?"}, "Really?"),
    ],
)
def test_a_step_shows_exactly_what_it_does(step: dict[str, object], text: str) -> None:
    assert wording.step_command(step) == text
    assert wording.step_kind(step) != ""


def test_permissions_are_sentences_with_names() -> None:
    lines = wording.permission_lines(
        {"permissions": {"commands": ["cp"], "network": ["db:5432"]}, "secrets": ["token"]}
    )
    assert lines == [
        ("terminal", "It runs these commands and no others:", ["cp"]),
        ("document", "It writes only here, below its own job folder:", ["work/**"]),
        ("globe", "It connects only to:", ["db:5432"]),
        ("key", "It asks for these secrets and never stores them:", ["token"]),
    ]


def test_an_experience_without_permissions_is_said_to_touch_nothing_else() -> None:
    sentences = [sentence for _icon, sentence, _names in wording.permission_lines({})]
    assert sentences == [
        "It runs no command.",
        "It writes only here, below its own job folder:",
        "It reaches no network.",
    ]


def test_parameters_carry_their_rules() -> None:
    schema = {"days": {"type": "integer", "minimum": 1, "maximum": 398, "default": 90}, "who": {"type": "string"}}
    days, who = wording.parameters({"parameters": schema})
    assert (days.name, days.kind, days.required, days.default) == ("days", "whole number", False, "90")
    assert days.rules == "at least 1; at most 398"
    assert (who.required, who.rules) == (True, "")


def test_every_state_of_the_models_has_its_mark() -> None:
    from typing import get_args

    from keiken.replay.report import Outcome, StepStatus, Verdict

    assert set(get_args(Verdict)) | {"queued", "running", "aged"} == set(wording.VERDICTS)
    assert set(get_args(Outcome)) | set(get_args(StepStatus)) == set(wording.OUTCOMES)
