"""Starts the launcher: a few lines, because a file that is run by path is compiled anew each time, a module is not."""

import os
import sys

if __name__ == "__main__":
    # at the end: this folder has a `site` and a `table` of its own
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import launcher  # type: ignore[import-not-found]

    code = launcher.main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # no teardown of the interpreter: nothing is left to flush, and it takes a while
