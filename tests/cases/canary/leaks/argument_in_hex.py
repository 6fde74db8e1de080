"""the arguments of a process: hex"""

import subprocess

from tests.canary import CANARY


def test():
    subprocess.run(["true", CANARY.encode().hex()], check=True)
