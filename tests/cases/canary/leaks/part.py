"""stdout: in part"""

from tests.canary import CANARY


def test():
    print(CANARY[5:13])
