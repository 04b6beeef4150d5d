#!/usr/bin/env bash
# A real node on one machine, for tests: pods that run (tier 3). Root, in a network namespace that is made and removed.
#   node.sh up DIR IMAGES      cluster.sh's programs, containerd, kubelet, kube-proxy, kube-router, CoreDNS and metrics-server; prints the kubeconfig
#   node.sh down DIR
#   node.sh stop|start DIR NAME   one program: kubelet, kube-proxy, kube-router, metrics-server
#   node.sh enter DIR COMMAND… runs a command in the node's network namespace
#   node.sh image DIR REFERENCE FOLDER ENTRYPOINT-JSON   gives the node an image: FOLDER, and the machine's /usr read-only
# IMAGES is a folder as `make images` fills it: its environments become container images (localhost/NAME:test) that are
# nearly empty and see the machine's own /usr and that environment, read-only. DIR/images.json is what atelierd is told
# of them (ATELIER_KUBE_IMAGES). Needs Debian's containerd, containernetworking-plugins, iptables, ipset and libc6-dev.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tell() { printf 'node: %s\n' "$*" >&2; }
fail() { tell "$*"; exit 1; }
[ $# -ge 2 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
action=$1
dir=$(realpath -m "$2")
shift 2
namespace=atelier-node-$(printf %s "$dir" | sha256sum | cut -c1-8)
address=10.77.0.1
dns=10.96.0.10
run=/run/$namespace # sockets' paths must be short

inside() { nsenter --net="/run/netns/$namespace" "$@"; }
create() { inside "$tools/kubectl" --kubeconfig "$kubeconfig" create -f - >/dev/null; } # of standard input

launch() { # NAME COMMAND…
    local name=$1
    shift
    mkdir -p "$dir/node"
    printf '%s\0' "$@" >"$dir/node/$name.command"
    relaunch "$name"
}

relaunch() { # NAME: again, as it was first started
    local command
    mapfile -d '' command <"$dir/node/$1.command"
    nsenter --net="/run/netns/$namespace" setsid "${command[@]}" >>"$dir/node/$1.log" 2>&1 </dev/null & # no function: its pid is the program's
    echo $! >"$dir/node/$1.pid"
}

wait_for() { # NAME WHAT COMMAND…
    local name=$1 what=$2 tries=0
    shift 2
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ $tries -gt 900 ] || { [ -e "$dir/node/$name.pid" ] && ! kill -0 "$(cat "$dir/node/$name.pid")" 2>/dev/null; }; then
            tail -n 25 "$dir/node/$name.log" >&2
            fail "$what: not within 90 s"
        fi
        sleep 0.1
    done
}

make_network() {
    ip netns add "$namespace"
    inside ip link set lo up
    inside ip link add node0 type bridge
    inside ip addr add "$address/24" dev node0
    inside ip link set node0 up
    inside ip route add default dev node0
    inside sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
}

# --- images -------------------------------------------------------------------------------------------------------------
make_pause() {
    mkdir -p "$dir/pause/root"
    printf '#include <unistd.h>\nint main(void) { for (;;) pause(); }\n' >"$dir/pause/pause.c"
    gcc -static -O -o "$dir/pause/root/pause" "$dir/pause/pause.c"
    pack localhost/pause:test "$dir/pause/root" '["/pause"]' ""
}

pack() { # REFERENCE ROOT ENTRYPOINT-JSON PATH: a docker archive of one layer, imported
    local work layer
    work=$(mktemp -d -p "$dir")
    tar -C "$2" -cf "$work/layer.tar" .
    layer=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
    printf '{"architecture":"amd64","os":"linux","config":{"User":"1000:1000","Entrypoint":%s,"Env":["PATH=%s","HOME=/home/atelier","LANG=C.UTF-8","RAY_USAGE_STATS_ENABLED=0"],"WorkingDir":"/"},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        "$3" "$4" "$layer" >"$work/config.json"
    printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$1" >"$work/manifest.json"
    tar -C "$work" -cf "$work/image.tar" manifest.json config.json layer.tar
    ctr -a "$run/containerd.sock" -n k8s.io images import "$work/image.tar" >/dev/null
    rm -rf "$work"
}

