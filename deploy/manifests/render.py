#!/usr/bin/env python3
"""render.py FOLDER CHART HELM: renders the chart into FOLDER/base and FOLDER/overlays/*, as kustomize reads them.

An overlay is the difference between the chart with its values.yaml and the base: JSON patches for what differs, and what is
only on one side added or deleted. Nothing here is written by hand but the values.yaml of each."""
import os
import pathlib
import subprocess
import sys

import yaml

# Nothing that an API server of 1.21 does not know; KUBE_VERSION=1.30 adds what newer ones have.
KUBE_VERSION = os.environ.get("KUBE_VERSION", "1.21")
NAMESPACE = "gatehouse-system"
NOTE = "# Made by deploy/manifests/render.sh from the chart; do not edit.\n"


class Dumper(yaml.SafeDumper):
    pass


def text(dumper, value):
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


Dumper.add_representer(str, text)
Dumper.ignore_aliases = lambda *_: True


def write(path, *documents):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(NOTE + yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, width=160, explicit_start=len(documents) > 1))


def key(thing):
    return thing["apiVersion"], thing["kind"], thing["metadata"]["name"], thing["metadata"].get("namespace", "")


def render(chart, helm, values):
    """[(file of the template, object)], without what is Helm's own."""
    command = [helm, "template", "gatehouse", str(chart), "--namespace", NAMESPACE, "--no-hooks", "--kube-version", KUBE_VERSION]
    for file in values:
        command += ["--values", str(file)]
    out = []
    for part in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n---\n"):
        source = next((line.split("/")[-1] for line in part.splitlines() if line.startswith("# Source: ")), None)
        thing = yaml.safe_load(part)
        if not thing:
            continue
        for metadata in (thing["metadata"], thing.get("spec", {}).get("template", {}).get("metadata", {})):
            for label in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
                metadata.get("labels", {}).pop(label, None)
        out.append((source, thing))
    return out


def differences(old, new, path=""):
    """JSON patch operations that make `old` to `new`; lists are taken as a whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old.keys() | new.keys():
            at = path + "/" + name.replace("~", "~0").replace("/", "~1")
            if name not in new:
                yield {"op": "remove", "path": at}
            elif name not in old:
                yield {"op": "add", "path": at, "value": new[name]}
            else:
                yield from differences(old[name], new[name], at)
    elif old != new:
        yield {"op": "replace", "path": path, "value": new}


def base(folder, things):
    files = {}
    for source, thing in things:
        files.setdefault(source, []).append(thing)
    labels = {"gatehouse.dev/admission": "exempt", "pod-security.kubernetes.io/enforce": "privileged"}
    files["namespace.yaml"] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}]
    for name, documents in files.items():
        write(folder / name, *documents)
    write(folder / "kustomization.yaml",
          {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": sorted(files)})


def overlay(folder, old, new):
    old = {key(thing): thing for _, thing in old}
    new = {key(thing): thing for _, thing in new}
    kustomization = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": ["../../base"]}
    added = [new[name] for name in new if name not in old]
    if added:
        write(folder / "added.yaml", *added)
        kustomization["resources"].append("added.yaml")
    patches = []
    for name in old:
        if name not in new:
            where = {"namespace": name[3]} if name[3] else {}
            patches.append({"patch": yaml.dump({"apiVersion": name[0], "kind": name[1], "metadata": {"name": name[2], **where}, "$patch": "delete"},
                                               sort_keys=False)})
            continue
        operations = sorted(differences(old[name], new[name]), key=lambda operation: operation["path"])
        if operations:
            group, _, version = name[0].rpartition("/")
            target = {**({"group": group} if group else {}), "version": version, "kind": name[1], "name": name[2]}
            patches.append({"target": target, "patch": yaml.dump(operations, Dumper=Dumper, sort_keys=False, width=160)})
    if patches:
        kustomization["patches"] = patches
    write(folder / "kustomization.yaml", kustomization)


def main():
    folder, chart, helm = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    values = pathlib.Path(__file__).parent / "values.yaml"
    things = render(chart, helm, [values])
    base(folder / "base", things)
    for own in sorted((pathlib.Path(__file__).parent / "overlays").glob("*/values.yaml")):
        overlay(folder / "overlays" / own.parent.name, things, render(chart, helm, [values, own]))


if __name__ == "__main__":
    main()
