"""What a report is: whole, bounded, and no place for files."""

from __future__ import annotations

from pathlib import Path

from memory_replays import COMMANDS, run
from memory_sandbox import MemorySandbox, ran

from keiken.replay.report import Report
from keiken.sandbox.protocol import Connection


def test_the_report_is_whole_json_that_a_database_takes(tmp_path: Path) -> None:
    report, _box = run(
        tmp_path,
        parameters={"name": {"type": "string", "default": "日本"}},
        steps=[{"id": "a", "run": ["echo", "\x1b[31m\u202e", "x"], "outputs": {"x": "'a\\x00b'"}}],
    )
    text = report.model_dump_json()
    assert "\\u0000" not in text
    assert "\\u001b" not in text
    assert Report.model_validate_json(text) == report
    assert report.steps[0].outputs == {"x": "a\\0b"}
    assert report.steps[0].stdout == "\\x1b[31m\\u202e x\n"


def test_an_output_is_no_place_for_a_file(tmp_path: Path) -> None:
    box = MemorySandbox({"echo": lambda *_call: ran(0, "x" * 100_000)})
    report, _box = run(tmp_path, box, steps=[{"id": "a", "run": ["echo"], "outputs": {"all": "result.stdout"}}])
    assert (report.outcome, report.code) == ("diverged", "output_too_large")


def test_a_large_report_is_cut_until_it_can_be_sent(tmp_path: Path) -> None:
    box = MemorySandbox({"echo": lambda *_call: ran(0, "日" * 50_000)})
    step = {"run": ["echo"], "outputs": {"all": "trim(replace(result.stdout, '日日日', '月'))"}}
    report, _box = run(tmp_path, box, steps=[{"id": f"s{n}", **step} for n in range(120)])
    assert report.outcome == "succeeded"
    assert len(report.model_dump_json().encode()) <= 3 << 20
    assert report.steps[0].outputs == {"all": "left out: the report was too large"}


def test_what_was_asked_of_the_network_is_told_although_the_end_was_interrupted(tmp_path: Path) -> None:
    class Interrupted(MemorySandbox):
        asked = [Connection(host="shop.test", port=443, method="CONNECT")]

        def connections(self) -> list[Connection]:
            told, self.asked = self.asked, []
            return told

        def close(self) -> None:
            raise KeyboardInterrupt

    report, _box = run(tmp_path, Interrupted(COMMANDS), steps=[{"id": "a", "run": ["echo"]}])
    assert (report.outcome, report.code) == ("error", "interrupted")
    assert [one.host for one in report.network] == ["shop.test"]
