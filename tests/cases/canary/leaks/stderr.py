"""stderr: raw"""

import sys

from tests.canary import CANARY


def test():
    print(CANARY, file=sys.stderr)
