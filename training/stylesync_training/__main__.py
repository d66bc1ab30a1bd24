"""`stylesync-train`, also as `python -m stylesync_training`."""

import sys

from stylesync_training.commands.app import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
