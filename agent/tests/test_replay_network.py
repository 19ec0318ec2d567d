"""What a replay asked of the network is told with the step that asked, whenever the other side is done."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest
from replays import package, replayed
from sandboxes import debian, driver

from keiken.sandbox.protocol import Egress, Limits

pytestmark = pytest.mark.usefixtures("each_driver")
LINGERS_SECONDS = 0.5


def lingering(listener: socket.socket) -> None:
    """Answer one request, and end the connection only some time after the asker did."""
    came, _peer = listener.accept()
    with came:
        came.recv(65_536)
        came.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        while came.recv(65_536):
            pass
        time.sleep(LINGERS_SECONDS)


def test_a_connection_that_outlives_its_step_is_still_told_as_its_own(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lingering, args=[listener], daemon=True).start()
        port = listener.getsockname()[1]
        network = [f"shop.test:{port}", f"127.0.0.1:{port}"]
        made = package(
            tmp_path,
            permissions={"commands": ["python3", "true"], "network": network},
            steps=[
                {"id": "before", "run": ["true"]},
                {"id": "asks", "http": {"url": f"http://shop.test:{port}/"}, "expect": ["result.body == 'ok'"]},
                {"id": "waits", "run": ["python3", "-c", f"import time; time.sleep({2 * LINGERS_SECONDS})"]},
            ],
        )
        leave = Egress(addresses=frozenset({"127.0.0.1"}), names={"shop.test": ["127.0.0.1"]})
        report = replayed(
            made,
            executor=lambda: driver().open(
                environment=debian(),
                package=made.folder,
                commands=made.manifest.permissions.commands,
                network=network,
                limits=Limits(),
                egress=leave,
            ),
        )
    assert (report.outcome, report.reason) == ("succeeded", "")
    assert [(one.step, one.host, one.code) for one in report.network] == [("asks", "shop.test", "")]
    assert report.network[0].seconds >= LINGERS_SECONDS
