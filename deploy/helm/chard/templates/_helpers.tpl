{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{- define "chard.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "chard.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* Labels that select: of (dict "root" $ "part" "worker-ai"). */}}
{{- define "chard.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "chard.labels" -}}
{{ include "chard.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "chard.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary (include "chard.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{/* At least as many replicas as the usual load takes and a buffer for the time that a node takes to come. */}}
{{- define "chard.minReplicas" -}}
{{ div (add (mul (int .usualReplicas) (int .bufferPercent)) 99) 100 }}
{{- end }}

{{/* How long Kubernetes waits between SIGTERM and SIGKILL: the grace time, the longest call, and what handing back takes. */}}
{{- define "chard.termination" -}}
{{ .terminationGracePeriodSeconds | default (add (div (add (int .graceMs) (int .longestCallMs) 999) 1000) 5) }}
{{- end }}

{{/* Settings of one part: (dict "root" $ "settings" …). Secrets are files, by the setting's twin. */}}
{{- define "chard.env" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- range $name, $key := .root.Values.secrets.files }}
- name: {{ $name }}_FILE
  value: /etc/chard/secrets/{{ $key }}
{{- end }}
{{- range $name, $value := merge (dict) .settings (.root.Values.settings | default dict) }}
- name: {{ $name }}
  value: {{ ternary ($value | int64) $value (kindIs "float64" $value) | toString | quote }}
{{- end }}
{{- end }}

{{- define "chard.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "chard.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "chard.volumeMounts" -}}
- {name: secrets, mountPath: /etc/chard/secrets, readOnly: true}
- {name: run, mountPath: /run/chard}
- {name: tmp, mountPath: /tmp}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "chard.volumes" -}}
- name: secrets
  secret:
    secretName: {{ .Values.secrets.name }}
    defaultMode: 0440
    items:
      {{- range $name, $key := .Values.secrets.files }}
      - {key: {{ $key }}, path: {{ $key }}}
      {{- end }}
- name: run
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Whether it consumes, and whether its loop turns: asked by HTTP, or, where that is off, from the file that it writes twice a second. */}}
{{- define "chard.probes" -}}
{{- if .Values.metrics.enabled -}}
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 2
  failureThreshold: 30
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 3
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- else -}}
startupProbe:
  exec: {command: [chard, ping, --file, /run/chard/health, --alive]}
  periodSeconds: 2
  failureThreshold: 30
readinessProbe:
  exec: {command: [chard, ping, --file, /run/chard/health]}
  periodSeconds: 5
  timeoutSeconds: 3
livenessProbe:
  exec: {command: [chard, ping, --file, /run/chard/health, --alive]}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}
{{- end }}

{{/* Nodes of a pool's own, zones and hosts: (dict "root" $ "part" "worker-ai" "node" …). */}}
{{- define "chard.placement" -}}
{{- with .node }}
affinity:
  nodeAffinity:
    {{- if .dedicated }}
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions: [{key: chard/pool, operator: In, values: [{{ .pool }}]}]
    {{- else }}
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        preference:
          matchExpressions: [{key: chard/pool, operator: In, values: [{{ .pool }}]}]
    {{- end }}
tolerations:
  - {key: chard/pool, operator: Equal, value: {{ .pool }}, effect: NoSchedule}
{{- end }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "chard.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}

{{/* What is scaled: a Deployment, or Argo's Rollout in its place; of a plain part, of whose work no analysis says whether it goes well, always the former. */}}
{{- define "chard.workload.version" -}}
{{ ternary "argoproj.io/v1alpha1" "apps/v1" (and .root.Values.rollouts.enabled (not .plain)) }}
{{- end }}
{{- define "chard.workload.kind" -}}
{{ ternary "Rollout" "Deployment" (and .root.Values.rollouts.enabled (not .plain)) }}
{{- end }}
{{- define "chard.workload" -}}
apiVersion: {{ include "chard.workload.version" . }}
kind: {{ include "chard.workload.kind" . }}
name: {{ include "chard.fullname" .root }}-{{ .part }}
{{- end }}

{{/* One deployment: (dict "root" $ "part" "worker-ai" "command" (list "worker") "settings" … "resources" … "replicas" …
     "termination" … "node" … "probes" … "ports" …). Without "replicas" somebody else says how many; "plain" true: it is never a Rollout. */}}
{{- define "chard.deployment" -}}
apiVersion: {{ include "chard.workload.version" . }}
kind: {{ include "chard.workload.kind" . }}
metadata:
  name: {{ include "chard.fullname" .root }}-{{ .part }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "chard.labels" . | nindent 4 }}
