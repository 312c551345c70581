#!/usr/bin/env python3
"""check_chart.py REPO HELM: renders the chart for several API servers and values, and looks at what must always hold."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

REPO, HELM = pathlib.Path(sys.argv[1]), sys.argv[2]
CHART = REPO / "deploy/helm/gatehouse"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

# name: values
SETS = {
    "defaults": {},
    "split": {"roles": {"split": True}},
    "split, no attestation": {"roles": {"split": True}, "attestation": {"enabled": False}},
    "cert-manager": {"certificates": {"mode": "certManager"}, "roles": {"split": True}},
    "cert-manager, own issuer": {"certificates": {"mode": "certManager", "certManager": {"issuerRef": {"kind": "ClusterIssuer", "name": "x"}}}},
    "everything": {
        "commonLabels": {"team": "security"},
        "image": {"repository": "registry.example/gatehouse", "digest": "sha256:" + "0" * 64},
        "imagePullSecrets": [{"name": "pull"}],
        "admission": {"unmatchedImages": "deny", "unmatchedNodes": "allow", "clientCA": PEM, "exemptNamespaces": ["kube-system", "istio-system"],
                      "matchConditions": [{"name": "not-nodes", "expression": "!('system:nodes' in request.userInfo.groups)"}],
                      "service": {"clusterIP": "10.96.0.20"}},
        "attestation": {"clientCA": PEM, "tokensSecret": "tokens", "service": {"type": "LoadBalancer", "clusterIP": "10.96.0.21", "annotations": {"a": "b"}}},
        "mutate": {"failurePolicy": "Ignore"},
        "csr": {"approve": True},
        "certificates": {"validity": "20m", "caValidity": "2h", "overlap": "1m", "extraNames": ["gatehouse.example", "192.0.2.1"],
                         "ownSecrets": ["ca"]},
        "registry": {"insecure": ["registry.test:5000"], "localAddressExceptions": ["registry.test:5000"], "ca": PEM, "credentialsSecret": "passwords"},
        "images": {"podPullSecrets": True, "policyPullSecrets": ["mirror", "other"]},
        "cache": {"positiveTtl": "1m", "entries": 100},
        "config": {"admission": {"budgetMargin": "500ms"}, "registry": {"hosts": [{"host": "registry.example", "ca": "/etc/extra/ca.crt"}]}},
        "autoscaling": {"enabled": True}, "antiAffinity": "required", "tolerations": [{"operator": "Exists"}],
        "replicas": 3,
        "hostAliases": [{"ip": "192.0.2.2", "hostnames": ["registry.test"]}], "podAnnotations": {"x": "z"}, "podLabels": {"x": "z"},
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
        "extraVolumes": [{"name": "extra", "configMap": {"name": "extra"}}], "extraVolumeMounts": [{"name": "extra", "mountPath": "/etc/extra"}],
        "serviceAccounts": {"annotations": {"a": "b"}}, "crds": {"keep": False},
        "agent": {"tpm": {"access": "socket"}, "hostAliases": [{"ip": "10.96.0.21", "hostnames": ["x"]}], "config": {"imaLog": "/none"}, "podLabels": {"x": "z"}},
        "networkPolicy": {"enabled": True, "apiServerCIDRs": ["192.0.2.0/28"], "attestationCIDRs": ["198.51.100.0/24"], "metricsNamespaceLabels": {"name": "monitoring"},
                          "webhookEgress": [{"ports": [{"port": 443}]}]},
        "monitoring": {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True, "labels": {"release": "x"}}, "rules": {"enabled": True},
                       "dashboard": {"enabled": True}},
    },
    "device plugin": {"agent": {"tpm": {"access": "devicePlugin", "resource": "tpm.example/tpmrm"}, "capabilities": ["DAC_OVERRIDE"], "seLinuxOptions": {"type": "spc_t"}},
                      "networkPolicy": {"enabled": False}, "mutate": {"enabled": False}, "rbac": {"aggregate": False}, "replicas": 1, "uninstallHooks": False,
                      "admission": {"skipUnchanged": False}},
    "autoscaled": {"replicas": 1, "autoscaling": {"enabled": True}, "monitoring": {"rules": {"enabled": True}}, "certificates": {"validity": "30m"}},
}

# Values that must be refused, and a word of the answer.
BAD = {
    "misspelt": ({"admision": {}}, "admision"),
    "misspelt inside": ({"admission": {"failurepolicy": "Fail"}}, "failurepolicy"),
    "failurePolicy": ({"admission": {"failurePolicy": "fail"}}, "failurePolicy"),
    "timeout": ({"admission": {"timeoutSeconds": 31}}, "timeoutSeconds"),
    "unmatched": ({"admission": {"unmatchedImages": "audit"}}, "unmatchedImages"),
    "no replicas": ({"replicas": 0}, "replicas"),
    "digest": ({"image": {"repository": "x", "digest": "latest"}}, "digest"),
    "own Secret": ({"certificates": {"ownSecrets": ["gatehouse-ca"]}}, "ownSecrets"),
    "duration": ({"certificates": {"validity": "90 days"}}, "validity"),
    "mode": ({"certificates": {"mode": "certmanager"}}, "mode"),
    "access": ({"agent": {"tpm": {"access": "hostPath"}}}, "access"),
    "plugin without a resource": ({"agent": {"tpm": {"access": "devicePlugin"}}}, "agent.tpm.resource"),
    "server without TLS": ({"agent": {"serverURL": "http://x"}}, "serverURL"),
    "killed while it serves": ({"terminationGracePeriodSeconds": 5}, "terminationGracePeriodSeconds 5"),
    "killed at the end of the drain": ({"shutdownDelay": "1m", "drain": "30s", "terminationGracePeriodSeconds": 90}, "terminationGracePeriodSeconds 90"),
    "pull secret": ({"images": {"policyPullSecrets": ["*"]}}, "policyPullSecrets"),
    "client CA is no PEM": ({"admission": {"clientCA": "ca.crt"}}, "clientCA"),
}
BAD_BEFORE_1_21 = {"nothing exempt": ({"admission": {"exemptByLabel": False}}, "exemptByLabel")}

# Served by API servers 1.20 and 1.35.
COMMON = {"v1", "apps/v1", "rbac.authorization.k8s.io/v1", "admissionregistration.k8s.io/v1", "apiextensions.k8s.io/v1", "networking.k8s.io/v1",
          "coordination.k8s.io/v1", "cert-manager.io/v1", "monitoring.coreos.com/v1", "gatehouse.dev/v1alpha1"}
SERVED = {"1.20": COMMON | {"policy/v1beta1", "autoscaling/v2beta2"}, "1.22": COMMON | {"policy/v1", "autoscaling/v2beta2"},
          "1.35": COMMON | {"policy/v1", "autoscaling/v2"}}
checks = 0


def check(condition, *what):
    global checks
    checks += 1
    if not condition:
        sys.exit("not as expected: " + ": ".join(str(part) for part in what))


def helm(*arguments, values):
    values = {"image": {"repository": "registry.example/gatehouse"}, **values}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values, file)
        file.flush()
        return subprocess.run([HELM, *arguments, "--values", file.name], capture_output=True, text=True)


def render(version, values):
    out = helm("template", "gatehouse", str(CHART), "--namespace", "gatehouse-system", "--kube-version", version, values=values)
    check(out.returncode == 0, "helm template", version, values, out.stderr)
    check("%!" not in out.stdout and "<no value>" not in out.stdout and "<nil>" not in out.stdout, "a value is missing", version, values)
    return [thing for thing in yaml.safe_load_all(out.stdout) if thing]


def pods(things):
    for thing in things:
        if thing["kind"] in ("Deployment", "DaemonSet"):
            yield thing, thing["spec"]["template"]["spec"]
        elif thing["kind"] == "Pod":
            yield thing, thing["spec"]


def check_objects(name, version, things):
    keys = [(t["kind"], t["metadata"].get("namespace"), t["metadata"]["name"], t["metadata"].get("annotations", {}).get("helm.sh/hook")) for t in things]
    check(len(keys) == len(set(keys)), name, "an object twice", [key for key in keys if keys.count(key) > 1])
    for thing in things:
        check(thing["apiVersion"] in SERVED[version], name, version, thing["kind"], thing["apiVersion"])
        hook = thing["metadata"].get("annotations", {}).get("helm.sh/hook", "")
        if not hook:
            check(thing["metadata"]["labels"]["app.kubernetes.io/instance"] == "gatehouse", name, thing["metadata"])
        if hook in ("pre-delete", "post-delete"):
            check(set(thing) <= {"apiVersion", "kind", "metadata", "webhooks"} and not thing.get("webhooks"), name, "a hook that deletes is empty", thing)


def check_pods(name, things):
    accounts = {t["metadata"]["name"] for t in things if t["kind"] == "ServiceAccount"}
    configs = {t["metadata"]["name"]: t["data"] for t in things if t["kind"] == "ConfigMap" and "data" in t}
    for owner, spec in pods(things):
        who = f"{name}: {owner['kind']} {owner['metadata']['name']}"
        container = spec["containers"][0]
        security = {**spec["securityContext"], **container["securityContext"]}
        check(len(spec["containers"]) == 1 and "initContainers" not in spec, who)
        check(security["readOnlyRootFilesystem"] is True and security["seccompProfile"] == {"type": "RuntimeDefault"}, who, security)
        check(not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), who)
        check(container["resources"]["limits"]["memory"] and "cpu" not in container["resources"]["limits"], who, "resources")
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        check(mounts == {volume["name"] for volume in spec["volumes"]}, who, "volumes")
        if owner["kind"] == "DaemonSet":
            check_agent(who, owner, spec, container)
        else:
            check(security["runAsNonRoot"] is True and security["capabilities"] == {"drop": ["ALL"]}, who, security)
            check(security["allowPrivilegeEscalation"] is False and not security.get("privileged"), who, security)
            check(not any("hostPath" in volume for volume in spec["volumes"]), who, "hostPath")
            volume = next(volume for volume in spec["volumes"] if volume["name"] == "config")
            check("webhook.yaml" in configs[volume["configMap"]["name"]], who, "its configuration")
        if owner["kind"] == "Deployment":
            check(spec["serviceAccountName"] in accounts, who, "its ServiceAccount")
            required = "requiredDuringSchedulingIgnoredDuringExecution" in spec.get("affinity", {}).get("podAntiAffinity", {})
            # With a pod on every node that will do, one more would wait for ever.
            check(owner["spec"]["strategy"]["rollingUpdate"] == ({"maxUnavailable": 1, "maxSurge": 0} if required else {"maxUnavailable": 0, "maxSurge": 1}), who)
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                check(container[probe]["httpGet"]["port"] == "metrics", who, probe)


def check_budgets(name, version, things):
    """A Deployment of two or more pods has a budget, by whatever it is that says how many; pods that are not ready count for nothing."""
    budgets = {t["metadata"]["name"]: t["spec"] for t in things if t["kind"] == "PodDisruptionBudget"}
    least = {t["spec"]["scaleTargetRef"]["name"]: t["spec"]["minReplicas"] for t in things if t["kind"] == "HorizontalPodAutoscaler"}
    for deployment in [t for t in things if t["kind"] == "Deployment"]:
        own = deployment["metadata"]["name"]
        pods = least.get(own) or deployment["spec"]["replicas"]
        check((own in least) == ("replicas" not in deployment["spec"]), name, own, "who says how many")
        check((own in budgets) == (pods > 1), name, own, "its budget")
    for own, spec in budgets.items():
        check(spec.get("unhealthyPodEvictionPolicy") == ("AlwaysAllow" if version == "1.35" else None), name, own, spec)


def check_alerts(name, values, things):
    """Silence is an alert too: of the family that says that admission is served. A certificate is late only once its renewal is."""
    for rule in [t for t in things if t["kind"] == "PrometheusRule"]:
        alerts = {alert["alert"]: alert["expr"] for alert in rule["spec"]["groups"][0]["rules"]}
        check('listener="admission"' in alerts["GatehouseDown"], name, alerts["GatehouseDown"])
        late = {"30m": 360, "20m": 240}[values["certificates"]["validity"]]
        check(alerts["GatehouseCertificateEnds"].endswith(f"< {late}"), name, alerts["GatehouseCertificateEnds"])


def check_agent(who, owner, spec, container):
    writable = [mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    check(set(writable) <= {"state", "tpm"}, who, "writable", writable)
    check(spec["automountServiceAccountToken"] is False, who)
    check({"operator": "Exists"} in spec["tolerations"], who, "tolerations")
    host_paths = {volume["name"] for volume in spec["volumes"] if "hostPath" in volume}
    check(host_paths <= {"security", "state", "tpm"}, who, host_paths)
    token = next(volume for volume in spec["volumes"] if volume["name"] == "token")["projected"]["sources"][0]["serviceAccountToken"]
    check(token["audience"] == "gatehouse", who, token)
    security = container["securityContext"]
    check(security.get("privileged") or security["capabilities"]["drop"] == ["ALL"] and security["allowPrivilegeEscalation"] is False, who, security)


def check_webhooks(name, version, values, things):
    rules = set()
    for configuration in [t for t in things if t["kind"].endswith("WebhookConfiguration") and t.get("webhooks")]:
        for webhook in configuration["webhooks"]:
            who = f"{name}: {configuration['kind']} {webhook['name']}"
            check("objectSelector" not in webhook, who, "whoever writes a pod writes its labels")
            check(webhook["clientConfig"]["service"]["namespace"] == "gatehouse-system", who)
            check(any(t["kind"] == "Service" and t["metadata"]["name"] == webhook["clientConfig"]["service"]["name"] for t in things), who, "its Service")
            conditions = webhook.get("matchConditions", [])
            check(not conditions or version == "1.35", who, "matchConditions")
            wanted = [c["name"] for c in values.get("admission", {}).get("matchConditions", [])] if webhook["name"] == "validate.gatehouse.dev" else []
            wanted = (["changes"] if values.get("admission", {}).get("skipUnchanged", True) else []) + wanted
            check(version != "1.35" or [c["name"] for c in conditions] == wanted, who, conditions)
            changes = next((c["expression"] for c in conditions if c["name"] == "changes"), "")
            check(not changes or all(f"object.{part} != oldObject.{part}" in changes for part in ("spec", "template", "metadata.labels")), who, changes)
            for rule in webhook["rules"]:
                check(not {"DELETE", "CONNECT", "*"} & set(rule["operations"]), who, rule)
                rules |= {(webhook["name"], resource, operation) for resource in rule["resources"] for operation in rule["operations"]}
            if webhook["name"] == "policies.gatehouse.dev":
                check("namespaceSelector" not in webhook and webhook["failurePolicy"] == "Fail", who)
                continue
            expressions = {e["key"]: e for e in webhook["namespaceSelector"]["matchExpressions"]}
            check(all(e["operator"] == "NotIn" for e in expressions.values()) and expressions, who, expressions)
            by_name = expressions.get("kubernetes.io/metadata.name")
            check((by_name is None) == (version == "1.20"), who, "before 1.21 that label would be anybody's")
            check(by_name is None or {"gatehouse-system", "kube-system"} <= set(by_name["values"]), who, by_name)
    for resource, operation in [("pods", "CREATE"), ("pods", "UPDATE"), ("pods/ephemeralcontainers", "UPDATE"), ("pods/resize", "UPDATE"),
                                ("pods/binding", "CREATE"), ("bindings", "CREATE"), ("podtemplates", "CREATE"), ("replicationcontrollers", "UPDATE"),
                                ("deployments", "UPDATE"), ("replicasets", "CREATE"), ("statefulsets", "CREATE"), ("daemonsets", "CREATE"),
                                ("jobs", "CREATE"), ("cronjobs", "UPDATE")]:
        check(("validate.gatehouse.dev", resource, operation) in rules, name, resource, operation)
    check({resource for hook, resource, _ in rules if hook == "mutate.gatehouse.dev"} <= {"pods", "pods/ephemeralcontainers"}, name, "mutates pods only")


def check_rights(name, values, things):
    """No wildcard, no Secret or webhook configuration that is not named, nothing for agents; but pods' pull secrets where they are asked for."""
    pull_secrets = {"apiGroups": [""], "resources": ["secrets", "serviceaccounts"], "verbs": ["get"]}
    of_pods = values.get("images", {}).get("podPullSecrets", False)
    granted = [t["metadata"]["name"] for t in things if t["kind"] == "ClusterRole" and pull_secrets in t.get("rules", [])]
    check(bool(granted) == of_pods, name, "pull secrets of pods", granted)
    check(all(role.endswith(("-webhook", "-admission")) for role in granted), name, granted)
    for role in [t for t in things if t["kind"] in ("Role", "ClusterRole")]:
        for rule in role["rules"]:
            if of_pods and rule == pull_secrets:
                continue
            who = f"{name}: {role['kind']} {role['metadata']['name']}"
            check("*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"], who, rule)
            check(not {"escalate", "bind", "impersonate", "deletecollection"} & set(rule["verbs"]) or "namespacedimagepolicies" in rule["resources"], who, rule)
            if {"secrets", "validatingwebhookconfigurations"} & set(rule["resources"]) and rule["verbs"] != ["create"]:
                check(rule.get("resourceNames"), who, "by name only", rule)
            if "secrets" in rule["resources"]:
                check(role["kind"] == "Role", who, "Secrets of our own namespace only")
    for binding in [t for t in things if t["kind"].endswith("RoleBinding")]:
        check(all(subject["name"] != "gatehouse-agent" for subject in binding["subjects"]), name, "agents have no rights")


