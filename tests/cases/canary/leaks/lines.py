"""stdout: split over lines"""

from tests.canary import CANARY


def test():
    print(f"{CANARY[:7]}\n   {CANARY[7:]}")