spec:
  {{- with .replicas }}
  replicas: {{ . }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    {{- if eq "Rollout" (include "chard.workload.kind" .) }}
    {{- include "chard.strategy" . | nindent 4 }}
    {{- else }}
    type: RollingUpdate
    rollingUpdate: {maxSurge: 25%, maxUnavailable: 0}
    {{- end }}
  selector:
    matchLabels:
      {{- include "chard.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "chard.labels" . | nindent 8 }}
        {{- if .root.Values.metrics.enabled }}
        chard/metrics: "true"
        {{- end }}
        {{- with .root.Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .root.Values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "chard.serviceAccount" .root }}
      automountServiceAccountToken: false
      # Kubernetes would tell of services in variables that begin with CHARD_, which chard takes for misspelt settings.
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ .termination }}
      {{- with .root.Values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      securityContext:
        {{- include "chard.podSecurityContext" . | nindent 8 }}
      {{- with .root.Values.image.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      {{- include "chard.placement" . | nindent 6 }}
      containers:
        - name: chard
          image: {{ include "chard.image" .root }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args: {{ toJson .command }}
          env:
            {{- include "chard.env" . | nindent 12 }}
            {{- if .root.Values.metrics.enabled }}
            - name: CHARD_METRICS
              value: "0.0.0.0:{{ int .root.Values.metrics.port }}"
            {{- end }}
          {{- with .ports }}
          ports:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with .probes }}
          {{- . | nindent 10 }}
          {{- end }}
          resources:
            {{- toYaml .resources | nindent 12 }}
          securityContext:
            {{- include "chard.securityContext" . | nindent 12 }}
          volumeMounts:
            {{- include "chard.volumeMounts" .root | nindent 12 }}
      volumes:
        {{- include "chard.volumes" .root | nindent 8 }}
{{- end }}

{{- define "chard.ports" -}}
{{- $ports := list -}}
{{- with .port }}{{- $ports = append $ports (dict "name" "http" "containerPort" (int .)) }}{{- end -}}
{{- if .root.Values.metrics.enabled }}{{- $ports = append $ports (dict "name" "metrics" "containerPort" (int .root.Values.metrics.port)) }}{{- end -}}
{{- toJson $ports -}}
{{- end }}

{{/* An HPA's rule for going down: slowly, a tenth a minute. */}}
{{- define "chard.behavior" -}}
scaleDown:
  stabilizationWindowSeconds: {{ .Values.autoscaling.scaleDownWindowSeconds }}
  policies:
    - {type: Percent, value: 10, periodSeconds: 60}
    - {type: Pods, value: 1, periodSeconds: 60}
  selectPolicy: Max
scaleUp:
  stabilizationWindowSeconds: 0
  policies:
    - {type: Percent, value: 100, periodSeconds: 15}
    - {type: Pods, value: 4, periodSeconds: 15}
  selectPolicy: Max
{{- end }}

{{/* (dict "root" $ "part" "gateway" "min" 3 "max" 20) */}}
{{- define "chard.hpa" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "chard.fullname" .root }}-{{ .part }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "chard.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    {{- include "chard.workload" . | nindent 4 }}
  minReplicas: {{ .min }}
  maxReplicas: {{ .max }}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ .root.Values.autoscaling.cpuPercent }}}}
    - type: Resource
      resource: {name: memory, target: {type: Utilization, averageUtilization: {{ .root.Values.autoscaling.memoryPercent }}}}
  behavior:
    {{- include "chard.behavior" .root | nindent 4 }}
{{- end }}

{{- define "chard.pdb" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "chard.fullname" .root }}-{{ .part }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "chard.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .maxUnavailable }}
  # One that is not ready, since broker or store are away, must not keep a node from being emptied.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "chard.selector" . | nindent 6 }}
{{- end }}
