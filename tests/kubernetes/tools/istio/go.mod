module atelier.dev/tests/kubernetes/tools/istio

go 1.24.0

require istio.io/api v1.27.3 // indirect