def check_network(name, values, things):
    """Attestation is for agents; who lets others in has said so."""
    policies = [t for t in things if t["kind"] == "NetworkPolicy"]
    if values.get("networkPolicy", {}).get("enabled", True):
        check(policies, name, "NetworkPolicies")
    for policy in policies:
        for rule in policy["spec"]["ingress"]:
            outside = values.get("attestation", {}).get("service", {}).get("type", "ClusterIP") != "ClusterIP"
            if rule["ports"][0]["port"] == "attestation" and not outside:
                selectors = [source["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for source in rule["from"]]
                check(selectors == ["agent"], name, rule)


def check_configurations(name, things):
    programs = os.environ.get("GATEHOUSE_BIN")
    for thing in [t for t in things if t["kind"] == "ConfigMap" and "data" in t]:
        for file, text in thing["data"].items():
            who = f"{name}: {thing['metadata']['name']}/{file}"
            if file not in ("webhook.yaml", "agent.yaml"):
                continue
            check(isinstance(yaml.safe_load(text), dict), who)
            if not programs:
                continue
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder, file)
                path.write_text(text.replace("/var/lib/gatehouse-agent", folder + "/state"))
                if file == "webhook.yaml":
                    out = subprocess.run([programs + "/gatehouse-webhook", "--config", str(path), "--check"], capture_output=True, text=True)
                    check(out.returncode == 0, who, out.stderr)
                else:  # it reads the configuration, and then finds no file of authorities here
                    out = subprocess.run([programs + "/gatehouse-agent", "--config", str(path), "--node", "n", "--once"], capture_output=True, text=True)
                    check('"reason":"file-unreadable"' in out.stderr and "/etc/gatehouse/public/ca.crt" in out.stderr, who, out.stderr)


def check_hooks(name, values, things):
    """What an uninstall deletes beside the release: all that was made at run time, whoever made it, and nothing that is the operator's."""
    hooks = {(t["metadata"]["annotations"]["helm.sh/hook"], t["kind"], t["metadata"]["name"]) for t in things
             if t["metadata"].get("annotations", {}).get("helm.sh/hook") in ("pre-delete", "post-delete")}
    if not values.get("uninstallHooks", True):
        return check(not hooks, name, hooks)
    own = values.get("certificates", {}).get("ownSecrets", [])
    secrets = {"ca", "tls"} | ({"attestation"} if values.get("crds", {}).get("keep") is False else set())
    wanted = {("post-delete", "Secret", f"gatehouse-{secret}") for secret in secrets if secret not in own}
    wanted |= {("post-delete", "ConfigMap", "gatehouse-public"), ("post-delete", "Lease", "gatehouse-leader")}
    wanted |= {("pre-delete", t["kind"], "gatehouse") for t in things if t["kind"].endswith("WebhookConfiguration")}
    check(hooks == wanted, name, hooks ^ wanted)


def check_mutation(name, things):
    """Turning mutation on needs no pod to start anew: every configuration serves it and keeps its caBundle, whether or not it is there."""
    for thing in [t for t in things if t["kind"] == "ConfigMap" and "webhook.yaml" in t.get("data", {})]:
        config = yaml.safe_load(thing["data"]["webhook.yaml"])
        check("admission" not in config or config["admission"]["mutate"] == {"enabled": True}, name, config.get("admission"))
        certificates = config["kubernetes"].get("certificates")
        check(certificates is None or certificates["webhookConfigurations"] == {"validating": "gatehouse", "mutating": "gatehouse"}, name, certificates)


def check_metrics(things):
    """Dashboard and alerts use families that there are, and every family is on the dashboard."""
    families = set(re.findall(r'"(gatehouse_[a-z_]+)"', (REPO / "common/telemetry/metrics.cc").read_text()))
    families -= {"gatehouse_policy_reloads_total", "gatehouse_policy_last_reload_failed", "gatehouse_policy_documents"}  # of policies in a folder
    used = {}
    for kind in ("PrometheusRule", "ConfigMap"):
        text = " ".join(str(t) for t in things if t["kind"] == kind and (kind != "ConfigMap" or "dashboard" in t["metadata"]["name"]))
        used[kind] = {re.sub(r"_bucket$", "", word) for word in re.findall(r"gatehouse_[a-z_]+", text)}
        check(used[kind] and used[kind] <= families, kind, used[kind] - families)
    check(used["ConfigMap"] == families, "not on the dashboard", families - used["ConfigMap"])


def main():
    for name, values in SETS.items():
        out = helm("lint", "--strict", str(CHART), values=values)
        check(out.returncode == 0, "helm lint", name, out.stdout, out.stderr)
        for version in SERVED:
            things = render(version, values)
            check_objects(name, version, things)
            check_pods(name, things)
            check_budgets(name, version, things)
            check_alerts(name, values, things)
            check_webhooks(name, version, values, things)
            check_hooks(name, values, things)
            check_mutation(name, things)
            check_rights(name, values, things)
            check_network(name, values, things)
            if version == "1.35":
                check_configurations(name, things)
                if name == "everything":
                    check_metrics(things)
        print(f"chart: {name}: API servers {', '.join(SERVED)}")
    on, off = (render("1.35", {"mutate": {"enabled": enabled}}) for enabled in (True, False))
    check([t for t in on if t["kind"] == "Deployment"] == [t for t in off if t["kind"] == "Deployment"], "mutate.enabled starts pods anew")
    if programs := os.environ.get("GATEHOUSE_BIN"):  # what the schema cannot know, the program does
        config = next(t for t in render("1.35", {"config": {"kubernetes": {"misspelt": 1}}}) if t["metadata"]["name"] == "gatehouse-webhook" and t["kind"] == "ConfigMap")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(config["data"]["webhook.yaml"])
            file.flush()
            out = subprocess.run([programs + "/gatehouse-webhook", "--config", file.name, "--check"], capture_output=True, text=True)
        check(out.returncode != 0 and "misspelt" in out.stderr, "a misspelt key in `config`", out.stderr)
    for version, table in (("1.35", BAD), ("1.20", BAD_BEFORE_1_21)):
        for name, (values, word) in table.items():
            out = helm("template", "gatehouse", str(CHART), "--kube-version", version, values=values)
            check(out.returncode != 0 and word in out.stderr, "accepted, or refused without a word of it", name, out.stderr)
    print(f"chart: {len(BAD) + len(BAD_BEFORE_1_21)} wrong values are refused")
    print(f"chart: {checks} checks")


main()
