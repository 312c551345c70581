{{/*
The Deployment of a role: (dict "root" . "role" "admission" "replicas" 2 "resources" (dict)). Every role runs the same program; its
configuration says which work it does.
*/}}
{{- define "gatehouse.deployment" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- $name := printf "%s-%s" (include "gatehouse.name" .root) .role -}}
{{- $admission := include "gatehouse.does" (dict "root" .root "role" .role "work" "admission") -}}
{{- $attestation := include "gatehouse.does" (dict "root" .root "role" .role "work" "attestation") -}}
{{- $ending := add (include "gatehouse.seconds" $values.shutdownDelay) (include "gatehouse.seconds" $values.drain) -}}
{{- if le (int64 $values.terminationGracePeriodSeconds) $ending -}}
{{- fail (printf "terminationGracePeriodSeconds %d: a pod that ends serves for shutdownDelay and drain, %d s together, and would be killed in it" (int64 $values.terminationGracePeriodSeconds) $ending) -}}
{{- end -}}
{{- $certManager := and (eq $values.certificates.mode "certManager") (or $admission $attestation) -}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "gatehouse.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
spec:
  {{- if not (and $admission $values.autoscaling.enabled) }}
  replicas: {{ .replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    {{- if and (eq $values.antiAffinity "required") (gt (int .replicas) 1) }}
    # There may be no node for one more: the new pods take the place of old ones, one after the other.
    rollingUpdate: {maxUnavailable: 1, maxSurge: 0}
    {{- else }}
    # The old pods serve until the new ones are ready.
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
    {{- end }}
  selector:
    matchLabels:
      {{- include "gatehouse.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .role }}
  template:
    metadata:
      labels:
        {{- include "gatehouse.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .role }}
        gatehouse.dev/metrics: "true"
        {{- if $admission }}
        gatehouse.dev/serves-admission: "true"
        {{- end }}
        {{- if $attestation }}
        gatehouse.dev/serves-attestation: "true"
        {{- end }}
        {{- with $values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        checksum/config: {{ include (print $root.Template.BasePath "/configmaps.yaml") $root | sha256sum }}
        kubectl.kubernetes.io/default-container: webhook
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ $name }}
      enableServiceLinks: false
      priorityClassName: {{ $values.priorityClassName | quote }}
      terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
      {{- with $values.imagePullSecrets }}
      imagePullSecrets: {{ toJson . }}
      {{- end }}
      {{- with $values.nodeSelector }}
      nodeSelector: {{ toJson . }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations: {{ toJson . }}
      {{- end }}
      {{- with $values.hostAliases }}
      hostAliases: {{ toJson . }}
      {{- end }}
      {{- if ne $values.antiAffinity "none" }}
      affinity:
        podAntiAffinity:
          {{- $term := printf "{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app.kubernetes.io/name: gatehouse, app.kubernetes.io/instance: %s, app.kubernetes.io/component: %s}}}" $root.Release.Name .role }}
          {{- if eq $values.antiAffinity "required" }}
          requiredDuringSchedulingIgnoredDuringExecution:
            - {{ $term }}
          {{- else }}
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm: {{ $term }}
          {{- end }}
      {{- end }}
      {{- with $values.topologySpreadKeys }}
      topologySpreadConstraints:
        {{- range . }}
        - topologyKey: {{ . }}
          maxSkew: 1
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "gatehouse.selector" $root | nindent 14 }}
              app.kubernetes.io/component: {{ $.role }}
        {{- end }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: webhook
          image: {{ include "gatehouse.image" $root | quote }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          command: [gatehouse-webhook]
          args: [--config, /etc/gatehouse/config/webhook.yaml]
          env:
            # The owner of what this process leaves in the API, so that it goes with the pod.
            - name: POD_NAME
              valueFrom: {fieldRef: {fieldPath: metadata.name}}
            - name: POD_UID
              valueFrom: {fieldRef: {fieldPath: metadata.uid}}
            {{- with $values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            {{- if $admission }}
            - {name: admission, protocol: TCP, containerPort: 8443}
            {{- end }}
            {{- if $attestation }}
            - {name: attestation, protocol: TCP, containerPort: 8444}
            {{- end }}
            - {name: metrics, protocol: TCP, containerPort: 8080}
          startupProbe:
            httpGet: {path: /healthz, port: metrics}
            periodSeconds: 1
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /healthz, port: metrics}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: metrics}
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 2
          resources: {{ toJson .resources }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          volumeMounts:
            - {name: config, mountPath: /etc/gatehouse/config, readOnly: true}
            - {name: run, mountPath: /run/gatehouse}
            {{- if $certManager }}
            - {name: tls, mountPath: /etc/gatehouse/tls, readOnly: true}
            {{- end }}
            {{- if and $attestation $values.attestation.tokensSecret }}
            - {name: tokens, mountPath: /etc/gatehouse/tokens, readOnly: true}
            {{- end }}
            {{- if and $attestation $values.attestation.referenceFiles }}
            - {name: reference-files, mountPath: /etc/gatehouse/reference-files, readOnly: true}
            {{- end }}
            {{- if and $admission $values.registry.credentialsSecret }}
            - {name: credentials, mountPath: /etc/gatehouse/credentials, readOnly: true}
            {{- end }}
            {{- with $values.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: config
          configMap: {name: {{ $name }}}
        # Keys and certificates as files, in memory only.
        - name: run
          emptyDir: {medium: Memory, sizeLimit: 4Mi}
        {{- if $certManager }}
        - name: tls
          secret: {secretName: {{ include "gatehouse.name" $root }}-tls, defaultMode: 0440}
        {{- end }}
        {{- if and $attestation $values.attestation.tokensSecret }}
        - name: tokens
          secret: {secretName: {{ $values.attestation.tokensSecret }}, defaultMode: 0440}
        {{- end }}
        {{- if and $attestation $values.attestation.referenceFiles }}
        - name: reference-files
          {{- toYaml $values.attestation.referenceFiles | nindent 10 }}
        {{- end }}
        {{- if and $admission $values.registry.credentialsSecret }}
        - name: credentials
          secret: {secretName: {{ $values.registry.credentialsSecret }}, defaultMode: 0440}
        {{- end }}
        {{- with $values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end -}}
