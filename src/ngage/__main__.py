"""python -m ngage is ngage-edge."""

import sys

from ngage.daemon.cli import main

sys.exit(main())