skeleton() { # ROOT: what every image has, beside what write_spec shows it
    mkdir -p "$1"/{usr,bin,lib,lib64,sbin,etc,proc,sys,dev,tmp,run,var/tmp,home/atelier}
    chmod 1777 "$1/tmp" "$1/var/tmp"
    chmod 777 "$1/home/atelier"
    printf 'root:x:0:0:root:/root:/bin/sh\npostgres:x:999:999::/:/bin/sh\natelier:x:1000:1000::/home/atelier:/bin/bash\nnobody:x:65534:65534::/:/bin/sh\n' >"$1/etc/passwd"
    printf 'root:x:0:\npostgres:x:999:\natelier:x:1000:\nnogroup:x:65534:\n' >"$1/etc/group"
    mkdir -p "$1/etc/ssl"
    cp -r /etc/alternatives /etc/ld.so.cache "$1/etc/"
    cp -rL /etc/ssl/certs "$1/etc/ssl/"
}

command_image() { # REFERENCE FOLDER ENTRYPOINT-JSON
    local root
    root=$dir/roots/$(printf %s "$1" | tr -c 'a-z0-9\n' -)
    skeleton "$root"
    cp -r "$2/." "$root/"
    pack "$1" "$root" "$3" "/opt:/usr/local/bin:/usr/bin:/bin" # /usr/local is the machine's
}

