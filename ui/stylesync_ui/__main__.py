"""`python -m stylesync_ui [TIMELINE]`."""

import sys

from stylesync_ui.window import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
