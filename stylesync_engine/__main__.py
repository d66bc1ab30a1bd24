"""`stylesync-engine`, also as `python -m stylesync_engine`."""

import os
import sys


def main() -> int:
    """Run one command; returns the exit code."""
    os.environ["RUST_BACKTRACE"] = "0"  # printing one stands still where there is no memory for it
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    if word == "task":
        from stylesync_engine.commands import task

        return task.main(sys.argv[2:])
    if word == "warm":
        from stylesync_engine.commands import warm

        return warm.main(sys.argv[2:])
    from stylesync_engine.commands import app

    return app.main()


if __name__ == "__main__":
    sys.exit(main())
