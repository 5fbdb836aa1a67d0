"""A bulletin that is written without pause: a line is acknowledged once it is on the disk.

server.py                 writes one line after another, and answers GET / with the number of the last one
server.py check           prints that number; fails unless the file has every line up to it
server.py hold SECONDS    has the other one write nothing for so long, or until `free`; ends when it has stopped
server.py free            has it continue
"""

import http.server
import os
import signal
import sys
import threading
import time
import urllib.request

FOLDER = "/data"
FILE = f"{FOLDER}/lines"
PAUSE_SECONDS = 0.2
PORT = 8080

acknowledged = 0
# Whoever has it may write, or decide until when nothing is written.
pen = threading.Lock()
held_until = 0.0


def whole_lines():
    """The bytes of all whole lines: a power cut may have torn the last one."""
    try:
        with open(FILE, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        return b""
    return text[: text.rfind(b"\n") + 1]


def count(text):
    """How many lines there are; line N says N. Ends the program where one of them is missing."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if line != b"%d" % number:
            sys.exit(f"line {number} of {FILE} is {line!r}")
    return len(lines)


def sync_folder():
    folder = os.open(FOLDER, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def write_without_pause(length):
    global acknowledged
    with open(FILE, "ab") as file:
        file.truncate(length)
        sync_folder()
        while True:
            with pen:
                if time.monotonic() >= held_until:
                    file.write(b"%d\n" % (acknowledged + 1))
                    file.flush()
                    os.fsync(file.fileno())
                    acknowledged += 1
            time.sleep(PAUSE_SECONDS)


def hold(seconds):
    """Nothing is written for so long. The line that is being written is whole before this returns."""
    global held_until
    with pen:
        held_until = time.monotonic() + seconds


def ask_to_hold(seconds):
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/hold/{seconds}") as answer:
        answer.read()


class Bulletin(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/hold/"):
            hold(float(self.path.removeprefix("/hold/")))
        body = f"{acknowledged}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


if sys.argv[1:2] == ["hold"]:
    sys.exit(ask_to_hold(sys.argv[2]))
if sys.argv[1:] == ["free"]:
    sys.exit(ask_to_hold(0))
lines = whole_lines()
acknowledged = count(lines)
if sys.argv[1:] == ["check"]:
    print(acknowledged)
    sys.exit()
# The first process of a container ends by this signal only if it handles it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
server = http.server.ThreadingHTTPServer(("", PORT), Bulletin)
threading.Thread(target=server.serve_forever, daemon=True).start()
write_without_pause(len(lines))
