"""`python -m kato_compat`: the same as the command `kato-compat`."""

import sys

from kato_compat.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
