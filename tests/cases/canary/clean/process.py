"""A process as it would be without anybody listening."""

import subprocess


def test():
    with subprocess.Popen(["printf", "x\\ny\\n"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readable()
        assert process.stdout.readline() == "x\n"
        assert list(process.stdout) == ["y\n"]
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.communicate(b"y") == (b"y", None)
