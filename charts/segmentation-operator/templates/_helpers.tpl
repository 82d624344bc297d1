{{/* The name of the objects, or its prefix. */}}
{{- define "segmentation-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" (.Release.Name | trunc 18 | trimSuffix "-") .Chart.Name -}}
{{- end -}}
{{- end }}

{{- define "segmentation-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else if .Values.serviceAccount.create -}}
{{- include "segmentation-operator.fullname" . -}}
{{- else -}}
{{- fail "serviceAccount.create is false: serviceAccount.name must name a ServiceAccount that exists in the release's namespace" -}}
{{- end -}}
{{- end }}

{{/* The labels of every object. */}}
{{- define "segmentation-operator.labels" -}}
app.kubernetes.io/name: segmentation-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The labels that select the pods. They must stay, as the selector of a Deployment can't change. */}}
{{- define "segmentation-operator.selector" -}}
app.kubernetes.io/name: segmentation-operator
app.kubernetes.io/component: controller
{{- end }}

{{- define "segmentation-operator.image" -}}
{{- $tag := .Values.image.tag | default (printf "v%s" .Chart.AppVersion) -}}
{{- printf "%s:%s" .Values.image.repository $tag -}}
{{- with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end }}

{{/* The operator's configuration file; empty without `config`, `audit` and `engines`. */}}
{{- define "segmentation-operator.configuration" -}}
{{- range $key := list "apiVersion" "kind" -}}
{{- if hasKey $.Values.config $key -}}
{{- fail (printf "config.%s is set by the chart: leave it out" $key) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "metrics" "health" -}}
{{- if hasKey (get $.Values.config $key | default dict) "bindAddress" -}}
{{- fail (printf "config.%s.bindAddress is set by the chart, as the Service, the probes and the NetworkPolicies depend on it: leave it out" $key) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "enabled" "namespace" -}}
{{- if hasKey ($.Values.config.leaderElection | default dict) $key -}}
{{- fail (printf "config.leaderElection.%s is set by the chart, which grants a Lease in the release's namespace: leave it out" $key) -}}
{{- end -}}
{{- end -}}
{{- if hasKey (.Values.config.metrics | default dict) "certPath" -}}
{{- fail "config.metrics.certPath names a directory that no volume fills: give the Secret as metrics.certSecret" -}}
{{- end -}}
{{- if and .Values.prometheus.enabled (eq (toString (.Values.config.metrics | default dict).secure) "false") -}}
{{- fail "config.metrics.secure is false, but the ServiceMonitor of prometheus.enabled scrapes by TLS: leave one of them out" -}}
{{- end -}}
{{- if and (hasKey .Values.config "audit") (not .Values.audit.enabled) -}}
{{- fail "config.audit needs the permissions of audit.enabled: set it to true, or leave config.audit out" -}}
{{- end -}}
{{- $variables := list -}}
{{- range .Values.env -}}
{{- $variables = append $variables .name -}}
{{- end -}}
{{- if not (or .Values.engines.detect (hasKey .Values.config "engine") (has "SEGMENTATION_ENGINE" $variables)) -}}
{{- range $value, $engine := dict "cilium" "Cilium" "calico" "Calico" "gke" "GKE" -}}
{{- if get $.Values.engines $value -}}
{{- fail (printf "engines.%s has no effect without an engine: set engines.detect to true, which finds it, or config.engine to %s" $value $engine) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.engines.istioPolicies (not (or .Values.engines.istio (hasKey .Values.config "mesh") (has "SEGMENTATION_MESH" $variables))) -}}
{{- fail "engines.istioPolicies has no effect without a mesh: set engines.istio to true" -}}
{{- end -}}
{{- if and .Values.engines.calicoGuard .Values.engines.clusterNetworkPolicy (not (hasKey .Values.config "guard")) -}}
{{- fail "engines.calicoGuard and engines.clusterNetworkPolicy are both true, and guards are of one kind: leave one of them out or, while guards of the other kind are still to be removed, set config.guard.kind" -}}
{{- end -}}
{{- $config := deepCopy .Values.config -}}
{{- if and .Values.audit.enabled (not (hasKey $config "audit")) -}}
{{- $_ := set $config "audit" (dict "enabled" true) -}}
{{- end -}}
{{- if and .Values.engines.detect (not (hasKey $config "engine")) -}}
{{- $_ := set $config "engine" "Auto" -}}
{{- end -}}
{{- if and .Values.engines.istio (not (hasKey $config "mesh")) -}}
{{- $_ := set $config "mesh" "Istio" -}}
{{- end -}}
{{- if and .Values.engines.calicoGuard (not (hasKey $config "guard")) -}}
{{- $_ := set $config "guard" (dict "kind" "GlobalNetworkPolicy") -}}
{{- end -}}
{{- if and .Values.engines.clusterNetworkPolicy (not (hasKey $config "guard")) -}}
{{- $_ := set $config "guard" (dict "kind" "ClusterNetworkPolicy") -}}
{{- end -}}
{{- if $config -}}
{{- merge (dict "apiVersion" "config.segmentation.dev/v1alpha1" "kind" "OperatorConfiguration") $config | toYaml -}}
{{- end -}}
{{- end }}

{{/* The protected namespaces, as a list in CEL. */}}
{{- define "segmentation-operator.protectedNamespaces" -}}
{{- $names := list "kube-system" "kube-public" "kube-node-lease" -}}
{{- if hasKey .Values.config "protectedNamespaces" -}}
{{- $names = .Values.config.protectedNamespaces | default list -}}
{{- end -}}
['{{ append $names .Release.Namespace | uniq | join "', '" }}']
{{- end }}
