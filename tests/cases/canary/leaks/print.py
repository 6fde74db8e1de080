"""stdout: reversed"""

from tests.canary import CANARY


def test():
    print("x", CANARY[::-1])