make_images() { # IMAGES
    local folder name root list=''
    for folder in "$1"/*/; do
        [ -e "$folder/image.json" ] || continue
        name=$(basename "$folder")
        root=$dir/roots/$name
        skeleton "$root"
        mkdir -p "$root$(realpath "$folder")"
        pack "localhost/$name:test" "$root" '[]' "$(realpath "$folder")/venv/bin:/usr/local/bin:/usr/bin:/bin"
        for alias in $(python3 -c 'import json,sys; print(*json.load(open(sys.argv[1]))["aliases"])' "$folder/image.json"); do
            ctr -a "$run/containerd.sock" -n k8s.io images tag "localhost/$name:test" "docker.io/$alias" >/dev/null
        done
        list+="${list:+,}$(python3 -c 'import json,sys; image = json.load(open(sys.argv[1])); print(json.dumps({**image, "name": sys.argv[2], "reference": f"localhost/{sys.argv[2]}:test", "ready": True}))' "$folder/image.json" "$name")"
    done
    printf '[%s]\n' "$list" >"$dir/images.json"
    chmod 644 "$dir/images.json"
}

# What every container of this node sees beside its image.
write_spec() { # IMAGES
    ctr oci spec | python3 -c '
import json, os, sys
spec = json.load(sys.stdin)
seen = ["/usr", "/bin", "/lib", "/lib64", "/sbin"] + [os.path.realpath(e.path) for e in os.scandir(sys.argv[1]) if os.path.exists(e.path + "/image.json")]
spec["mounts"] += [{"destination": path, "source": os.path.realpath(path) if path.startswith("/usr") else path, "type": "bind", "options": ["rbind", "ro"]}
                   for path in seen if os.path.exists(path)]
spec.pop("linux", {}).get("resources", None)
spec["linux"] = {"namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")]}
json.dump(spec, open(sys.argv[2], "w"))' "$1" "$dir/spec.json"
}

# --- programs -----------------------------------------------------------------------------------------------------------
start_containerd() {
    mkdir -p "$run" "$dir/containerd" "$dir/cni"
    cat >"$dir/cni/10-bridge.conflist" <<CNI
{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false,
 "hairpinMode": true, "ipam": {"type": "host-local", "dataDir": "$dir/ipam", "ranges": [[{"subnet": "10.88.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
 {"type": "loopback"}]}
CNI
    cat >"$dir/containerd.toml" <<TOML
version = 2
root = "$dir/containerd"
state = "$run/containerd"
[grpc]
  address = "$run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:test"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    base_runtime_spec = "$dir/spec.json"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
TOML
    launch containerd containerd --config "$dir/containerd.toml"
    wait_for containerd "containerd answers" ctr -a "$run/containerd.sock" version
}

start_kubelet() {
    cat >"$dir/kubelet.yaml" <<CONFIG
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $address
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
localStorageCapacityIsolation: false
imageGCHighThresholdPercent: 100
imageMinimumGCAge: 24h
evictionHard: {memory.available: 100Mi}
clusterDNS: [$dns]
clusterDomain: cluster.local
resolvConf: ""
containerRuntimeEndpoint: unix://$run/containerd.sock
CONFIG
    launch kubelet "$tools/kubelet" --config "$dir/kubelet.yaml" --kubeconfig "$kubeconfig" --hostname-override node \
        --node-ip "$address" --root-dir "$dir/kubelet" --cert-dir "$dir/kubelet-keys"
}

# A pod in kube-system, as in every cluster: that is where tenants may ask for names.
start_dns() {
    mkdir -p "$dir/coredns/opt"
    cp "$tools/coredns" "$dir/coredns/opt/"
    command_image localhost/coredns:test "$dir/coredns" '["/opt/coredns", "-conf", "/etc/coredns/Corefile"]'
    rm -rf "$dir/coredns"
    create <<OBJECTS
apiVersion: v1
kind: ServiceAccount
metadata: {name: coredns, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: coredns}
rules:
- {apiGroups: [""], resources: [services, namespaces], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: coredns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: coredns}
subjects: [{kind: ServiceAccount, name: coredns, namespace: kube-system}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: coredns, namespace: kube-system}
data: {Corefile: ".:53 {\n errors\n ready\n kubernetes cluster.local\n}\n"}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: $dns
  selector: {k8s-app: kube-dns}
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
---
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  serviceAccountName: coredns
  dnsPolicy: Default
  containers:
  - name: coredns
    image: localhost/coredns:test
    imagePullPolicy: Never
    securityContext: {runAsUser: 0, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}
    readinessProbe: {httpGet: {path: /ready, port: 8181}, periodSeconds: 1}
    volumeMounts: [{name: config, mountPath: /etc/coredns}]
  volumes: [{name: config, configMap: {name: coredns}}]
OBJECTS
}

# NetworkPolicies are enforced, by kube-router's firewall: services are kube-proxy's and addresses the CNI plug-in's.
start_walls() { # once the node is known
    launch kube-router "$tools/kube-router" --kubeconfig "$kubeconfig" --hostname-override node --run-firewall=true --run-router=false \
        --run-service-proxy=false --enable-cni=false --service-cluster-ip-range 10.96.0.0/12 --health-port 0
    wait_for kube-router "NetworkPolicies are enforced" inside iptables -S KUBE-ROUTER-FORWARD
}

start_proxy() {
    cat >"$dir/proxy.yaml" <<CONFIG
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clusterCIDR: 10.88.0.0/16
hostnameOverride: node
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
clientConnection: {kubeconfig: $kubeconfig}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
CONFIG
    launch kube-proxy "$tools/kube-proxy" --config "$dir/proxy.yaml"
}

# What pods use: a program of the node and no pod, which the API server finds by a Service without a selector.
start_metrics() {
    local port=4443
    launch metrics-server "$tools/metrics-server" --kubeconfig "$kubeconfig" --authentication-kubeconfig "$kubeconfig" \
        --authorization-kubeconfig "$kubeconfig" --bind-address "$address" --secure-port $port --cert-dir "$dir/metrics-keys" \
        --kubelet-insecure-tls --kubelet-preferred-address-types InternalIP --metric-resolution 10s --kubelet-request-timeout 8s
    create <<OBJECTS
apiVersion: v1
kind: Service
metadata: {name: metrics-server, namespace: kube-system}
spec: {ports: [{name: https, port: 443, targetPort: $port}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: metrics-server, namespace: kube-system, labels: {kubernetes.io/service-name: metrics-server}}
addressType: IPv4
ports: [{name: https, port: $port, protocol: TCP}]
endpoints: [{addresses: ["$address"], conditions: {ready: true}}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  version: v1beta1
  service: {name: metrics-server, namespace: kube-system}
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
OBJECTS
}

# A busy machine leaves them little otherwise: all together weigh as much as sixteen of its busy processes.
weigh_pods() {
    local place
    for place in /sys/fs/cgroup/cpu/kubepods/cpu.shares /sys/fs/cgroup/cpu,cpuacct/kubepods/cpu.shares; do
        [ ! -w "$place" ] || echo 16384 >"$place"
    done
    [ ! -w /sys/fs/cgroup/kubepods/cpu.weight ] || echo 1600 >/sys/fs/cgroup/kubepods/cpu.weight
}

command_up() { # IMAGES
    local images=$1
    [ "$(id -u)" = 0 ] || fail "needs root: it makes a network namespace and containers"
    for program in containerd ctr runc iptables ipset gcc; do command -v $program >/dev/null || fail "$program is missing"; done
    [ -e /usr/lib/cni/bridge ] || fail "Debian's containernetworking-plugins is missing"
    mkdir -p "$dir"
    tools=$("$here/tools/build.sh" kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kube-router coredns metrics-server istio-crds kubectl)
    trap command_down EXIT
    make_network
    kubeconfig=$(inside "$here/cluster.sh" up "$dir/cluster" --controllers --scheduler --aggregation --address "$address")
    write_spec "$images"
    start_containerd
    make_pause
    make_images "$images"
    start_kubelet
    start_proxy
    start_dns
    start_metrics
    wait_for kubelet "the node is ready" inside "$tools/kubectl" --kubeconfig "$kubeconfig" wait --for condition=Ready node/node --timeout 1s
    start_walls
    wait_for kubelet "CoreDNS answers" inside "$tools/kubectl" --kubeconfig "$kubeconfig" -n kube-system wait --for condition=Ready \
        pod/coredns --timeout 1s
    wait_for metrics-server "metrics-server is found" inside "$tools/kubectl" --kubeconfig "$kubeconfig" wait --for condition=Available \
        apiservice/v1beta1.metrics.k8s.io --timeout 1s
    weigh_pods
    trap - EXIT
    echo "$kubeconfig"
}

end_pods() { # whatever containerd still runs, and the network namespaces that it was given
    local task networks
    networks=$(for task in $(ctr -a "$run/containerd.sock" -n k8s.io containers ls -q 2>/dev/null); do
        ctr -a "$run/containerd.sock" -n k8s.io containers info "$task" 2>/dev/null | grep -o '/netns/cni-[0-9a-f-]*' || true
    done | sort -u)
    for task in $(ctr -a "$run/containerd.sock" -n k8s.io tasks ls -q 2>/dev/null); do
        ctr -a "$run/containerd.sock" -n k8s.io tasks kill -s SIGKILL "$task" 2>/dev/null || true
    done
    for task in $(ctr -a "$run/containerd.sock" -n k8s.io containers ls -q 2>/dev/null); do
        ctr -a "$run/containerd.sock" -n k8s.io tasks delete -f "$task" >/dev/null 2>&1 || true
        ctr -a "$run/containerd.sock" -n k8s.io containers delete "$task" >/dev/null 2>&1 || true
    done
    for task in $networks; do ip netns delete "${task#/netns/}" 2>/dev/null || true; done
}

command_down() {
    local name pid mount
    trap - EXIT
    for name in metrics-server kubelet kube-proxy kube-router; do end "$name"; done
    end_pods
    end containerd
    "$here/cluster.sh" down "$dir/cluster" || true
    for mount in $(awk -v dir="$dir" -v run="$run" 'index($2, dir) == 1 || index($2, run) == 1 { print $2 }' /proc/mounts | sort -r); do
        umount -l "$mount" 2>/dev/null || true
    done
    ip netns delete "$namespace" 2>/dev/null || true
    rm -rf "$run" "$dir"
}

end() { # NAME: ours, by pid
    local pid tries=0
    [ -e "$dir/node/$1.pid" ] || return 0
    pid=$(cat "$dir/node/$1.pid")
    kill "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { kill -KILL "$pid" 2>/dev/null || true; break; }
        sleep 0.1
    done
}

case $action in
up) [ $# -eq 1 ] || fail "up needs DIR and IMAGES"; command_up "$(realpath "$1")" ;;
down) command_down ;;
stop) end "$1" ;;
start) relaunch "$1" ;;
enter) inside "$@" ;;
image) [ $# -eq 3 ] || fail "image needs DIR, REFERENCE, FOLDER and ENTRYPOINT-JSON"; command_image "$@" ;;
*) fail "$action: expected up, down, stop, start, enter or image" ;;
esac
