"""the arguments of a process: raw"""

import subprocess

from tests.canary import CANARY


def test():
    subprocess.run(["true", f"--token={CANARY}"], check=True)
