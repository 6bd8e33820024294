{{- /* The names. Short enough for what Kubernetes adds to them. */ -}}
{{- define "curfewd.name" -}}
{{- $name := ternary .Release.Name (printf "%s-curfewd" .Release.Name) (contains "curfewd" .Release.Name) -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- /* Labels of a part, given as (list NAME .): each has a name of its own, which its scrape job has too. */ -}}
{{- define "curfewd.selectorOf" -}}
app.kubernetes.io/name: {{ index . 0 }}
app.kubernetes.io/instance: {{ (index . 1).Release.Name }}
{{- end -}}

{{- define "curfewd.labelsOf" -}}
{{- $root := index . 1 -}}
{{ include "curfewd.selectorOf" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end -}}

{{- define "curfewd.selector" -}}
{{ include "curfewd.selectorOf" (list "curfewd" .) }}
{{- end -}}

{{- define "curfewd.labels" -}}
{{ include "curfewd.labelsOf" (list "curfewd" .) }}
{{- end -}}

{{- define "curfewd.revoker.selector" -}}
{{ include "curfewd.selectorOf" (list "curfewd-revoke" .) }}
{{- end -}}

{{- define "curfewd.revoker.labels" -}}
{{ include "curfewd.labelsOf" (list "curfewd-revoke" .) }}
{{- end -}}

{{- define "curfewd.receiver.selector" -}}
{{ include "curfewd.selectorOf" (list "curfewd-receive" .) }}
{{- end -}}

{{- define "curfewd.receiver.labels" -}}
{{ include "curfewd.labelsOf" (list "curfewd-receive" .) }}
{{- end -}}

{{- define "curfewd.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end -}}

{{- /* Which processes there are: the stages, or one that does both. */ -}}
{{- define "curfewd.stages" -}}
{{- ternary "scan judge" "all" .Values.separateStages -}}
{{- end -}}

{{- define "curfewd.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "curfewd.container" -}}
name: curfewd
image: {{ include "curfewd.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}
