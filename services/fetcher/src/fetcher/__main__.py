"""`fetcher`: the command."""

import sys

from fetcher.app import main

if __name__ == "__main__":
    sys.exit(main())
