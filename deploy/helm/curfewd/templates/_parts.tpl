{{- /* The names. Short enough for what Kubernetes adds to them. */ -}}
{{- define "curfewd.name" -}}
{{- $name := ternary .Release.Name (printf "%s-curfewd" .Release.Name) (contains "curfewd" .Release.Name) -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "curfewd.selector" -}}
app.kubernetes.io/name: curfewd
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "curfewd.labels" -}}
{{ include "curfewd.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "curfewd.revoker.selector" -}}
app.kubernetes.io/name: curfewd-revoke
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "curfewd.revoker.labels" -}}
{{ include "curfewd.revoker.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
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
