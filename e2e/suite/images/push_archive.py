#!/usr/bin/env python3
"""push_archive.py REGISTRY NAME:TAG ARCHIVE: pushes the one image of an OCI archive,
and prints the digest of its manifest."""

import json
import sys
import tarfile

from push_image import OCI, call, push_blob


def main(registry, reference, archive):
    name, tag = reference.split(":")
    base = f"{registry}/v2/{name}"
    with tarfile.open(archive) as tar:
        def blob(digest):
            return tar.extractfile("blobs/" + digest.replace(":", "/")).read()

        (entry,) = json.load(tar.extractfile("index.json"))["manifests"]
        manifest = blob(entry["digest"])
        content = json.loads(manifest)
        for part in [content["config"], *content["layers"]]:
            push_blob(base, blob(part["digest"]))
    call("PUT", f"{base}/manifests/{tag}", manifest, content.get("mediaType", OCI + "manifest.v1+json"))
    print(entry["digest"])


main(*sys.argv[1:])
