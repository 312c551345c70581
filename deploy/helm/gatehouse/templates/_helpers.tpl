{{/* The name of everything: N in the documentation. */}}
{{- define "gatehouse.name" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* The agents' ServiceAccount: the only one whose tokens attestation believes. */}}
{{- define "gatehouse.agentName" -}}
{{ include "gatehouse.name" . }}-agent
{{- end -}}

{{- define "gatehouse.selector" -}}
app.kubernetes.io/name: gatehouse
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gatehouse.labels" -}}
{{ include "gatehouse.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "gatehouse.image" -}}
{{- $image := .Values.image -}}
{{- /* What is only rendered, without a cluster, may go without: it shows what is missing by its name. */ -}}
{{- if and (not $image.repository) (lookup "v1" "Namespace" "" "kube-system") -}}
{{- fail "image.repository: the image is yours to build and to push (docs/install.md)" -}}
{{- end -}}
{{- $repository := $image.repository | default "image-repository-not-set" -}}
{{- if $image.digest -}}
{{ $repository }}@{{ $image.digest }}
{{- else -}}
{{ $repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The Deployments that there are: "webhook" for all roles in one. */}}
{{- define "gatehouse.roles" -}}
{{- if not .Values.roles.split -}}
webhook
{{- else if .Values.attestation.enabled -}}
admission attestation controller
{{- else -}}
admission controller
{{- end -}}
{{- end -}}

{{/* "true" if the process of that role does that work. (dict "root" . "role" "webhook" "work" "attestation") */}}
{{- define "gatehouse.does" -}}
{{- if or (eq .role "webhook") (eq .role .work) -}}
{{- if or (ne .work "attestation") .root.Values.attestation.enabled -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whole seconds of a duration as Go writes it. */}}
{{- define "gatehouse.seconds" -}}
{{- $start := toDate "2006-01-02" "2000-01-01" -}}
{{- sub (mustDateModify (printf "+%s" .) $start | unixEpoch | int64) (unixEpoch $start | int64) -}}
{{- end -}}

{{- define "gatehouse.agentURL" -}}
{{- .Values.agent.serverURL | default (printf "https://%s-attestation.%s.svc:8444" (include "gatehouse.name" .) .Release.Namespace) -}}
{{- end -}}

{{- define "gatehouse.tcti" -}}
{{- $tpm := .Values.agent.tpm -}}
{{- if $tpm.tcti -}}{{ $tpm.tcti }}
{{- else if eq $tpm.access "socket" -}}swtpm:path={{ $tpm.folder }}/socket
{{- else -}}device:{{ $tpm.device }}
{{- end -}}
{{- end -}}

{{/* Names in the serving certificate. */}}
{{- define "gatehouse.certificateNames" -}}
{{- $name := include "gatehouse.name" . -}}
{{- range $service := ternary (list "webhook" "attestation") (list "webhook") .Values.attestation.enabled }}
- {{ $name }}-{{ $service }}.{{ $.Release.Namespace }}.svc
- {{ $name }}-{{ $service }}.{{ $.Release.Namespace }}
- {{ $name }}-{{ $service }}.{{ $.Release.Namespace }}.svc.cluster.local
{{- end }}
{{- range .Values.certificates.extraNames }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{/*
Who is not judged. Only what those can change who may change a Namespace; never an objectSelector, since whoever writes a
pod writes its labels. The name's label is set by the API server itself, from 1.21 on; before, it would be anybody's.
*/}}
{{- define "gatehouse.namespaceSelector" -}}
{{- $byName := semverCompare ">=1.21-0" .Capabilities.KubeVersion.Version -}}
{{- if and (not $byName) (not .Values.admission.exemptByLabel) }}
{{- fail "before Kubernetes 1.21 namespaces have no label of their name: admission.exemptByLabel must be true, or a Gatehouse that is down could not be brought up again" }}
{{- end -}}
matchExpressions:
{{- if .Values.admission.exemptByLabel }}
  - {key: gatehouse.dev/admission, operator: NotIn, values: [exempt]}
{{- end }}
{{- if $byName }}
  - {key: kubernetes.io/metadata.name, operator: NotIn, values: {{ prepend .Values.admission.exemptNamespaces .Release.Namespace | uniq | toJson }}}
{{- end }}
{{- end -}}

{{/*
What an update leaves as it was is not judged again, so there is no need to ask, and without being asked nobody refuses: an object with
finalizers can go while Gatehouse is down. Labels count, since policies select by those of pods. (dict "root" . "conditions" FURTHER)
*/}}
{{- define "gatehouse.matchConditions" -}}
{{- $conditions := .conditions -}}
{{- if .root.Values.admission.skipUnchanged -}}
{{- $changed := "(has(object.%[1]s) != has(oldObject.%[1]s) || has(object.%[1]s) && object.%[1]s != oldObject.%[1]s)" -}}
{{- $expression := printf (printf "request.operation != 'UPDATE' || %s || %s || %s" $changed (replace "[1]" "[2]" $changed) (replace "[1]" "[3]" $changed)) "spec" "template" "metadata.labels" -}}
{{- $conditions = prepend $conditions (dict "name" "changes" "expression" $expression) -}}
{{- end -}}
{{- if and $conditions (semverCompare ">=1.30-0" .root.Capabilities.KubeVersion.Version) -}}
matchConditions:
{{- range $conditions }}
  - name: {{ .name }}
    expression: {{ toJson .expression }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Before 1.21 our own namespace must have the label before our pods ask for admission. Nothing is found without a cluster. */}}
{{- define "gatehouse.checkNamespace" -}}
{{- if semverCompare "<1.21-0" .Capabilities.KubeVersion.Version -}}
{{- /* A namespace that --create-namespace is to make has no label either. */}}
{{- if lookup "v1" "Namespace" "" "kube-system" -}}
{{- range $name := prepend .Values.admission.exemptNamespaces .Release.Namespace | uniq -}}
{{- $namespace := lookup "v1" "Namespace" "" $name -}}
{{- if and (or $namespace (eq $name $.Release.Namespace)) (ne (dig "metadata" "labels" "gatehouse.dev/admission" "" $namespace) "exempt") -}}
{{- fail (printf "Kubernetes before 1.21: namespace %s has no label that exempts it. Run this first (create the namespace if it is not there): kubectl label namespace %s gatehouse.dev/admission=exempt" $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* caBundle and injection of a webhook configuration: with builtIn the leader writes caBundle. */}}
{{- define "gatehouse.webhookAnnotations" -}}
{{- if eq .Values.certificates.mode "certManager" }}
annotations:
  cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/{{ include "gatehouse.name" . }}-tls
{{- end }}
{{- end -}}
