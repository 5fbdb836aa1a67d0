{{- define "dashboards.password" -}}
{{- if .Values.adminPassword }}{{ .Values.adminPassword }}
{{- else if .Values.keepPassword }}{{ (lookup "v1" "Secret" .Release.Namespace (printf "%s-dashboards" .Release.Name)).data }}
{{- else }}{{ randAlphaNum 40 }}{{ end }}
{{- end }}
