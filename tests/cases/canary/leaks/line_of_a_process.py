"""stdout: raw"""

import subprocess


def test():
    with subprocess.Popen(["printenv", "CANARY_TOKEN"], stdout=subprocess.PIPE, text=True) as process:
        assert len(list(process.stdout)) == 1
