"""Secrets never reach a draft: neither those that are given by name nor those that are found by their shape."""

from __future__ import annotations

import base64
import json
import random
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import keiken_json
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from recordings import NAME, manifest, recorded, texts

from keiken.errors import KeikenError, UsageError
from keiken.package import review
from keiken.package.review import SECRETS
from keiken.record import shell
from keiken.record.redact import Redactor, environment_secrets
from keiken.record.shelltext import fill


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEIKEN_LANGUAGE", "en")
    monkeypatch.delenv("KEIKEN_MODEL_URL", raising=False)
    # What this machine is has nothing to do with secrets, and takes half a second each time.
    monkeypatch.setattr(shell, "probe", lambda tools: {"os.family": "linux"})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def escaped(text: str) -> str:
    return re.sub(r"[\\$`]", r"\\\g<0>", text)


def double_quoted(text: str) -> str:
    return '"' + escaped(text).replace('"', '\\"') + '"'


PLANTED: dict[str, Callable[[str], str]] = {
    "as an argument": lambda secret: f"printf %s {shlex.quote(secret)} > work/it",
    "in double quotes": lambda secret: f"printf '%s!' {double_quoted(secret)} > work/it",
    "inside another text": lambda secret: f"printf %s 'user:'{shlex.quote(secret)}'@host' > work/it",
    "printed and in a comment": lambda secret: f"printf %s {shlex.quote(secret)} | tee work/it # {secret}",
    "on the error output": lambda secret: f"printf %s {shlex.quote(secret)} >&2; true > work/it",
    "in a here-document": lambda secret: f"cat > work/it <<'END'\nx {secret} y\nEND",
    "in an expanded here-document": lambda secret: f"cat > work/it <<END\n{escaped(secret)}\nEND",
    "as base64": lambda secret: f"echo {base64.b64encode(secret.encode()).decode()} | base64 -d | tee work/it",
    "as the name of a file": lambda secret: f"touch work/{shlex.quote(secret.replace('/', '_'))}; true > work/it",
}
secret_texts = st.one_of(
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=6, max_size=40),
    st.text("abcXYZ019 -_.$`'\"\\!/#é鍵", min_size=8, max_size=30),
)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(secret=secret_texts, where=st.sampled_from(sorted(PLANTED)))
@example(secret="pa$$w'rd\"`\\!", where="in double quotes")
@example(secret="pa$$w'rd\"`\\!", where="in a here-document")
@example(secret="work/it", where="as an argument")
def test_a_planted_secret_is_in_no_file_of_the_draft(secret: str, where: str) -> None:
    assume(len(set(secret)) > 3 and secret == secret.strip() and secret not in "[secret planted]")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            draft = recorded(folder, f"{PLANTED[where](secret)}\necho done > work/done\n", secrets={"planted": secret})
        except KeikenError as refused:
            # A word of the format itself cannot be told from a leak; nothing is kept then.
            assert refused.code in ("secret_left", "script_incomplete", "nothing_recorded"), refused.message
            assert not (folder / "draft").exists()
            return
        for path, text in texts(draft.folder).items():
            assert secret not in text, path
            assert json.dumps(secret)[1:-1] not in text, path
        assert secret not in "\n".join([*draft.questions, *draft.warnings])


@settings(max_examples=40, deadline=None)
@given(kind=st.sampled_from(sorted(SECRETS)), data=st.data())
def test_what_would_refuse_a_publication_is_found_by_its_shape_and_taken_out(kind: str, data: st.DataObject) -> None:
    secret = data.draw(st.from_regex(re.compile(SECRETS[kind], re.ASCII), fullmatch=True))
    redactor = Redactor()
    assert not re.search(SECRETS[kind], redactor.scrub(f"it prints {secret} and goes on"))
    redactor.look(f"login --with {secret} now")
    redacted = redactor.redact(f"login --with {secret} now")
    assert not re.search(SECRETS[kind], redacted)
    assert redacted.startswith("login --with ")
    assert redacted.endswith(" now")


