#!/usr/bin/env python3
"""packages.py IMAGE.tar [--record]: compares the versions of the packages in an OCI archive of deploy/image.sh with deploy/packages.lock, and says
what differs: a build from another day's mirror is another image. With --record writes the file, which belongs to a release."""
import io
import json
import pathlib
import sys
import tarfile

LOCK = pathlib.Path(__file__).with_name("packages.lock")
NOTE = "# Packages in the image as of the last recording, by deploy/packages.py.\n"


def recorded(archive):
    """The part of packages.txt about what is in the image."""
    def blob(digest):
        return archive.extractfile("blobs/" + digest.replace(":", "/")).read()

    manifest = json.loads(blob(json.load(archive.extractfile("index.json"))["manifests"][0]["digest"]))
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(blob(layer["digest"]))) as files:
            for member in files:
                if member.name.endswith("usr/share/gatehouse/packages.txt"):
                    return files.extractfile(member).read().decode().split("#")[1].splitlines()[1:]
    sys.exit("packages.py: the image has no packages.txt")


def versions(lines):
    return dict(line.split() for line in lines if line and not line.startswith("#"))


def main():
    with tarfile.open(sys.argv[1]) as archive:
        lines = recorded(archive)
    if "--record" in sys.argv:
        LOCK.write_text(NOTE + "".join(line + "\n" for line in lines))
        return
    now, locked = versions(lines), versions(LOCK.read_text().splitlines())
    for name in sorted(now.keys() | locked.keys()):
        if now.get(name) != locked.get(name):
            print(f"packages.py: {name} {now.get(name, 'is not in the image')}, in packages.lock {locked.get(name, 'it is not')}", file=sys.stderr)


main()
