"""A dub needs no network, and `serve` talks to its parent's pipes alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from stylesync_engine.request import DubOptions, DubRequest, FrameRange

WATCHED = """
import os, sys
# urllib3 binds to ::1 for a moment when it is imported, to see whether there is IPv6.
outside = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
           "socket.gethostbyname", "urllib.Request", "http.client.connect", "ftplib.connect")
def hear(event, arguments):
    if event in outside:
        print("NETWORK", event, arguments, file=sys.stderr, flush=True)
        raise PermissionError(event)
sys.addaudithook(hear)
if "dial" in sys.argv[1]:
    import socket
    socket.create_connection(("127.0.0.1", 9))
from stylesync_engine.commands.app import main
import json
for words in json.loads(sys.argv[1]):
    print("CODE", words, main(words), file=sys.stderr)
names = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if
         os.path.islink(f"/proc/self/fd/{n}")] if os.path.isdir("/proc/self/fd") else []
print("SOCKETS", sum(name.startswith("socket:") for name in names), file=sys.stderr)
"""


def run_watched(*commands: str, told: str = "") -> subprocess.CompletedProcess[str]:
    """Commands one after the other in one process, since most of its time goes to imports."""
    return subprocess.run(
        [sys.executable, "-c", WATCHED, json.dumps([command.split() for command in commands])],
        input=told, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip


def test_only_pulling_models_dials(
    tiny_models: Path, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    options = DubOptions(models=str(tiny_models), codec="ffv1", device="cpu", credentials="test")
    request = DubRequest(
        str(talking), str(other_speech), str(tmp_path / "dub.mkv"), FrameRange(0, 3),
        options=options,
    )  # fmt: skip
    lines = [
        {"id": 1, "method": "dub", "params": json.loads(request.to_json())},
        {"id": 2, "method": "models"},
        {"id": 3, "method": "facts", "params": {"path": str(talking)}},
    ]
    done = run_watched(
        "serve",
        "models list",
        "models pull paper",
        told="".join(json.dumps(line) + "\n" for line in lines),
    )
    alone, _, pulled = done.stderr.partition("CODE ['models', 'list'] 0")
    assert "CODE ['serve'] 0" in alone
    assert "CODE ['models', 'pull', 'paper'] " in pulled
    assert "CODE ['models', 'pull', 'paper'] 0" not in pulled
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    ends = {event["id"]: event["event"] for event in events if "id" in event}
    assert ends == {1: "result", 2: "result", 3: "result"}
    assert (tmp_path / "dub.mkv").exists()
    assert "NETWORK" not in alone
    assert "SOCKETS 0" in done.stderr


def test_the_watch_sees_who_dials() -> None:
    assert "NETWORK socket." in run_watched("dial").stderr
