"""stdout: raw"""

from tests.canary import CANARY


def test(capsys):
    print(CANARY)
    capsys.readouterr()
