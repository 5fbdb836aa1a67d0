"""Answers every request with how many it has answered."""

import http.server
import itertools


class Bulletin(http.server.BaseHTTPRequestHandler):
    answers = itertools.count(1)

    def do_GET(self):
        body = f"{next(self.answers)}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("", 8080), Bulletin).serve_forever()
