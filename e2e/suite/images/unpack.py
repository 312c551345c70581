#!/usr/bin/env python3
"""unpack.py ARCHIVE FOLDER: the files of the one image of an OCI archive."""

import io
import json
import sys
import tarfile

with tarfile.open(sys.argv[1]) as archive:
    def blob(digest):
        return archive.extractfile("blobs/" + digest.replace(":", "/")).read()

    manifest = json.loads(blob(json.load(archive.extractfile("index.json"))["manifests"][0]["digest"]))
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(blob(layer["digest"]))) as files:
            files.extractall(sys.argv[2], [f for f in files if not f.isdev() and "/.wh." not in f.name])
