#!/usr/bin/env python3
"""check_manifests.py REPO HELM KUBECTL: kustomize makes of each overlay exactly what the chart makes of its values."""
import pathlib
import subprocess
import sys

import yaml

repo, helm, kubectl = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
folder = repo / "deploy/manifests"
sys.path.insert(0, str(folder))
import render  # noqa: E402


def built(path):
    out = subprocess.run([kubectl, "kustomize", str(path)], check=True, capture_output=True, text=True).stdout
    return {render.key(thing): thing for thing in yaml.safe_load_all(out)}


def expect(name, path, values):
    made = built(path)
    namespace = [key for key in made if key[1] == "Namespace"]
    assert len(namespace) == 1, f"{name}: one Namespace"
    assert made.pop(namespace[0])["metadata"]["labels"]["gatehouse.dev/admission"] == "exempt", name
    wanted = {render.key(thing): thing for _, thing in render.render(repo / "deploy/helm/gatehouse", helm, values)}
    assert made.keys() == wanted.keys(), f"{name}: {made.keys() ^ wanted.keys()}"
    for key in made:
        assert made[key] == wanted[key], f"{name}: {key}: {list(render.differences(made[key], wanted[key]))[:3]}"
    print(f"manifests: {name}: {len(made)} objects are the chart's")


expect("base", folder / "base", [folder / "values.yaml"])
overlays = sorted(path.parent for path in folder.glob("overlays/*/values.yaml"))
assert [path.name for path in overlays] == ["audit", "enforce", "split"]
for overlay in overlays:
    expect(overlay.name, overlay, [folder / "values.yaml", overlay / "values.yaml"])
