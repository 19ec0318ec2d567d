"""Lies about what happened, and traps for whoever reads what a step left."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.sandbox_escapes import canaries
from tests.sandbox_escapes.attack import THROUGH, Attack, Read, Seen, is_believed, reads_secret

_PASSED = (
    r"""my $passed = '{"scenario": "contained", "verdict": "passed", "reason": "All steps and checks held.",'
    . ' "hollow_caught": true, "report": {"outcome": "succeeded", "exit_code": 0}}';"""
    "\n"
)
_LIE = {"verdict": "failed", "code": "check_failed", "got_through": is_believed, "expect": ["file('work/done').exists"]}
_STEERING = "\x1b\x07\x08\x9b\x9d\x00\r\u202e\u2066"
_READ_SECONDS = 1.0
_BLOCKED_SECONDS = 3.0


def _steers(seen: Seen) -> bool:
    """A character that could steer a person's terminal is in what came back."""
    return any(character in seen.text for character in _STEERING)


def _is_no_text(seen: Seen) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in seen.text)


def _has_nul(seen: Seen) -> bool:
    return "\0" in seen.text


def _blocks(read: Read) -> str:
    """Whether somebody who reads it waits for ever (until what the attack left opens the other end)."""
    reader = threading.Thread(target=read, args=("work/report",), daemon=True)
    reader.start()
    reader.join(_BLOCKED_SECONDS)
    return f"{THROUGH} the reader is blocked" if reader.is_alive() else ""


def _swallows(read: Read) -> str:
    return f"{THROUGH} read {len(data)} bytes" if len(data := read("work/report")) >= 1 << 20 else ""


def _races(read: Read) -> str:
    """Read until the secret comes, at most as long as a control needs many times over."""
    deadline = time.monotonic() + _READ_SECONDS
    seen: set[bytes] = set()
    while time.monotonic() < deadline:
        data = read("work/report")
        seen.add(data[:100])
        if data.startswith(b"secret"):
            break
    return " ".join(sorted(piece.decode(errors="replace") for piece in seen))


def _changes(read: Read) -> str:
    """Whether two readings differ in a moment."""
    first, deadline = read("work/report"), time.monotonic() + _READ_SECONDS
    while time.monotonic() < deadline:
        if read("work/report") != first:
            return f"{THROUGH} it changed while it was checked"
    return ""


def _left_names(job: Path) -> str:
    return "\n".join(path.name for path in (job / "work").iterdir())


def _cannot_remove(job: Path) -> str:
    try:
        shutil.rmtree(job / "work")
    except (OSError, RecursionError) as trouble:
        return f"{THROUGH} {type(trouble).__name__} on removing it"
    return ""


def _swapping(make: str) -> str:
    """A daemon that keeps exchanging ``work/report`` with ``work/other``, both made by ``make``."""
    return (
        make
        + """if (!fork()) { close $_ for *STDOUT, *STDERR;
            for (1 .. 10_000_000) { syscall($NR{renameat2}, -100, my $a = 'work/report', -100, my $b = 'work/other', 2) == 0
                or do { rename('work/report', 'work/t'); rename('work/other', 'work/report'); rename('work/t', 'work/other') } }
            POSIX::_exit(0) }
        nap(0.05); claim('[refused]', 'swapping');"""
    )


def _lying(name: str, script: str, **fields: object) -> Attack:
    return Attack(name=name, script=_PASSED + script, **{**_LIE, **fields})  # type: ignore[arg-type]


def _printing(name: str, what: str, got_through: Callable[[Seen], bool]) -> Attack:
    return Attack(
        name=name,
        script=f"print {what}; print STDERR {what}; refused('printed');",
        outputs={"said": "result.stdout", "complained": "result.stderr"},
        got_through=got_through,
    )


