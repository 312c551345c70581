#!/usr/bin/env python3
"""mutator.py ADDRESS PORT PKI IMAGE: a mutating webhook that puts IMAGE into the
first container of every pod. Its certificate is PKI/mutator.crt."""

import base64
import http.server
import json
import ssl
import sys

ADDRESS, PORT, PKI, IMAGE = sys.argv[1:]
PATCH = json.dumps([{"op": "replace", "path": "/spec/containers/0/image", "value": IMAGE}])


class Mutator(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(b"{}")

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(json.dumps({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "response": {"uid": review["request"]["uid"], "allowed": True, "patchType": "JSONPatch",
                         "patch": base64.b64encode(PATCH.encode()).decode()},
        }).encode())


server = http.server.ThreadingHTTPServer((ADDRESS, int(PORT)), Mutator)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{PKI}/mutator.crt", f"{PKI}/mutator.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