@pytest.mark.parametrize(
    ("typed", "secret", "name"),
    [
        ("curl -H 'Authorization: Bearer abcdefgh12345678' x", "abcdefgh12345678", "bearer_token"),
        ("mysql --password hunter2hunter x", "hunter2hunter", "password"),
        ("PGPASSWORD=hunter2hunter psql", "hunter2hunter", "password"),
        ("api_key: 'two words'", "two words", "password"),
        ("git clone https://me:hunter2@host.example/x", "hunter2", "url_password"),
        ("mail hana.sato@acme.co.jp", "hana.sato@acme.co.jp", "email"),
        ("echo q8Zr2LmXw0VtB7nKcY4sJd6H", "q8Zr2LmXw0VtB7nKcY4sJd6H", "secret"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzKEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzKEY", "password"),
    ],
)  # fmt: skip
def test_secrets_are_known_by_how_they_are_used(typed: str, secret: str, name: str) -> None:
    redactor = Redactor()
    redactor.look(typed)
    assert redactor.secrets == {name: secret}


@pytest.mark.parametrize(
    "typed",
    [
        "openssl req -x509 -key work/private-key.pem -out work/certificate.pem",
        "curl --key client.pem https://shop.example/",
        "cp -r /usr/share/doc/libssl3-dev_3.0.15/examples-2026-11 work/",
        "sha256sum -c 2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806",
        "git clone git@github.com:acme/tools.git",
        "git config user.email me@shop.example",
        "git config user.email someone@example.com",
        'psql "password=$PGPASSWORD"',
    ],
)
def test_what_is_none_is_not_taken_for_a_secret(typed: str) -> None:
    redactor = Redactor()
    redactor.look(typed)
    assert redactor.secrets == {}


def test_variables_that_say_they_are_secret_are_kept_out_unless_they_hold_a_path_or_their_own_name() -> None:
    assert environment_secrets(
        {
            "DB_PASSWORD": "hunter2hunter",
            "KEIKEN_SECRET_TOKEN": "abcdefgh",
            "API_KEY": "short",
            "POSTGRES_PASSWORD": "postgres",
            "TOKEN_FILE": "/run/secrets/token",
            "HOME": "/home/somebody",
        }
    ) == {"db_password": "hunter2hunter", "token": "abcdefgh"}


def test_a_secret_of_the_environment_reaches_the_step_as_a_secret(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "hunter2-hunter2")
    draft = recorded(folder, 'printf %s "$DEPLOY_TOKEN" > work/token; echo $DEPLOY_TOKEN\n')
    found = manifest(draft.folder)
    assert found["secrets"] == ["deploy_token"]
    assert found["steps"][0]["env"] == {"DEPLOY_TOKEN": "${{ secrets.deploy_token }}"}
    assert draft.redacted == ["deploy_token"]
    assert "[secret deploy_token]" in (draft.folder / "trace/session.jsonl").read_text()


def test_a_key_that_was_printed_only_in_part_is_not_kept(folder: Path) -> None:
    script = (
        "openssl genpkey -algorithm ed25519 -out work/key.pem\n"
        "openssl genrsa -out work/rsa.pem 2>/dev/null; head -n 4 work/rsa.pem; echo after\n"
        "tail -n 4 work/rsa.pem\nhead -n 1 work/rsa.pem\n"
    )
    draft = recorded(folder, script)
    kept = (draft.folder / "trace/session.jsonl").read_text()
    assert "PRIVATE KEY" not in kept
    assert not re.search(r"[A-Za-z0-9+/]{40}", kept)
    assert "after" in kept
    assert [finding for finding in review(draft.package) if finding.level == "error"] == []


def test_what_the_session_used_as_a_secret_is_taken_out_of_the_copies_of_its_inputs(folder: Path) -> None:
    (folder / "site.conf").write_text("listen 80\nopen sesame-1234\n")
    script = "cp assets/site.conf work/x; printf 'tok%s: %s' en sesame-$((1233 + 1))\n"
    draft = recorded(folder, script, inputs=[folder / "site.conf"])
    assert (draft.folder / "assets/site.conf").read_text() == "listen 80\nopen [secret password]\n"
    assert any("site.conf held what the session used as a secret (password)" in asked for asked in draft.questions)


def test_a_talkative_program_does_not_make_a_secret_of_each_of_its_words(folder: Path) -> None:
    # The same each time: of a hundred thousand random lines one has no digit, and is no secret by its looks.
    (folder / "random").write_bytes(random.Random(1).randbytes(60_000))
    script = "base64 -w 64 assets/random; seq 300 | sed 's/.*/a&@mail&.io/'; : > work/x\n"
    draft = recorded(folder, script, inputs=[folder / "random"])
    assert draft.redacted == []
    [line] = (draft.folder / "trace/session.jsonl").read_text().splitlines()
    printed = json.loads(line)["stdout"].splitlines()
    assert set(printed[1:]) == {"[secret email]", "[secret secret]"}  # the first is cut
    assert printed.count("[secret email]") > 100


def test_a_refusal_does_not_tell_the_secret_either(folder: Path) -> None:
    (folder / "session.sh").write_text("true > work/x\necho 'password=hunter2hunter\n")
    ran = keiken_json("record", "shell", "--script", "session.sh", "--name", NAME, "--out", "draft")
    assert ran.code == "script_incomplete"
    assert "hunter2hunter" not in ran.stdout


def test_a_draft_cannot_be_called_like_a_secret(folder: Path) -> None:
    with pytest.raises(UsageError) as refused:
        recorded(folder, f"touch {folder}/canary\n", secrets={"token": "a-recording"})
    assert refused.value.code == "secret_in_name"
    assert not (folder / "canary").exists()


def test_a_secret_in_the_title_is_taken_out(folder: Path) -> None:
    draft = recorded(folder, "true > work/x\n", title="Deploy with hunter2", secrets={"token": "hunter2"})
    assert draft.package.manifest.title == "Deploy with [secret token]"


# --- the shell reads the same words from a filled script

VALUE = "VALUE-1.2"
PIECES = st.sampled_from(
    [VALUE, "a", " ", "  b", "'", '"', "\\", "\n", "$", "$X", "${X:-y}", "$(echo ", ")", "`", "#", "$'", "<<E\n", "<<'E'\n",
     "<<-\\E\n", "E\n", "\nE\n", "!", "*", "|cat ", ";echo ", "; true && echo "]
)  # fmt: skip


def _run(script: str) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, stdin=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin", "FILLED": VALUE, "X": "x y"}, check=False
    )  # fmt: skip
    return done.returncode, done.stderr, done.stdout


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(pieces=st.lists(PIECES, max_size=12))
@example(pieces=["'", VALUE, "'"])
@example(pieces=["$'", VALUE, "\\", "'", VALUE, "'"])
@example(pieces=['"$(echo ', "'", VALUE, "'", ')"'])
@example(pieces=["a<<'E'\n", "$X `a` \\ ", VALUE, "\nE\n"])
@example(pieces=["${X:-", VALUE, "}", '"${X:-', VALUE, '}"'])
def test_a_shell_reads_the_same_from_a_script_whose_values_became_variables(pieces: list[str]) -> None:
    script = "echo " + "".join(pieces)
    before = _run(script)
    assume(before[:2] == (0, b"") and "$$" not in script)
    filled = fill(script, re.compile(re.escape(VALUE)), lambda _match: "FILLED", lambda _match: "gone")
    assert _run(filled) == before, filled