ATTACKS = [
    _lying("forged_verdict", 'print "\\n$passed"; exit 0;'),
    _lying(
        "forged_report_file",
        """mkdir 'work/output'; mkdir "$ENV{HOME}/.keiken";
        for ('work/report.json', 'work/verdict.json', 'report.json', '/tmp/report.json', 'work/output/report.json',
            "$ENV{HOME}/.keiken/report.json", '/run/report.json') { open(my $f, '>', $_) or next; print $f $passed; close $f }
        if (!-e '/job/scripts') { unlink '/tmp/report.json', '/run/report.json' } exit 0;""",
    ),
    _lying("forged_exit", "print \"\\n$passed\"; open(STDERR, '>&', 1); kill 9, $$;"),
    _printing("terminal_escapes", r'"\e]0;owned\a\e[2J\e]52;c;cm0gLXJm\a\xc2\x9b31m\r\b\xe2\x80\xae"', _steers),
    _printing("nul_bytes", r'"a\0b\0"', _has_nul),
    _printing("invalid_utf8", r'"\xff\xfe\xc3(\xed\xa0\x80"', _is_no_text),
    Attack(
        name="odd_names",
        script=r"""for ("\e]0;owned\a", "a\nb\r", "\xff\xfe", "\xe2\x80\xae txt", '-rf', '$(id)', 'n' x 255) {
            open(my $f, '>', "work/$_") or die "$_: $!"; print $f 1; close $f } refused('odd names');""",
        expect=["size(files('work/**')) >= 6"],
        careless=_left_names,
        got_through=_steers,
    ),
    Attack(
        name="deep_tree",
        limits={"work_inodes": 3000},
        script="""mkdir 'work/d'; chdir 'work/d'; my $n = 0; while ($n++ < 1500) { mkdir 'd' x 9; chdir 'd' x 9 }
        open(my $f, '>', 'deepest'); print 'made';""",
        expect=["file('work/d').kind == 'folder' && size(files('work/**')) == 0"],
        careless=_cannot_remove,
    ),
    Attack(
        name="fifo_read_back",
        script="""POSIX::mkfifo('work/report', 0644) or die $!;
        if (!fork()) { close $_ for *STDOUT, *STDERR; nap(9); sysopen(my $w, 'work/report', O_WRONLY | O_NONBLOCK);
            POSIX::_exit(0) } refused('left a pipe instead of a file');""",
        probe=_blocks,
        expect=["file('work/report').kind == 'other'"],
    ),
    Attack(
        name="endless_device_read_back",
        script="symlink('/dev/zero', 'work/report') or die $!; refused('left a way to a device without end');",
        probe=_swallows,
        expect=["file('work/report').kind == 'other'"],
    ),
    Attack(
        name="race_for_a_link",
        outside=canaries.file,
        script=_swapping(
            """open(my $f, '>', 'work/report'); print $f 'plain'; close $f; symlink($ENV{TARGET}, 'work/other') or die;
        """
        ),
        probe=_races,
        checks_links=True,
        got_through=reads_secret,
    ),
    Attack(
        name="race_for_a_folder",
        outside=canaries.file,
        script="""# work/report/canary is plain, or goes through a link to the folder of the machine's file.
        mkdir 'work/report'; open(my $f, '>', 'work/report/canary'); print $f 'plain'; close $f;
        my ($folder) = $ENV{TARGET} =~ m{^(.*)/}; symlink($folder, 'work/other') or die;
        """
        + _swapping(""),
        probe=lambda read: _races(lambda path: read(f"{path}/canary")),
        checks_links=True,
        got_through=reads_secret,
    ),
    Attack(
        name="tampering_after_the_step",
        script=_swapping(
            """for ('report', 'other') { open(my $f, '>', "work/$_"); print $f $_; close $f }
        """
        ),
        # On a busy machine it may be a while until who swaps has its turn.
        then="""my (%seen, $until); $until = time + 8;
        while (time < $until) { $seen{slurp('work/report')} = 1; last if $seen{report} && $seen{other} }
        $seen{report} && $seen{other} ? refused('it goes on, also in the next step') : die 'nobody swaps';""",
        # Final checks come after everything inside was killed: what they read first is what they read ever after.
        expect=[f"[{','.join(['0'] * 60)}].all(n, file('work/report').text == file('work/report').text)"],
        careless=lambda job: _changes(lambda path: (job / path).read_bytes()),
    ),
]
