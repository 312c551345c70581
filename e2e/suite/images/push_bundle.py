#!/usr/bin/env python3
"""push_bundle.py REGISTRY NAME DIGEST BUNDLE...: stores Sigstore bundles as referrers of an image, as cosign does where
a registry has no referrers API: an index under the tag sha256-<hex>."""

import hashlib
import json
import sys
import urllib.error
import urllib.request

OCI = "application/vnd.oci.image."
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def call(method, url, data=None, content_type="application/octet-stream"):
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": content_type})
    with urllib.request.urlopen(request) as response:
        return response.headers, response.read()


class Repository:
    def __init__(self, registry, name):
        self.base = f"{registry}/v2/{name}"

    def blob(self, data):
        headers, _ = call("POST", f"{self.base}/blobs/uploads/")
        location = headers["Location"]
        call("PUT", location + ("&" if "?" in location else "?") + "digest=" + digest(data), data)
        return {"digest": digest(data), "size": len(data)}

    def manifest(self, reference, document, media_type):
        data = json.dumps(document).encode()
        call("PUT", f"{self.base}/manifests/{reference or digest(data)}", data, media_type)
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def subject(self, of):
        request = urllib.request.Request(f"{self.base}/manifests/{of}", method="HEAD", headers={"Accept": OCI + "manifest.v1+json"})
        with urllib.request.urlopen(request) as response:
            return {"mediaType": response.headers["Content-Type"], "digest": of, "size": int(response.headers["Content-Length"])}


def main():
    registry, name, of, *bundles = sys.argv[1:]
    repository = Repository(registry, name)
    config = {"mediaType": "application/vnd.oci.empty.v1+json", **repository.blob(b"{}")}
    referrers = []
    for path in bundles:
        with open(path, "rb") as file:
            layer = {"mediaType": BUNDLE, **repository.blob(file.read())}
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI + "manifest.v1+json",
            "artifactType": BUNDLE,
            "config": config,
            "layers": [layer],
            "subject": repository.subject(of),
            "annotations": {"dev.sigstore.bundle.content": "dsse-envelope"},
        }
        referrers.append({**repository.manifest(None, manifest, OCI + "manifest.v1+json"), "artifactType": BUNDLE})
    index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": referrers}
    repository.manifest(of.replace(":", "-"), index, OCI + "index.v1+json")


main()
