"""One file per action. A new action is one new file and one line here."""

from keiken.replay.actions import ask, file, http, run, shell
from keiken.replay.actions.base import Action, ActionResult, Job

ACTIONS: dict[str, Action] = {
    "run": run.Run(),
    "shell": shell.Shell(),
    "http": http.Http(),
    "file": file.File(),
    "ask": ask.Ask(),
}

__all__ = ["ACTIONS", "Action", "ActionResult", "Job"]
