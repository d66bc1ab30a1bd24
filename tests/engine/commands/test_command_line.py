"""`stylesync-engine` as scripts and farms rely on it: flags, JSON lines, exit codes, sentences."""

from __future__ import annotations

import json
import os
import pty
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from places import SUPPORT

from stylesync_engine import __version__
from stylesync_engine.commands.app import main
from stylesync_engine.request import DubOptions, DubRequest, FrameRange, SpeakerPoint

Run = Callable[..., subprocess.CompletedProcess[str]]
Output = pytest.CaptureFixture[str]

SHOT = ["dub", "--video", "shot.mov", "--speech", "line.wav", "--output", "dub.mov"]
STAND_IN = SUPPORT / "stand_in_engine.py"
COMMANDS = [
    ["dub"],
    ["prepare"],
    ["render"],
    ["assemble"],
    ["probe"],
    ["bench"],
    ["doctor"],
    ["verify"],
    ["serve"],
    ["models", "list"],
    ["models", "verify"],
    ["models", "pull"],
    ["models", "import"],
]


def dub_of(video: str, *more: str) -> list[str]:
    return ["dub", "--video", video, "--speech", "line.wav", "--output", "dub.mov", *more]


def test_every_flag_reaches_the_request(stand_in: ModuleType) -> None:
    words = (
        "--frames 10:85 --style talk.mov --style-frames 5:300 --models paper --quality best"
        " --device cuda:1 --steps 200 --sampler ddim --seed 7 --speaker 12:640,300"
        " --appearance face.png:0:5 --delivery overlay --codec ffv1 --length hold --work w"
        " --person Ada --consent yes.json --credentials off"
        " --mark metadata --strength 0.5 --style-reading closed-form --speech-samples 100:48000"
    )
    assert main([*SHOT, *words.split()]) == 0
    assert stand_in.calls[0][1] == DubRequest(
        video="shot.mov",
        speech="line.wav",
        output="dub.mov",
        frames=FrameRange(10, 85),
        speech_samples=(100, 48000),
        style="talk.mov",
        style_frames=FrameRange(5, 300),
        speaker=SpeakerPoint(12, 640.0, 300.0),
        work="w",
        person="Ada",
        consent="yes.json",
        options=DubOptions(
            models="paper",
            quality="best",
            device="cuda:1",
            steps=200,
            sampler="ddim",
            strength=0.5,
            seed=7,
            style_reading="closed-form",
            appearance="face.png:0:5",
            delivery="overlay",
            codec="ffv1",
            length="hold",
            credentials="off",
            mark="metadata",
        ),
    )


def test_a_request_file_says_the_same(stand_in: ModuleType, tmp_path: Path) -> None:
    request = DubRequest("shöt #1 'x'.mov", "line.wav", "dub.mov", frames=FrameRange(0, 5))
    file = tmp_path / "request 映像.json"
    file.write_text(request.to_json())
    assert main(["dub", str(file)]) == 0
    assert main(["prepare", str(file), "--work", "plan"]) == 0
    assert stand_in.calls == [("dub", request, None), ("prepare", request, Path("plan"))]


