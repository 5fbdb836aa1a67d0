"""Every upstream host of a release: a proxy that ends TLS under an authority of its own, and answers at upstream's addresses alone.

Arguments: certificate, key, log, and a file of routes in JSON:

    registry    address of the registry that has the parts
    registries  host: how the names of its repositories begin in that registry
    tags        reference upstream: tag in that registry
    files       address: path of the file
    servers     host: address of the server that answers in its place
    elsewhere   host to which a server leads that has large files at another one, and which that server then is

Standard output: the port. Each line of the log is `asked ADDRESS`, `led ADDRESS`, or `unknown HOST` for a host that upstream is not.
"""

import http.client
import http.server
import json
import os
import shutil
import ssl
import sys
import threading

CERTIFICATE, KEY, LOG = sys.argv[1:4]
with open(sys.argv[4], encoding="utf-8") as file:
    ROUTES = json.load(file)
HOSTS = {address.split("/")[2] for address in ROUTES["files"]} | set(ROUTES["registries"]) | set(ROUTES["servers"])
SKIPPED = ("connection", "transfer-encoding", "keep-alive")

lock = threading.Lock()


def note(*words):
    with lock, open(LOG, "a", encoding="utf-8") as file:
        print(*words, file=file)


class Upstream(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = None

    def do_CONNECT(self):
        name = self.path.removesuffix(":443")
        if name not in HOSTS:
            note("unknown", self.path)
            self.send_error(502)
            return
        self.send_response_only(200, "Connection established")
        self.end_headers()
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")
        self.name = name
        self.close_connection = False

    def do_GET(self):
        self.close_connection = True
        if self.name is None:
            note("unknown", self.path)
            self.send_error(400)
            return
        address = f"https://{self.name}{self.path}"
        note("asked", address)
        if address in ROUTES["files"]:
            self.send_file(ROUTES["files"][address])
        elif self.name in ROUTES["registries"]:
            self.ask_registry(ROUTES["registries"][self.name])
        elif self.name in ROUTES["servers"]:
            self.forward(ROUTES["servers"][self.name], self.path)
        else:
            self.refuse()
        self.wfile.flush()
        # A body without a length is whole only where TLS says that it ends.
        try:
            self.connection.unwrap()
        except OSError:
            pass

    do_HEAD = do_GET

    def ask_registry(self, beginning):
        if self.path == "/v2/":
            self.forward(ROUTES["registry"], self.path)
            return
        parts = self.path.removeprefix("/v2/").rsplit("/", 2)
        if len(parts) != 3 or parts[1] not in ("manifests", "blobs"):
            self.refuse()
            return
        name, kind, version = parts
        if not version.startswith("sha256:"):
            version = ROUTES["tags"].get(f"{beginning}/{name}:{version}")
        if version is None:
            self.refuse()
            return
        self.forward(ROUTES["registry"], f"/v2/{beginning}/{name}/{kind}/{version}")

    def refuse(self):
        self.send_response_only(404)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def send_file(self, path):
        self.send_response_only(200)
        self.send_header("Content-Length", str(os.path.getsize(path)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            with open(path, "rb") as file:
                shutil.copyfileobj(file, self.wfile, 1 << 20)

    def forward(self, server, path):
        skipped = ("connection", "host", "accept-encoding", "content-length")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in skipped}
        inside = http.client.HTTPConnection(server, timeout=120)
        inside.request(self.command, path, None, headers)
        answer = inside.getresponse()
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() == "location":
                value = value.replace(f"http://localhost:{server.rsplit(':', 1)[1]}", f"https://{ROUTES['elsewhere']}")
                note("led", value)
            if name.lower() not in SKIPPED:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            shutil.copyfileobj(answer, self.wfile, 1 << 20)
        inside.close()

    def log_message(self, *arguments):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
print(server.server_port, flush=True)
server.serve_forever()
