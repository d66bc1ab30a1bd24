"""`stylesync-engine`, also as `python -m stylesync_engine`."""

import sys


def main() -> int:
    """Run one command; returns the exit code."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    if word == "task":
        from stylesync_engine import task_command

        return task_command.main(sys.argv[2:])
    if word == "warm":
        from stylesync_engine import warm_command

        return warm_command.main(sys.argv[2:])
    from stylesync_engine import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
