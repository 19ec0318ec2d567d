"""``keiken show --evidence``: what the last verifications saw, step by step, and what is not the same in two runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from keiken.cli.terminal import Terminal, heading, plain, table, word
from keiken.client import Reference
from keiken.client.proof_shapes import Compared, EvidenceAnswer, Proof, ScenarioProof
from keiken.i18n import _
from keiken.replay.evidence import CheckSeen, ConnectionSeen, Evidence, FileSeen, StepSeen

MARKS = {"made": "+", "changed": "~", "removed": "-"}


def answer_evidence(terminal: Terminal, reference: Reference, answer: EvidenceAnswer) -> None:
    """JSON: the marketplace's answer with ``reference``."""
    shown: list[Any] = [line for proof in answer.proofs for line in _proof(proof)]
    if not answer.proofs:
        shown.append(_("No verification has been concluded there."))
    elif not answer.is_full:
        shown += [
            "",
            _("Without a license only this much is told. The publisher and licensed organizations see it all."),
        ]
    terminal.answer({"reference": str(reference), **answer.as_json()}, heading(f"{reference}  {answer.digest}"), *shown)


def _proof(proof: Proof) -> Iterator[Any]:
    finished = proof.finished_at.isoformat(" ", "minutes") if proof.finished_at else ""
    yield ""
    yield Text.assemble((plain(proof.environment), "bold"), " ", word(proof.verdict), f" {finished}")
    for scenario in proof.scenarios:
        yield from _scenario(scenario)


def _scenario(item: ScenarioProof) -> Iterator[Any]:
    yield ""
    yield Text.assemble((plain(item.scenario), "bold"), " ", word(item.verdict), f" {plain(item.reason)}")
    for number, run in enumerate(item.runs, start=1):
        if len(item.runs) > 1:
            yield _("run {n}").format(n=number)
        yield from _run(run)
    yield from _compared(item)


def _run(run: Evidence) -> Iterator[Any]:
    for step in [*run.steps, *run.undo]:
        yield from _step(step)
    yield from (line for check in run.checks for line in _check(check))
    if run.network:
        yield Text(_("  What it asked the network for:"))
    yield from (_connection(one) for one in run.network)
    yield Text(_("outcome {digest}").format(digest=run.outcome_digest), style="dim")


def _step(step: StepSeen) -> Iterator[Any]:
    yield Text.assemble("  ", (plain(step.id), "bold"), " ", word(step.status), f"  {_use(step)}")
    if step.argv:
        yield Text(f"    $ {plain(' '.join(step.argv))}")
    if step.reason:
        yield Text(f"    {plain(step.reason)}")
    yield from (line for check in step.checks for line in _check(check))
    if step.status in ("diverged", "failed") and (said := (step.stderr or step.stdout).strip()):
        yield Text(plain(said), style="dim")
    for output in step.outputs:
        yield Text(f"    {plain(output.name)} = {plain(output.shown)}")
    for file in step.files:
        yield Text(f"    {MARKS[file.change]} {plain(_file(file))}")
    if step.files_left_out:
        yield Text(_("    … and {n} more files").format(n=step.files_left_out))


def _use(step: StepSeen) -> str:
    parts = [f"{step.duration_seconds:.3f} s"]
    if step.exit_code is not None:
        parts.append(_("exit code {code}").format(code=step.exit_code))
    if step.cpu_seconds is not None:
        parts.append(_("{n:.3f} s of processor").format(n=step.cpu_seconds))
    if step.peak_memory_bytes is not None:
        parts.append(_("{n:.1f} MiB at most").format(n=step.peak_memory_bytes / (1 << 20)))
    return " · ".join(parts)


def _check(check: CheckSeen) -> Iterator[Text]:
    yield Text.assemble(
        "    ", ("✓" if check.holds else "✗", "green" if check.holds else "red"), f" {plain(check.expression)}"
    )
    for value in check.values:
        yield Text(f"        {plain(value.name)} = {plain(value.shown)}", style="dim")


def _connection(one: ConnectionSeen) -> Text:
    """Let through: to which address, and how much went; refused or cut off: by which rule."""
    target = f"{one.method} {one.host}:{one.port}" + (f" ({one.address})" if one.address else "")
    amount = _("sent {sent} B, received {received} B").format(sent=one.sent_bytes, received=one.received_bytes)
    often = f" × {one.count}" if one.count > 1 else ""
    ended = (f"✗ {plain(one.code)}", "red") if one.code else ("✓", "green")
    return Text.assemble("    ", ended, f" {plain(target)}{often}  {amount}", (f"  {plain(one.step)}", "dim"))


def _file(file: FileSeen) -> str:
    digest = file.before if file.change == "removed" else file.after
    came = f"{file.before[:19]} → " if file.change == "changed" else ""
    return f"{file.path}  {file.size} B  {file.mode}  {came}{digest[:19]}"


def _compared(item: ScenarioProof) -> Iterator[Any]:
    compared = item.compared
    if compared is None:
        return
    if not compared.differences:
        text = _("The same as in the run before: {runs} runs, {outcomes} outcome(s).")
        yield text.format(runs=item.runs_known, outcomes=item.outcomes_known)
        return
    yield _("Not the same as in the run before:")
    yield _differences(compared)


def _differences(compared: Compared) -> Any:
    rows = [(item.step, item.what, item.name, item.one, item.other) for item in compared.differences]
    return table([_("step"), _("what"), _("name"), _("before"), _("now")], rows)
