import sys

from bench.scale.keeper import main

if __name__ == "__main__":
    sys.exit(main())
