"""What the commands of `stylesync-train` show: how far their steps are, and plain data."""

from __future__ import annotations

from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn

from stylesync_engine.commands.reporting import Report, progress_bars


class StepBars:
    """Progress bars on a terminal's standard error, one a step; nothing in a pipe. What comes out
    is said to the `report` after them."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._bars = progress_bars(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> StepBars:
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def say(self, step: str, done: int, total: int) -> None:
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(step)
        self._bars.update(self._tasks[step], completed=done, total=total)
        self._bars.start()

    def result(self, data: dict[str, Any], text: str) -> None:
        self._bars.stop()
        self._report.result(data, text)


def describe_data(data: dict[str, Any], indent: int = 0) -> str:
    """Nested plain data, one value a line."""
    lines = []
    for name, value in data.items():
        if isinstance(value, dict):
            lines += [f"{' ' * indent}{name}:", describe_data(value, indent + 2)]
        else:
            lines.append(f"{' ' * indent}{name}: {value}")
    return "\n".join(lines)
