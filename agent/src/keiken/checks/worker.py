"""The child process in which checks are evaluated: it has two pipes, some memory and a little time, and nothing else.

It asks its owner for the state of files and ports, so it needs no access of its own and gets none. Its parent has
loaded the interpreter, and never hears or sees what its children do.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import select
import signal
import socket
from typing import Any, NoReturn

from keiken.checks import frames
from keiken.checks.functions import HEAVY_FIELDS, functions

MEMORY_BYTES = 1 << 30
VALUE_LIMIT_BYTES = 1 << 20
_REQUESTS, _ANSWERS = 0, 3


def main(control_fd: int) -> None:
    """Load the interpreter, then fork a child for each request, until the owner is gone (``keiken.checks.nursery``)."""
    control = socket.socket(fileno=control_fd)
    cel = _warmed_up()
    gc.freeze()  # what is loaded stays shared with the children
    children: dict[int, tuple[int, socket.socket]] = {}  # by pidfd: pid, and where its owner hears of it
    waiting = select.poll()
    waiting.register(control, select.POLLIN)
    while True:
        for fd, _events in waiting.poll():
            if fd in children:
                waiting.unregister(fd)
                _bury(fd, *children.pop(fd))
                continue
            message, descriptors, _flags, _address = socket.recv_fds(control, 16, 3, socket.MSG_CMSG_CLOEXEC)
            if not message:
                os._exit(0)
            requests, answers, life = descriptors
            if born := _bear(cel, requests, answers, socket.socket(fileno=life)):
                children[born[0]] = born[1:]
                waiting.register(born[0], select.POLLIN)
            os.close(requests)
            os.close(answers)


def _warmed_up() -> Any:
    from keiken.checks.native import interpreter

    cel = interpreter()
    # The interpreter loads Python modules when it first converts values; a child could open none.
    warm = cel.Context()
    warm.update({"a": {"b": [1, 1.0, "", b"", None, True]}})
    cel.evaluate("a", warm)
    cel.evaluate("[timestamp('2024-01-01T00:00:00Z'), duration('1s')]", cel.Context())
    return cel


def _bear(cel: Any, requests: int, answers: int, life: socket.socket) -> tuple[int, int, socket.socket] | None:
    """The new child's pidfd and pid, and ``life``; None when there is no room for another process."""
    try:
        pid = os.fork()
    except OSError:
        life.close()
        return None
    if pid == 0:
        _live(cel, requests, answers)
    pidfd = os.pidfd_open(pid)  # nobody else reaps it, so the number is still its own
    with contextlib.suppress(OSError):  # the owner has closed it, or is gone
        socket.send_fds(life, [b"born"], [pidfd])
    return pidfd, pid, life


def _bury(pidfd: int, pid: int, life: socket.socket) -> None:
    _pid, status = os.waitpid(pid, 0)
    os.close(pidfd)
    with life, contextlib.suppress(OSError):
        life.send(str(os.waitstatus_to_exitcode(status)).encode())


def _live(cel: Any, requests: int, answers: int) -> NoReturn:
    code = 1
    try:
        os.dup2(requests, 0)
        os.dup2(answers, 1)
        _let_go()
        while (request := _receive()) is not None:
            signal.setitimer(signal.ITIMER_PROF, request["cpu_seconds"])  # ends this process, even inside native code
            answer = _evaluated(cel, request)
            signal.setitimer(signal.ITIMER_PROF, 0)
            _send(answer)
        code = 0
    finally:
        os._exit(code)


def _let_go() -> None:
    """No descriptor but the pipes, and no way to open another; what the interpreter prints goes nowhere."""
    os.dup2(1, _ANSWERS)
    os.dup2(2, 1)
    os.closerange(_ANSWERS + 1, 4096)
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_NOFILE, _ANSWERS + 1),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(limit, (value, value))


def _evaluated(cel: Any, request: dict[str, Any]) -> dict[str, Any]:
    """The value, or the error in the interpreter's words; the parent makes a sentence of it."""
    names = set(request["names"])
    asked: dict[str, Any] = {}

    def ask(what: str, argument: Any) -> Any:
        key = f"{what} {argument!r}"
        if key not in asked:
            asked[key] = _ask(what, argument, names)
        answer = asked[key]
        if "error" in answer:
            raise ValueError(answer["error"])
        value = answer["value"]
        return dict(value) if isinstance(value, dict) else value

    try:
        context = cel.Context()
        for name, function in functions(ask, names).items():
            context.add_function(name, function)
        context.update(request["bindings"])
        value = cel.evaluate(request["expression"], context)
        answer = {"value": value}
        if len(frames.dump(answer)) > VALUE_LIMIT_BYTES:
            return {"error": "ValueLimit: the value is larger than 1 MiB"}
    except Exception as error:  # whatever the interpreter says of the expression goes to the parent as words
        return {"error": f"{type(error).__name__}: {error}"[:2000]}
    return answer


def _ask(what: str, argument: Any, names: set[str]) -> Any:
    _send({"ask": what, "argument": argument, "with_content": not names.isdisjoint(HEAVY_FIELDS)})
    answer = _receive()
    if answer is None:
        os._exit(0)
    return answer


def _send(message: Any) -> None:
    data = memoryview(frames.dump(message))
    while data:
        data = data[os.write(_ANSWERS, data) :]


def _receive() -> Any:
    header = _exactly(frames.HEADER.size)
    if header is None:
        return None
    body = _exactly(frames.HEADER.unpack(header)[0])
    return None if body is None else frames.load(body)


def _exactly(count: int) -> bytes | None:
    parts = []
    while count:
        part = os.read(_REQUESTS, min(count, 1 << 20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
