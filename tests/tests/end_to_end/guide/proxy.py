"""A company's proxy: it ends TLS with an authority of its own, and hands each request to the server of that name.

It also ends the tokens of the registry after some seconds, as short-lived ones do. A pull here is over sooner, so one of its blobs waits
until its token has ended.

Arguments: certificate, key, log, seconds of a token, and NAME=ADDRESS of each server. Standard output: the port.
"""

import http.client
import http.server
import shutil
import ssl
import sys
import threading
import time

CERTIFICATE, KEY, LOG, SECONDS = sys.argv[1:5]
SERVERS = dict(argument.split("=", 1) for argument in sys.argv[5:])
CHALLENGE = 'Bearer realm="https://tokens.test/token",service="registry of the tests"'

# So many blobs come before one waits.
EARLY_BLOBS = 8

lock = threading.Lock()
first_seen = {}
state = {"blobs": 0, "ended": False}


def note(*words):
    with lock, open(LOG, "a", encoding="utf-8") as file:
        print(*words, file=file)


def outside(value):
    for name, address in SERVERS.items():
        port = address.rsplit(":", 1)[1]
        for inside in (f"http://{address}", f"http://localhost:{port}"):
            value = value.replace(inside, f"https://{name}")
    return value


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = None

    def do_CONNECT(self):
        name = self.path.rsplit(":", 1)[0]
        if name not in SERVERS:
            note("unknown", name)
            self.send_error(502)
            return
        self.send_response_only(200, "Connection established")
        self.end_headers()
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)
        self.name = name
        self.close_connection = False

    def do_GET(self):
        if self.name is None:
            note("plain", self.path)
            self.send_error(400)
            return
        self.close_connection = True
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
        if self.name == "registry.test" and self.has_ended():
            note("ended", self.path)
            self.send_response_only(401)
            self.send_header("WWW-Authenticate", CHALLENGE)
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()
            return
        self.forward(body)

    do_HEAD = do_POST = do_GET

    def has_ended(self):
        token = self.headers.get("Authorization", "")
        if not token.startswith("Bearer "):
            return False
        with lock:
            begun = first_seen.setdefault(token, time.monotonic())
            state["blobs"] += "/blobs/" in self.path
            waits = state["blobs"] > EARLY_BLOBS and not state["ended"]
        if waits:
            time.sleep(max(0, begun + float(SECONDS) + 0.1 - time.monotonic()))
        is_old = time.monotonic() - begun > float(SECONDS)
        with lock:
            state["ended"] |= is_old
        return is_old

    def forward(self, body):
        skipped = ("connection", "host", "accept-encoding", "content-length")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in skipped}
        server = http.client.HTTPConnection(SERVERS[self.name], timeout=120)
        server.request(self.command, self.path, body, headers)
        answer = server.getresponse()
        note(self.name, self.command, self.path, answer.status)
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "keep-alive"):
                self.send_header(name, outside(value))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            shutil.copyfileobj(answer, self.wfile, 1 << 18)
        server.close()
        # A body without a length is whole only where TLS says that it ends.
        try:
            self.connection.unwrap()
        except OSError:
            pass

    def log_message(self, *arguments):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
print(server.server_port, flush=True)
server.serve_forever()
