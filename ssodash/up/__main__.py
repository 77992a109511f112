"""`python -m ssodash.up`."""

import sys

from ssodash.up import main

if __name__ == "__main__":
    sys.exit(main())
