"""What the commands of `stylesync-train` show: how far their steps are, and plain data."""

from __future__ import annotations

from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn

from stylesync_engine.reporting import progress_bars


class StepBars:
    """Progress bars on a terminal's standard error, one a step; nothing in a pipe."""

    def __init__(self) -> None:
        self._bars = progress_bars(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> StepBars:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def say(self, step: str, done: int, total: int) -> None:
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(step)
        self._bars.update(self._tasks[step], completed=done, total=total)


def describe_data(data: dict[str, Any], indent: int = 0) -> str:
    """Nested plain data, one value a line."""
    lines = []
    for name, value in data.items():
        if isinstance(value, dict):
            lines += [f"{' ' * indent}{name}:", describe_data(value, indent + 2)]
        else:
            lines.append(f"{' ' * indent}{name}: {value}")
    return "\n".join(lines)
