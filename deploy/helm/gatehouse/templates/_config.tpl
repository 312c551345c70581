{{/* webhook.yaml of a role: (dict "root" . "role" "webhook"). docs/configuration.md says what each field is. */}}
{{- define "gatehouse.webhookConfig" -}}
{{- $values := .root.Values -}}
{{- $name := include "gatehouse.name" .root -}}
{{- $builtIn := eq $values.certificates.mode "builtIn" -}}
kubernetes:
  namespace: {{ .root.Release.Namespace }}
  name: {{ $name }}
  queriesPerSecond: {{ $values.kubernetes.queriesPerSecond }}
  staleAfter: {{ $values.kubernetes.staleAfter }}
  controllers: {{ eq (include "gatehouse.does" (dict "root" .root "role" .role "work" "controller")) "true" }}
  keyFolder: /run/gatehouse/keys
{{- if $builtIn }}
  certificates:
    dnsNames:
      {{- include "gatehouse.certificateNames" .root | nindent 6 }}
    webhookConfigurations:
      validating: {{ $name }}
      # Named and served whether or not it is there, so that no pod needs to start anew when it is turned on.
      mutating: {{ $name }}
    validity: {{ $values.certificates.validity }}
    caValidity: {{ $values.certificates.caValidity }}
    overlap: {{ $values.certificates.overlap }}
{{- end }}
  nodes: {{ toJson $values.nodes }}
  agents:
    serviceAccount: {{ include "gatehouse.agentName" .root }}
    audience: gatehouse
  csr: {{ toJson $values.csr }}
{{- if include "gatehouse.does" (dict "root" .root "role" .role "work" "admission") }}
admission:
  listen: ":8443"
  {{- include "gatehouse.tls" (dict "root" .root "clientCA" $values.admission.clientCA "file" "api-server-ca.crt" "require" true) | nindent 2 }}
  unmatchedImages: {{ $values.admission.unmatchedImages }}
  unmatchedNodes: {{ $values.admission.unmatchedNodes }}
  maxConcurrent: {{ $values.admission.maxConcurrent }}
  defaultTimeout: {{ $values.admission.timeoutSeconds }}s
  mutate: {enabled: true}
{{- end }}
{{- if include "gatehouse.does" (dict "root" .root "role" .role "work" "attestation") }}
attestation:
  listen: ":8444"
  {{- include "gatehouse.tls" (dict "root" .root "clientCA" $values.attestation.clientCA "file" "nodes-ca.crt" "require" false) | nindent 2 }}
  {{- if $values.attestation.tokensSecret }}
  tokens: /etc/gatehouse/tokens/tokens.yaml
  {{- end }}
  interval: {{ $values.attestation.interval }}
  {{- if $values.attestation.referenceFiles }}
  referenceFiles: /etc/gatehouse/reference-files
  {{- end }}
{{- end }}
metrics: {listen: ":8080"}
{{- if include "gatehouse.does" (dict "root" .root "role" .role "work" "admission") }}
registry:
  insecure: {{ toJson $values.registry.insecure }}
  denyLocalAddresses: {{ $values.registry.denyLocalAddresses }}
  localAddressExceptions: {{ toJson $values.registry.localAddressExceptions }}
  {{- if $values.registry.ca }}
  ca: /etc/gatehouse/config/registries-ca.crt
  {{- end }}
  {{- if $values.registry.credentialsSecret }}
  credentials: /etc/gatehouse/credentials/.dockerconfigjson
  {{- end }}
  {{- if $values.images.podPullSecrets }}
  podPullSecrets: true
  {{- end }}
{{- with $values.cache }}
cache: {{ toJson . }}
{{- end }}
{{- end }}
log: {{ toJson $values.log }}
shutdownDelay: {{ $values.shutdownDelay }}
drain: {{ $values.drain }}
{{- end -}}

{{/* Files of a listener; with builtIn they are those of the keyFolder, which need not be said. */}}
{{- define "gatehouse.tls" -}}
{{- if or .clientCA (ne .root.Values.certificates.mode "builtIn") -}}
tls:
{{- if ne .root.Values.certificates.mode "builtIn" }}
  certificate: /etc/gatehouse/tls/tls.crt
  key: /etc/gatehouse/tls/tls.key
{{- end }}
{{- if .clientCA }}
  clientCA: /etc/gatehouse/config/{{ .file }}
  requireClientCertificate: {{ .require }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "gatehouse.agentConfig" -}}
{{- $agent := .Values.agent -}}
server:
  url: {{ include "gatehouse.agentURL" . | quote }}
  ca: /etc/gatehouse/public/ca.crt
  tokenFile: /var/run/secrets/gatehouse/token
tpm:
  tcti: {{ include "gatehouse.tcti" . | quote }}
  ek: {{ $agent.tpm.ek }}
  ak: {{ $agent.tpm.ak }}
  stateDir: /var/lib/gatehouse-agent
eventLog: /host/security/tpm0/binary_bios_measurements
imaLog: /host/security/ima/binary_runtime_measurements
interval: {{ $agent.interval }}
log: {{ toJson .Values.log }}
{{- end -}}

{{/* (dict "made" YAML "config" VALUES): the values merged over what was made. */}}
{{- define "gatehouse.merged" -}}
{{- toYaml (mustMergeOverwrite (fromYaml .made) (deepCopy .config)) -}}
{{- end -}}

{{- define "gatehouse.mergedWebhookConfig" -}}
{{- include "gatehouse.merged" (dict "made" (include "gatehouse.webhookConfig" .) "config" .root.Values.config) -}}
{{- end -}}

{{- define "gatehouse.mergedAgentConfig" -}}
{{- include "gatehouse.merged" (dict "made" (include "gatehouse.agentConfig" .) "config" .Values.agent.config) -}}
{{- end -}}
