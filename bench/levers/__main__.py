import sys

from bench.levers.keeper import main

if __name__ == "__main__":
    sys.exit(main())
