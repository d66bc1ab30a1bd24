"""`stylesync-engine`, also as `python -m stylesync_engine`."""

import sys

from stylesync_engine.cli import main

if __name__ == "__main__":
    sys.exit(main())
