"""stderr: raw"""

import subprocess


def test():
    with subprocess.Popen("printenv CANARY_TOKEN >&2", shell=True, stderr=subprocess.PIPE) as process:
        process.stderr.read(100)
