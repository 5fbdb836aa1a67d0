"""Says what model this pod sees: the files under /models with their sizes and SHA-256, and the wheels beside them.

GET /health   200 once every file was read, 503 until then
GET /model    the files of the model, with sizes and digests
GET /wheels   the names of the wheels
"""

import hashlib
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = os.environ["MODEL_FOLDER"]
WHEELS = os.environ["WHEELS_FOLDER"]
PORT = int(os.environ["PORT"])

state = {"model": None, "error": None}


def files(folder):
    for parent, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            yield os.path.join(parent, name)


def describe(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return {
        "path": os.path.relpath(path, MODEL),
        "size": os.path.getsize(path),
        "digest": f"sha256:{digest.hexdigest()}",
    }


def read_model():
    try:
        model = [describe(path) for path in files(MODEL)]
        if not any(file["path"].endswith(".safetensors") for file in model):
            raise FileNotFoundError(f"{MODEL} holds no weights")
        state["model"] = model
    except OSError as error:
        state["error"] = str(error)
        print(json.dumps({"level": "error", "message": str(error)}), flush=True)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            ready = state["model"] is not None
            self.answer(200 if ready else 503, {"ready": ready, "error": state["error"]})
        elif self.path == "/model":
            self.answer(200 if state["model"] else 503, {"files": state["model"]})
        elif self.path == "/wheels":
            self.answer(200, {"files": [os.path.relpath(path, WHEELS) for path in files(WHEELS)]})
        else:
            self.answer(404, {"error": "there are /health, /model and /wheels"})

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


threading.Thread(target=read_model, daemon=True).start()
ThreadingHTTPServer(("", PORT), Handler).serve_forever()
