"""Workspace > Scripts > Edit > StyleSync: dub the playhead's clip between the in and out marks, or
open the panel for this timeline, as the script's own name says.

The program beside it talks to DaVinci Resolve by external scripting; its words are shown here.
"""

import os
import subprocess

PROGRAM = "stylesync"
EXTRA = []
# They would lead the program to the application's own Python and Qt.
THEIRS = ("PYTHON", "QT_PLUGIN_PATH", "QT_QPA_PLATFORM_PLUGIN_PATH")


def run():
    words = ["host", "resolve", *EXTRA]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(THEIRS)}
    pipes = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
    }
    try:
        child = subprocess.Popen([PROGRAM, *words], env=clean, **pipes)
    except OSError:
        print(f"There is no program '{PROGRAM}'; run `stylesync install resolve` again.")
        return
    for line in child.stdout:
        print(line.rstrip())
    child.wait()


run()
