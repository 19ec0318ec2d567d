"""Words from a model behind an OpenAI-compatible endpoint. Whatever it does, there is a draft."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import keiken_json, process
from loopback import Answer, Request, serving
from recordings import NAME, recorded, texts

from keiken.package import review
from keiken.record import Draft, describe, shell

SCRIPT = "ls\nmkdir work/out\nfalse\nprintf 'token = %s' hunter2-hunter2 > work/out/token\n"
WORDS = {
    "title": "Keep the token",
    "description": "Writes the token where the service looks for it.",
    "step_titles": ["Make the folder", "Write the token"],
    "body": "# Keep the token\n\n1. Make the folder, because the next step needs it.\n2. Write the token.",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("KEIKEN_LANGUAGE", "en")
    monkeypatch.setattr(shell, "probe", lambda tools: {"os.family": "linux"})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(content: Any) -> Answer:
    """A completion whose message is this text, or this document as JSON."""
    text = content if isinstance(content, str) else json.dumps(content)
    message = {"role": "assistant", "content": text}
    return Answer(
        200,
        {
            "id": "c-1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        },
    )


def drafted(folder: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[[Request], Answer]) -> Draft:
    with serving(answer) as address:
        monkeypatch.setenv("KEIKEN_MODEL_URL", f"{address}/v1")
        return recorded(folder, SCRIPT)


def assert_plain(draft: Draft, why: str) -> None:
    """The draft has plain words, passes the review, and its result says why."""
    assert draft.warnings == [f"The model wrote no texts: {why}. The draft has plain ones."]
    assert draft.package.manifest.title == "A recording"
    assert draft.package.manifest.steps[0].title == "mkdir work/out"
    assert [finding for finding in review(draft.package) if finding.level == "error"] == []


def test_a_model_writes_titles_and_the_skill_and_nothing_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Answer:
        asked.append(request)
        return said(f"```json\n{json.dumps(WORDS)}\n```")

    monkeypatch.setenv("KEIKEN_MODEL_NAME", "small")
    monkeypatch.setenv("KEIKEN_MODEL_KEY", "model-key-1")
    draft = drafted(folder, monkeypatch, answer)
    assert draft.warnings == []
    assert draft.package.manifest.title == "Keep the token"
    assert [step.title for step in draft.package.manifest.steps] == ["Make the folder", "Write the token"]
    assert draft.package.skill.description == "Writes the token where the service looks for it."
    assert draft.package.skill.body.strip() == WORDS["body"]
    [request] = asked
    assert (request.path, request.json["model"]) == ("/v1/chat/completions", "small")
    assert request.headers["authorization"] == "Bearer model-key-1"
    # One text a step that was kept, redacted; a failed line and one that only looked around are none.
    told = json.loads(request.json["messages"][1]["content"])
    assert told[0] == "mkdir work/out"
    assert len(told) == 2
    assert all("model-key-1" not in text for text in texts(draft.folder).values())


def test_a_model_sees_no_secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Answer:
        asked.append(request)
        return said(WORDS)

    with serving(answer) as address:
        monkeypatch.setenv("KEIKEN_MODEL_URL", f"{address}/v1")
        recorded(folder, SCRIPT, secrets={"planted": "hunter2-hunter2"})
    assert b"hunter2" not in asked[0].body


@pytest.mark.parametrize(
    "content",
    [
        "I am sorry, I cannot do that.",
        "",
        "[]",
        "[" * 100_000,
        {**WORDS, "step_titles": ["one", "two", "three", "four"]},
        {**WORDS, "step_titles": ["one"]},
        {**WORDS, "step_titles": "ab"},
        {**WORDS, "title": ""},
        {**WORDS, "title": None},
        {**WORDS, "body": ["a"]},
        {name: text for name, text in WORDS.items() if name != "description"},
    ],
)
def test_nonsense_gives_way_to_plain_words(folder: Path, monkeypatch: pytest.MonkeyPatch, content: Any) -> None:
    draft = drafted(folder, monkeypatch, lambda _request: said(content))
    assert_plain(draft, "its answer is not what was asked for")


@pytest.mark.parametrize("answer", [Answer(200, {"choices": []}), Answer(200, b"<html>"), Answer(200, {"error": "no"})])
def test_what_is_no_completion_gives_way_to_plain_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    draft = drafted(folder, monkeypatch, lambda _request: answer)
    assert_plain(draft, "its answer is not what was asked for")


def test_words_that_the_format_refuses_give_way_to_plain_ones(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "AKIA" + "ABCDEFGHIJKLMNOP"
    draft = drafted(folder, monkeypatch, lambda _request: said({**WORDS, "body": f"Use {key} and go on with it."}))
    assert_plain(draft, "its words do not fit the format")
    assert all(key not in text for text in texts(draft.folder).values())


def test_words_that_would_turn_a_terminal_or_a_reader_are_made_harmless(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {**WORDS, "title": "Keep\n\x1b[31m the \u202etoken", "description": "a" * 5000}
    draft = drafted(folder, monkeypatch, lambda _request: said(words))
    assert draft.warnings == []
    assert draft.package.manifest.title == "Keep [31m the token"
    assert draft.package.skill.description == "a" * 1000


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_an_endpoint_that_refuses_gives_way_to_plain_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    draft = drafted(folder, monkeypatch, lambda _request: Answer(status, {"error": {"message": "no"}}))
    [warning] = draft.warnings
    assert warning.startswith("The model wrote no texts: it could not be asked (")
    assert_plain(draft, warning.removeprefix("The model wrote no texts: ").removesuffix(". The draft has plain ones."))


def test_an_endpoint_that_nobody_answers_gives_way_to_plain_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and does not listen
        monkeypatch.setenv("KEIKEN_MODEL_URL", f"http://127.0.0.1:{free.getsockname()[1]}/v1")
        assert_plain(recorded(folder, SCRIPT), "it could not be asked (APIConnectionError)")


def test_a_slow_model_is_not_waited_for_longer_than_a_minute(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert describe.TOTAL_SECONDS == 60
    monkeypatch.setattr(describe, "TOTAL_SECONDS", 1.0)
    held = threading.Event()

    def answer(_request: Request) -> Answer:
        held.wait(60)
        return said(WORDS)

    draft = drafted(folder, monkeypatch, answer)
    held.set()
    [warning] = draft.warnings
    assert "it took longer than 1 s" in warning or "APITimeoutError" in warning


def test_an_answer_without_end_is_not_read_to_its_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = drafted(folder, monkeypatch, lambda _request: said("a" * (describe.ANSWER_BYTES_LIMIT + 1)))
    assert_plain(draft, "its answer is too long")


def test_who_does_not_want_to_wait_for_words_gets_the_draft(folder: Path) -> None:
    held, asked = threading.Event(), threading.Event()

    def answer(_request: Request) -> Answer:
        asked.set()
        held.wait(120)
        return said(WORDS)

    (folder / "session.sh").write_text(SCRIPT)
    with serving(answer) as address:
        arguments = ("record", "shell", "--script", "session.sh", "--name", NAME, "--out", "draft", "--json")
        running = process(*arguments, environ={"KEIKEN_MODEL_URL": f"{address}/v1"})
        assert asked.wait(120)
        running.send_signal(signal.SIGINT)
        out, _err = running.communicate(timeout=120)
        held.set()
    assert running.returncode == 0
    assert json.loads(out)["warnings"] == [
        "The model wrote no texts: it was interrupted. The draft has plain ones."
    ]  # fmt: skip
    assert (folder / "draft/experience.yaml").exists()


def test_the_remark_is_in_the_document_too(folder: Path) -> None:
    (folder / "session.sh").write_text(SCRIPT)
    with serving(lambda _request: said("no")) as address:
        ran = keiken_json("record", "shell", "--script", "session.sh", "--name", NAME, "--out", "draft",
                          KEIKEN_MODEL_URL=f"{address}/v1")  # fmt: skip
    assert ran.exit_code == 0
    assert ran.document["warnings"] == [
        "The model wrote no texts: its answer is not what was asked for. The draft has plain ones."
    ]
    assert keiken_json("check", folder / "draft", "--static").exit_code == 0
