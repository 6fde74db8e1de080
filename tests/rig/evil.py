"""An MCP server that misbehaves in one way: `evil.py MODE [NUMBER]`. Between its misdeeds it serves like light.py.

hang            reads nothing, answers nothing          deaf            stops reading after the handshake
flood N         N bytes without a line end              garbage N       N log lines before it serves
noise N         N times bytes that are no text or JSON  storm           announces changed lists without end
stderr N        N bytes on standard error               exit N          says why on standard error and exits
discover        dies of the unknown method              mute            ignores methods it does not know
eof | term      ignores end of input | and SIGTERM      silent          closes its output and stays
child | inherit a grandchild | that holds our output    daemon          a grandchild in its own session, stubborn
twins           bad and duplicate tool names            circle | pages  cursors in a circle | without end
many N          N tools                                 blank           an empty cursor that means something
stranger        speaks MCP of another century           ok              nothing at all
forks N         N dead orphans at each call of `fork`   yelling         a grandchild that fills our standard error
litters N       N dead orphans, then a grandchild
"""

import json
import os
import signal
import subprocess
import sys
import threading

from light import Light
from wire import error, result, send, text, tool, write

NOISE = (
    b"\xff\xfe garbage\n",
    b"\xef\xbb\xbfnot json\n",
    b"nul \x00 nul\n",
    b"\x1b[31mred log line\x1b[0m\n",
    b'{"jsonrpc":"2.0","method":"a"}{"jsonrpc":"2.0","method":"b"}\n',
    b"[1,2\r\n",
    b"12\n",
    b"\r\n",
    b"\n",
)


class Options:
    name, mark, version, pids = "evil", "", "1", None


class Evil(Light):
    def __init__(self, mode, number):
        super().__init__(Options)
        self.mode = mode
        self.number = number

    def answer(self, number, method, params):
        if method == "server/discover" and self.mode == "discover":
            os._exit(3)
        if method == "server/discover" and self.mode == "mute":
            return
        if self.mode == "stranger":
            error(number, -32022, "Unsupported protocol version", data={"supported": ["1999-01-01"]})
            return
        if method == "tools/list" and hasattr(self, f"list_{self.mode}"):
            result(number, getattr(self, f"list_{self.mode}")(params.get("cursor")))
        else:
            super().answer(number, method, params)
        if method == "initialize" and self.mode == "deaf":
            threading.Event().wait()

    def list_twins(self, cursor):
        names = ["good", "twin", "twin", "../../etc/passwd", "a\u202eb", "new\nline", "\u0430dmin", "x" * 129, ""]
        shapeless = [{"name": "shapeless"}, {"name": "untyped", "inputSchema": {"properties": {}}}, "no tool", {}]
        return {"tools": [*map(tool, names), *shapeless]}

    def list_circle(self, cursor):
        return {"tools": [tool(f"circle{cursor}".lower())], "nextCursor": "b" if cursor == "a" else "a"}

    def list_pages(self, cursor):
        page = int(cursor or 0)
        return {"tools": [tool(f"page{page}")], "nextCursor": str(page + 1)}

    def list_blank(self, cursor):
        return {"tools": [tool("second")]} if cursor == "" else {"tools": [tool("first")], "nextCursor": ""}

    def list_many(self, cursor):
        return {"tools": [tool(f"tool{count}") for count in range(self.number)]}

    def do_fork(self, number, given, meta):
        for _ in range(self.number):
            leave_an_orphan()
        result(number, text("forked"))

    def do_family(self, number, given, meta):
        result(number, text(FAMILY))


FAMILY = []


def start_child(*command, **options):
    FAMILY.append(subprocess.Popen(command or ["sleep", "300"], stdin=subprocess.DEVNULL, **options).pid)


def start_daemon():
    """Fork twice with a session of its own in between, as daemons do; nobody waits for the one in between."""
    read, write_end = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            os.write(write_end, str(os.getpid()).encode())
            os.close(write_end)
            while True:
                signal.pause()
        os._exit(0)
    os.close(write_end)
    FAMILY.append(int(os.read(read, 20)))


def leave_an_orphan():
    """Fork twice: whoever adopts the second finds it dead, or dying."""
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.wait()


def litter(count):
    for _ in range(count):
        leave_an_orphan()
    start_child(stdout=subprocess.DEVNULL)


def storm():
    while True:
        send({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})


def prepare(mode, number):
    """What it does before it serves."""
    if mode == "hang":
        threading.Event().wait()
    elif mode == "flood":
        for _ in range(number // 65536):
            write(b"x" * 65536)
        write(b"x" * (number % 65536))
        threading.Event().wait()
    elif mode == "garbage":
        write(b"a log line\n" * number)
    elif mode == "noise":
        write(b"".join(NOISE) * max(number, 1))
    elif mode == "exit":
        sys.stderr.write("first words\nthe key is missing\n")
        sys.exit(number)
    elif mode == "stderr":
        os.write(2, b"")
        threading.Thread(target=scream, args=(number,), daemon=True).start()
    elif mode == "storm":
        threading.Thread(target=storm, daemon=True).start()
    elif mode == "term":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif mode in ("child", "inherit"):
        start_child(stdout=None if mode == "inherit" else subprocess.DEVNULL)
    elif mode == "litters":
        threading.Thread(target=litter, args=(number,), daemon=True).start()
    elif mode == "yelling":
        start_child("yes", stdout=2)
    elif mode == "daemon":
        start_daemon()


def scream(size):
    line = b"e" * 99 + b"\n"
    for _ in range(size // 65500):
        os.write(2, line * 655)
    os.write(2, b"the last line\n")


def main():
    mode, number = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    prepare(mode, number)
    if mode == "silent":
        serve_once(mode, number)
    Evil(mode, number).serve()
    if mode in ("eof", "term"):
        threading.Event().wait()


def serve_once(mode, number):
    """Shake hands, then close the output and stay."""
    evil = Evil(mode, number)
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("method") == "tools/call":
            os.close(1)
            threading.Event().wait()
        if message.get("id") is not None:
            evil.answer(message["id"], message["method"], message.get("params") or {})


if __name__ == "__main__":
    main()