def test_json_lines_end_with_the_result(stand_in: ModuleType, capsys: Output) -> None:
    assert main([*SHOT, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == [
        {"event": "progress", "stage": "render", "done": done, "total": 3} for done in (1, 2, 3)
    ]
    assert lines[3:] == [
        {
            "event": "result",
            "output": "dub.mov",
            "rate": "30000/1001",
            "frames": 75,
            "changed": 73,
            "passed_through": [[40, 42]],
            "seconds": {"render": 2.0, "track": 1.0},
            "models": "starter",
            "device": "cpu",
            "seed": 0,
            "warnings": ["The style clip is short."],
        }
    ]


def test_a_person_reads_one_line_and_the_notes(stand_in: ModuleType, capsys: Output) -> None:
    assert main(SHOT) == 0
    said = capsys.readouterr()
    assert said.out.count("\n") == 1
    assert "dub.mov: 75 frames at 30000/1001 per second, 73 changed, in 3.0 s on cpu" in said.out
    assert said.err == "Note: The style clip is short.\n"


FAULTS = [
    ("wrong.mp4", 3, "MediaError", "export it again"),
    ("empty.mp4", 4, "NoFaceError", "choose another range"),
    ("unloved.mp4", 5, "ModelError", "fetch them again"),
    ("full.mp4", 6, "DiskError", "free some space"),
    ("forbidden.mp4", 6, "DiskError", "/root/out.mov"),
    ("missing.mp4", 3, "MediaError", "missing.mp4 does not exist"),
    ("interrupted.mp4", 130, "Cancelled", "goes on"),
    ("broken.mp4", 1, "InternalError", "STYLESYNC_DEBUG=1"),
    ("plain.mp4", 1, "DubError", "Something else."),
]


@pytest.mark.parametrize(("video", "code", "kind", "words"), FAULTS)
def test_errors_are_one_sentence_and_an_exit_code(
    stand_in: ModuleType, capsys: Output, video: str, code: int, kind: str, words: str
) -> None:
    assert main(dub_of(video)) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert said.err.count("\n") == 1
    assert main(dub_of(video, "--json")) == code
    said = capsys.readouterr()
    error = json.loads(said.out)
    assert (error["event"], error["kind"]) == ("error", kind)
    assert words in error["message"]
    assert said.err == ""


WRONG_WORDS = [
    ["dub"],
    ["nonsense"],
    ["dub", "--vidoe", "x"],
    ["dub", "missing.json"],
    ["dub", "missing.json", "--seed", "5"],
    [*SHOT, "--steps", "many"],
    [*SHOT, "--steps", "0"],
    [*SHOT, "--seed", "-1"],
    [*SHOT, "--quality", "superb"],
    [*SHOT, "--device", "gpu"],
    [*SHOT, "--frames", "5"],
    [*SHOT, "--frames", "9:3"],
    [*SHOT, "--speaker", "12"],
    [*SHOT, "--speech-samples", "a:b"],
    [*SHOT, "--style-frames", "0:5"],
    [*SHOT, "--strength", "2"],
    [*SHOT, "--codec", "h264", "--delivery", "overlay"],
    ["dub", "--video", "a.mov", "--speech", "s.wav", "--output", "a.mov"],
    ["render"],
    ["render", "--work", "w", "--frames", "x"],
    ["prepare", "request.json"],
    ["assemble"],
    ["probe"],
    ["models"],
    ["models", "push"],
    ["models", "pull"],
    ["models", "import", "bfm"],
    ["bench", "--quality", "superb"],
    ["--json"],
]


@pytest.mark.parametrize("words", WRONG_WORDS, ids=" ".join)
def test_wrong_words_are_one_sentence_and_exit_code_2(
    stand_in: ModuleType, capsys: Output, words: list[str]
) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out + said.err == (said.out if "--json" in words else said.err)
    assert (said.out + said.err).count("\n") == 1
    assert stand_in.calls == []


def test_wrong_words_are_an_object_with_json(stand_in: ModuleType, capsys: Output) -> None:
    assert main([*SHOT, "--steps", "many", "--json"]) == 2
    said = capsys.readouterr()
    error = json.loads(said.out)
    assert (error["event"], error["kind"], said.err) == ("error", "RequestError", "")
    assert "--steps" in error["message"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[]", b'{"video": 1}'])
def test_a_file_that_is_no_request(
    stand_in: ModuleType, capsys: Output, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "request.json"
    file.write_bytes(content)
    assert main(["dub", str(file)]) == 2
    assert main(["dub", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 2


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(capsys: Output, command: list[str]) -> None:
    assert main([*command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Example: " in text
    assert "stylesync-engine " + " ".join(command) in " ".join(text.split())


def test_version(capsys: Output) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_render_and_assemble(stand_in: ModuleType, capsys: Output) -> None:
    assert main(["render", "--work", "plan", "--frames", "0:100"]) == 0
    assert main(["render", "--work", "plan", "--json"]) == 0
    assert main(["assemble", "--work", "plan"]) == 0
    assert stand_in.calls == [
        ("render", Path("plan"), FrameRange(0, 100)),
        ("render", Path("plan"), None),
        ("assemble", Path("plan")),
    ]
    assert "plan/out.mov: 75 frames" in capsys.readouterr().out


def test_probe(stand_in: ModuleType, capsys: Output) -> None:
    assert main(["probe", "shot.mov", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["event"] == "result"
    assert found["speakers"][0]["seen"] == [[0, 75]]
    assert main(["probe", "shot.mov"]) == 0
    text = capsys.readouterr().out
    assert "timecode: 01:00:00;00" in text
    assert "640" in text
    assert main(["probe", "wrong.mp4"]) == 3


def result_of(capsys: Output, *words: str) -> dict[str, Any]:
    assert main([*words, "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return result


def test_models(stand_in: ModuleType, capsys: Output) -> None:
    listed = result_of(capsys, "models", "list")["models"]
    assert [row["name"] for row in listed] == ["starter", "paper"]
    assert result_of(capsys, "models", "verify")["models"][0]["ok"] is True
    assert result_of(capsys, "models", "pull", "paper", "--from", "local")["folder"].endswith(
        "paper"
    )
    assert result_of(capsys, "models", "import", "bfm", "m.mat")["kind"] == "bfm"
    assert stand_in.calls == [("pull", "paper", "local"), ("import", "bfm", "m.mat")]
    assert main(["models", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == ["name     here", "starter  yes", "paper    no"]
    assert main(["models", "verify", "damaged"]) == 5
    assert "renderer.safetensors" in capsys.readouterr().err
    assert main(["models", "pull", "nobody"]) == 5


def test_bench(stand_in: ModuleType, capsys: Output) -> None:
    assert result_of(capsys, "bench", "--quality", "draft")["frames_per_second"] == 7.5
    assert stand_in.calls == [("measure", DubOptions(quality="draft"))]


def test_the_process_exits_as_documented(run_engine: Run) -> None:
    done = run_engine(*dub_of("chatty.mp4", "--json"))
    assert done.returncode == 0
    assert "a library talks" in done.stderr
    lines = [line for line in done.stdout.splitlines() if line != "native code talks"]
    assert [json.loads(line)["event"] for line in lines][-1] == "result"
    failed = run_engine(*dub_of("empty.mp4"))
    assert (failed.returncode, failed.stdout) == (4, "")
    assert failed.stderr == "There is no face in empty.mp4; choose another range.\n"


def test_a_traceback_only_on_request(run_engine: Run) -> None:
    quiet = run_engine(*dub_of("broken.mp4"))
    assert (quiet.returncode, quiet.stderr.count("\n")) == (1, 1)
    assert "a fault of two lines" in quiet.stderr
    loud = run_engine(*dub_of("broken.mp4"), STYLESYNC_DEBUG="1")
    assert loud.returncode == 1
    assert "Traceback" in loud.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_cancels(number: signal.Signals) -> None:
    command = [sys.executable, str(STAND_IN), *dub_of("endless.mp4", "--json")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        json.loads(process.stdout.readline())
        process.send_signal(number)
        last = process.stdout.read().splitlines()[-1]
        assert process.wait(20) == 130
        assert json.loads(last)["kind"] == "Cancelled"
        assert process.stderr.read() == ""


@pytest.mark.parametrize("seed", range(3))
def test_a_storm_of_signals_cancels_once(seed: int) -> None:
    """A farm that says it twice, a terminal that goes while it does: one sentence, no traceback."""
    numbers = random.Random(seed)  # noqa: S311
    command = [sys.executable, str(STAND_IN), *dub_of("endless.mp4")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        time.sleep(1)
        while process.poll() is None:
            process.send_signal(numbers.choice((signal.SIGTERM, signal.SIGHUP)))
            time.sleep(numbers.uniform(0, 0.005))
        assert process.returncode in (130, -signal.SIGTERM, -signal.SIGHUP)
        assert "Traceback" not in process.stderr.read()


def test_a_reader_that_goes_away_ends_the_work_quietly() -> None:
    command = [sys.executable, str(STAND_IN), *dub_of("endless.mp4", "--json")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == 130
        assert process.stderr.read() == ""


def test_a_progress_bar_on_a_terminal_and_none_in_a_pipe(run_engine: Run) -> None:
    piped = run_engine(*dub_of("shot.mov"))
    assert "Rendering" not in piped.stdout + piped.stderr
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(STAND_IN), *dub_of("shot.mov")],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = _read_terminal(ours)
    assert process.communicate(timeout=20)[0].startswith("dub.mov: 75 frames")
    assert process.returncode == 0
    assert "Rendering" in shown
    assert "3/3" in shown


def _read_terminal(descriptor: int) -> str:
    shown = b""
    try:
        while piece := os.read(descriptor, 4096):
            shown += piece
    except OSError:  # Linux says so when the other side has closed
        pass
    os.close(descriptor)
    return shown.decode()


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; from stylesync_engine.commands.app import main; main(['dub', '--help']);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'cv2', 'av')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0
