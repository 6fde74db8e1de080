"""An MCP server of which only one can run: `owner.py FILE [OPTION]...` locks FILE, and serves as light.py does."""

import fcntl
import os
import sys

import light

if __name__ == "__main__":
    held = os.open(sys.argv.pop(1), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("Error: the database is locked")
    light.main()
