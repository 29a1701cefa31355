"""python -m ngage.studio is ngage-studio."""

import sys

from ngage.studio.cli import main

if __name__ == "__main__":
    sys.exit(main())
