{{/* Names are fixed: a cluster has one Atelier, whose ClusterRoles and webhooks have names that others refer to. */}}
{{- define "atelier.labels" -}}
app.kubernetes.io/name: atelier
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: atelier
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "atelier.selector" -}}
app.kubernetes.io/name: atelier
app.kubernetes.io/component: control-plane
{{- end }}

{{- define "atelier.database.selector" -}}
app.kubernetes.io/name: atelier
app.kubernetes.io/component: database
{{- end }}

{{- define "atelier.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* Which port of the Service stands behind an Ingress, a Gateway or Istio. */}}
{{- define "atelier.port" -}}
{{- if .Values.tls.enabled }}443{{ else }}80{{ end -}}
{{- end }}
{{- define "atelier.portName" -}}
{{- if .Values.tls.enabled }}https{{ else }}http{{ end -}}
{{- end }}

{{- define "atelier.hosts" -}}
- {{ .Values.baseDomain | quote }}
- {{ printf "*.%s" .Values.baseDomain | quote }}
{{- end }}

{{/* What a container may do: nothing but run as its own user. */}}
{{- define "atelier.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* What values.schema.json cannot say. */}}
{{- define "atelier.check" -}}
{{- $domain := .Values.baseDomain }}
{{- if or (not (regexMatch "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$" $domain)) (gt (len $domain) 189) }}
{{- fail (printf "baseDomain: %q: expected a domain name in lower case, at most 189 characters, such as atelier.example.com" $domain) }}
{{- end }}
{{- if not (regexMatch "^[^@[:space:]]+@[^@[:space:]]+$" .Values.adminEmail) }}
{{- fail (printf "adminEmail: %q: expected an e-mail address such as alice@example.com" .Values.adminEmail) }}
{{- end }}
{{- if and .Values.image.digest (not (regexMatch "^sha256:[0-9a-f]{64}$" .Values.image.digest)) }}
{{- fail (printf "image.digest: %q: expected sha256: and 64 hexadecimal digits" .Values.image.digest) }}
{{- end }}
{{- $ways := list }}
{{- if .Values.ingress.enabled }}{{ $ways = append $ways "ingress.enabled" }}{{ end }}
{{- if .Values.gateway.enabled }}{{ $ways = append $ways "gateway.enabled" }}{{ end }}
{{- if .Values.istio.enabled }}{{ $ways = append $ways "istio.enabled" }}{{ end }}
{{- if gt (len $ways) 1 }}
{{- fail (printf "%s: choose one way in, not %d" (join ", " $ways) (len $ways)) }}
{{- end }}
{{- if and .Values.gateway.enabled (not .Values.gateway.className) (not .Values.gateway.parentRefs) }}
{{- fail "gateway: name a className (a Gateway is made) or parentRefs (an existing Gateway)" }}
{{- end }}
{{- if and .Values.gke.enabled (not .Values.ingress.enabled) (not .Values.gateway.enabled) }}
{{- fail "gke.enabled: it completes ingress.enabled or gateway.enabled; enable one of them" }}
{{- end }}
{{- if and .Values.gke.iap.enabled (not .Values.gke.enabled) }}
{{- fail "gke.iap.enabled: needs gke.enabled" }}
{{- end }}
{{- if and .Values.gke.managedCertificate .Values.ingress.tlsSecretName }}
{{- fail "gke.managedCertificate: ingress.tlsSecretName names a certificate already" }}
{{- end }}
{{- if and .Values.tls.secretName (not .Values.tls.enabled) }}
{{- fail "tls.secretName: needs tls.enabled" }}
{{- end }}
{{- if and .Values.istio.tlsAtLoadBalancer .Values.istio.tlsSecretName }}
{{- fail "istio.tlsAtLoadBalancer: istio.tlsSecretName ends TLS at the ingress gateway already" }}
{{- end }}
{{- if eq .Values.tenantNamespace .Release.Namespace }}
{{- fail "tenantNamespace: it stands for people in RBAC and must stay empty; it cannot be the release's namespace" }}
{{- end }}
{{- end }}

{{/* Whose certificates the webhook's callers show; empty: nobody is asked for one. */}}
{{- define "atelier.webhookClientCA" }}
{{- if and .Values.webhook.enabled .Values.webhook.clientCA }}
{{- if not (contains "-----BEGIN CERTIFICATE-----" .Values.webhook.clientCA) }}
{{- fail "webhook.clientCA: expected certificates in PEM" }}
{{- end }}
{{- .Values.webhook.clientCA }}
{{- end }}
{{- end }}

{{/* webhook.yaml: whom to ask, and about what. */}}
{{- define "atelier.webhookClient" }}
clientConfig:
  service: { name: atelier-webhook, namespace: {{ .root.Release.Namespace }}, port: 443, path: {{ .path }} }
admissionReviewVersions: [v1]
sideEffects: None
timeoutSeconds: {{ .root.Values.webhook.timeoutSeconds }}
# Only profiles' namespaces: never kube-system, never atelierd's own.
namespaceSelector:
  matchExpressions:
    - { key: atelier.dev/profile, operator: Exists }
{{- end }}

{{- define "atelier.webhookRules" }}
rules:
  - apiGroups: [kubeflow.org]
    apiVersions: ["*"]
    operations: [CREATE, UPDATE]
    resources: [notebooks]
    scope: Namespaced
  - apiGroups: [ray.io]
    apiVersions: ["*"]
    operations: [CREATE, UPDATE]
    resources: [rayclusters, rayjobs, rayservices, raycronjobs]
    scope: Namespaced
{{- end }}
