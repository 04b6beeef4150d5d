#!/usr/bin/env bash
# A real Kubernetes control plane on one machine, for tests: how it is started, stopped and looked at.
#   cluster.sh up DIR [--controllers] [--scheduler] [--kwok] [--nodes N] [--audit] [--aggregation] [--no-kuberay] [--no-istio] [--no-volumes] [--address IP]
#   cluster.sh down DIR                 ends what runs and removes DIR
#   cluster.sh stop|start|kill DIR NAME one program: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok
#   cluster.sh pid DIR NAME             prints its pid
# up: etcd and kube-apiserver on free ports of --address (127.0.0.1), state in DIR, the CRDs of crds/, of charts/atelier/crds/
# and Istio's installed; prints the path of an administrator's kubeconfig, DIR/admin.kubeconfig (its token alone is in
# DIR/admin.token). --controllers adds kube-controller-manager; --kwok adds it, kube-scheduler and kwok with N (4) nodes
# that run nothing but say that they do. --audit: DIR/audit.log names every request.
# --no-volumes: claims stay unbound, in silence, and pods run all the same.
# --aggregation: APIServices are asked. Several clusters live side by side.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
ports_folder=${TMPDIR:-/tmp}/atelier-kubernetes-ports
tell() { printf 'cluster: %s\n' "$*" >&2; }
fail() { tell "$*"; exit 1; }

# --- processes: DIR/run/NAME holds "pid start-time", so that a recycled pid is never signalled --------------------------
start_time() { awk '{ sub(/.*\) /, ""); print $20 }' "/proc/$1/stat" 2>/dev/null || true; }

# All of it: a killed program's first thread is a zombie while others still hold its ports.
is_zombie() {
    [ "$(awk '{ sub(/.*\) /, ""); print $1 }' "/proc/$1/stat" 2>/dev/null)" = Z ] &&
        [ "$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -le 1 ]
}

running_pid() { # NAME: its pid, when it is still the process that was started
    local pid started
    [ -e "$dir/run/$1" ] || return 1
    read -r pid started <"$dir/run/$1" || return 1
    [ -n "$started" ] && [ "$(start_time "$pid")" = "$started" ] && ! is_zombie "$pid" && echo "$pid"
}

launch() { # NAME COMMAND…: in a session of its own, output in DIR/NAME.log
    local name=$1
    shift
    mkdir -p "$dir/run"
    printf '%s\0' "$@" >"$dir/run/$name.command"
    relaunch "$name"
}

relaunch() { # NAME: again, as it was first started
    local command pid
    [ -e "$dir/run/$1.command" ] || fail "$1 was never started in $dir"
    mapfile -d '' command <"$dir/run/$1.command"
    setsid "${command[@]}" >>"$dir/$1.log" 2>&1 </dev/null 7>&- 8>&- &
    pid=$!
    echo "$pid $(start_time $pid)" >"$dir/run/$1"
}

end_one() { # NAME SIGNAL: returns when it is gone; after 10 s it is killed
    local pid tries=0
    pid=$(running_pid "$1") || { rm -f "$dir/run/$1"; return 0; }
    kill -CONT "$pid" 2>/dev/null || true
    kill "-$2" "$pid" 2>/dev/null || true
    while running_pid "$1" >/dev/null; do
        tries=$((tries + 1))
        [ $tries -ne 200 ] || kill -KILL "$pid" 2>/dev/null || true
        [ $tries -lt 400 ] || fail "$1 (pid $pid) does not end"
        sleep 0.05
    done
    rm -f "$dir/run/$1"
}

take_ports() { # COUNT: free ports below the ephemeral range, kept for DIR by a file each until down
    mkdir -p "$ports_folder"
    chmod 1777 "$ports_folder" 2>/dev/null || true
    python3 - "$ports_folder" "$dir" "$address" "$1" <<'PYTHON'
import os, pathlib, random, socket, sys
folder, owner, address, count = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
taken = []
for port in random.sample(range(20000, 32000), 4000):
    file = folder / str(port)
    try:
        if file.exists() and not os.path.isdir(file.read_text()):
            file.unlink()
        with open(file, "x") as kept:
            kept.write(owner)
    except OSError:
        continue
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            file.unlink()
            continue
    taken.append(port)
    if len(taken) == count:
        break
print(*taken)
PYTHON
}

# --- keys ---------------------------------------------------------------------------------------------------------------
make_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

make_authority() { # NAME: DIR/keys/NAME.crt and .key
    make_key "$keys/$1.key"
    openssl req -x509 -new -key "$keys/$1.key" -subj "/CN=atelier-test-$1" -days 30 -out "$keys/$1.crt" \
        -addext 'keyUsage=critical,keyCertSign,cRLSign' 2>/dev/null
}

sign() { # NAME SUBJECT EXTENSIONS [AUTHORITY]: DIR/keys/NAME.crt and .key
    local authority=${4:-ca}
    make_key "$keys/$1.key"
    openssl req -new -key "$keys/$1.key" -subj "$2" 2>/dev/null |
        openssl x509 -req -CA "$keys/$authority.crt" -CAkey "$keys/$authority.key" -set_serial "0x$(openssl rand -hex 8)" -days 30 \
            -extfile <(printf 'keyUsage=critical,digitalSignature\n%s\n' "$3") -out "$keys/$1.crt" 2>/dev/null
}

make_keys() {
    mkdir -p "$keys"
    chmod 700 "$keys"
    make_authority ca
    make_authority webhook-ca
    sign webhook /CN=kube-apiserver extendedKeyUsage=clientAuth webhook-ca
    sign apiserver /CN=kube-apiserver "extendedKeyUsage=serverAuth
subjectAltName=IP:$address,IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
    if [ -n "$aggregation" ]; then
        make_authority aggregation-ca
        sign aggregation /CN=aggregation extendedKeyUsage=clientAuth aggregation-ca
    fi
    sign admin /O=system:masters/CN=admin extendedKeyUsage=clientAuth
    make_key "$keys/service-accounts.key"
    openssl ec -in "$keys/service-accounts.key" -pubout -out "$keys/service-accounts.pub" 2>/dev/null
    openssl rand -hex 24 >"$dir/admin.token"
    echo "$(cat "$dir/admin.token"),admin,admin,\"system:masters\"" >"$keys/tokens.csv"
    chmod 600 "$keys"/* "$dir/admin.token"
}

write_kubeconfig() {
    cat >"$dir/admin.kubeconfig" <<CONFIG
apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "https://$address:$api_port", certificate-authority-data: $(base64 -w0 "$keys/ca.crt")}}]
users: [{name: admin, user: {client-certificate-data: $(base64 -w0 "$keys/admin.crt"), client-key-data: $(base64 -w0 "$keys/admin.key")}}]
contexts: [{name: test, context: {cluster: test, user: admin}}]
CONFIG
    chmod 600 "$dir/admin.kubeconfig"
}

# --- the programs -------------------------------------------------------------------------------------------------------
start_etcd() {
    launch etcd etcd --name test --data-dir "$dir/etcd" --log-level error --quota-backend-bytes 4294967296 \
        --listen-client-urls "http://$address:$etcd_port" --advertise-client-urls "http://$address:$etcd_port" \
        --listen-peer-urls "http://$address:$peer_port" --initial-advertise-peer-urls "http://$address:$peer_port" \
        --initial-cluster "test=http://$address:$peer_port"
}

# What kube-apiserver shows the webhooks that ask who calls.
write_admission() {
    local plugin
    printf 'apiVersion: v1\nkind: Config\nusers: [{name: "*", user: {client-certificate: %s, client-key: %s}}]\n' \
        "$keys/webhook.crt" "$keys/webhook.key" >"$dir/webhook.kubeconfig"
    printf 'apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n' >"$dir/admission.yaml"
    for plugin in Mutating Validating; do
        printf -- '- {name: %sAdmissionWebhook, configuration: {apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: %s}}\n' \
            "$plugin" "$dir/webhook.kubeconfig" >>"$dir/admission.yaml"
    done
}

start_apiserver() {
    local audit_flags=() aggregation_flags=()
    write_admission
    if [ -n "$audit" ]; then
        printf 'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n' >"$dir/audit-policy.yaml"
        audit_flags=(--audit-policy-file "$dir/audit-policy.yaml" --audit-log-path "$dir/audit.log" --audit-log-maxsize 4096)
    fi
    if [ -n "$aggregation" ]; then # who asks is told in headers, and the key is how an extension knows that we say it
        aggregation_flags=(--enable-aggregator-routing=true --requestheader-client-ca-file "$keys/aggregation-ca.crt"
            --requestheader-allowed-names aggregation --requestheader-username-headers X-Remote-User
            --requestheader-group-headers X-Remote-Group --requestheader-extra-headers-prefix X-Remote-Extra-
            --proxy-client-cert-file "$keys/aggregation.crt" --proxy-client-key-file "$keys/aggregation.key")
    fi
    # Debian's etcd reports no progress on request, which lists that come as a watch need; without the gate clients list. The other
    # two have the API server read all of etcd every five minutes, a third of its work where there are 10,000 profiles.
    launch kube-apiserver "$tools/kube-apiserver" --etcd-servers "http://$address:$etcd_port" \
        --bind-address "$address" --advertise-address "$advertise" --secure-port "$api_port" --cert-dir "$dir/apiserver" \
        --tls-cert-file "$keys/apiserver.crt" --tls-private-key-file "$keys/apiserver.key" --client-ca-file "$keys/ca.crt" \
        --token-auth-file "$keys/tokens.csv" --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
        --admission-control-config-file "$dir/admission.yaml" \
        --service-cluster-ip-range 10.96.0.0/16 --service-account-issuer https://kubernetes.default.svc \
        --service-account-key-file "$keys/service-accounts.pub" --service-account-signing-key-file "$keys/service-accounts.key" \
        --feature-gates WatchList=false,DetectCacheInconsistency=false,SizeBasedListCostEstimate=false --allow-privileged=true --kubelet-preferred-address-types InternalIP --endpoint-reconciler-type "$reconciler" \
        ${kubelet_flags[@]+"${kubelet_flags[@]}"} ${audit_flags[@]+"${audit_flags[@]}"} \
        ${aggregation_flags[@]+"${aggregation_flags[@]}"}
}

wait_ready() { # NAME URL…: until curl succeeds; the program must stay alive meanwhile
    local name=$1 until=$((SECONDS + 600))
    shift
    until curl -sf -o /dev/null --max-time 20 "$@"; do # a busy machine takes some seconds for one answer
        if [ $SECONDS -gt $until ] || ! running_pid "$name" >/dev/null; then
            tail -n 20 "$dir/$name.log" >&2
            fail "$name did not become ready"
        fi
        sleep 0.1
    done
}

api_ready() {
    wait_ready kube-apiserver --cacert "$keys/ca.crt" --cert "$keys/admin.crt" --key "$keys/admin.key" \
        "https://$address:$api_port/readyz"
}

start_controllers() {
    launch kube-controller-manager "$tools/kube-controller-manager" --kubeconfig "$dir/admin.kubeconfig" \
        ${no_volumes:+--controllers '*,-persistentvolume-binder-controller'} \
        --secure-port 0 --leader-elect=false --use-service-account-credentials=true --root-ca-file "$keys/ca.crt" \
        --service-account-private-key-file "$keys/service-accounts.key" --kube-api-qps 500 --kube-api-burst 1000
}

start_scheduler() {
    local profiles=''
    [ -z "$no_volumes" ] ||
        profiles='profiles: [{schedulerName: default-scheduler, plugins: {multiPoint: {disabled: [{name: VolumeBinding}]}}}]'
    cat >"$dir/scheduler.yaml" <<CONFIG
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection: {leaderElect: false}
clientConnection: {kubeconfig: $dir/admin.kubeconfig, qps: 500, burst: 1000}
$profiles
CONFIG
    launch kube-scheduler "$tools/kube-scheduler" --config "$dir/scheduler.yaml" --secure-port 0
}

start_kwok() {
    # Leases keep the nodes ready: without them kwok reports too seldom for kube-controller-manager.
    launch kwok "$tools/kwok" --kubeconfig "$dir/admin.kubeconfig" --manage-all-nodes=false --cidr 10.90.0.0/16 \
        --manage-nodes-with-annotation-selector kwok.x-k8s.io/node=fake --node-ip 10.91.0.1 \
        --node-lease-duration-seconds 40
    local n
    for n in $(seq "$nodes"); do
        cat <<NODE
---
apiVersion: v1
kind: Node
metadata:
  name: node-$n
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {kubernetes.io/hostname: node-$n, kubernetes.io/os: linux, kubernetes.io/arch: amd64, type: kwok}
status:
  allocatable: {cpu: "64", memory: 256Gi, pods: "1000", ephemeral-storage: 1Ti}
  capacity: {cpu: "64", memory: 256Gi, pods: "1000", ephemeral-storage: 1Ti}
NODE
    done | kubectl create -f - >/dev/null
}

install_crds() {
    local files=() file said=
    for file in "$root"/charts/atelier/crds/*.yaml; do [ ! -e "$file" ] || files+=(-f "$file"); done
    [ -n "$no_kuberay" ] || files+=(-f "${ATELIER_KUBERAY_CRDS:-$here/crds/kuberay.yaml}")
    [ -n "$no_istio" ] || files+=(-f "$tools/istio-crds")
    [ ${#files[@]} -gt 0 ] || return 0
    kubectl create "${files[@]}" >"$dir/crds.log" 2>&1 || { cat "$dir/crds.log" >&2; fail "the CRDs were refused"; }
    # kubectl wait gives up on a definition that has no conditions yet.
    for _ in 1 2 3 4 5; do
        said=$(kubectl wait --for condition=Established --timeout 30s crd --all 2>&1) && return
        sleep 1
    done
    fail "the definitions are not established: $said"
}

kubectl() { "$tools/kubectl" --kubeconfig "$dir/admin.kubeconfig" "$@"; }

# --- commands -----------------------------------------------------------------------------------------------------------
command_up() {
    local controllers='' kwok='' scheduler='' wanted='kube-apiserver kubectl'
    nodes=4 audit='' aggregation='' no_kuberay='' no_istio='' no_volumes='' address=127.0.0.1 kubelet_flags=()
    while [ $# -gt 0 ]; do
        case $1 in
        --controllers) controllers=yes ;;
        --kwok) controllers=yes kwok=yes ;;
        --scheduler) scheduler=yes kubelet_flags=(--kubelet-client-certificate "$keys/admin.crt" --kubelet-client-key "$keys/admin.key") ;;
        --nodes) nodes=$2; shift ;;
        --audit) audit=yes ;;
        --aggregation) aggregation=yes ;;
        --no-kuberay) no_kuberay=yes ;;
        --no-istio) no_istio=yes ;;
        --no-volumes) no_volumes=yes ;;
        --address) address=$2; shift ;;
        *) fail "$1: expected --controllers, --scheduler, --kwok, --nodes N, --audit, --aggregation, --no-kuberay, --no-istio, --no-volumes or --address IP" ;;
        esac
        shift
    done
    command -v etcd >/dev/null || fail "etcd is missing: scripts/setup.sh --test installs it"
    mkdir -p "$dir"
    [ -z "$(ls -A "$dir")" ] || fail "$dir is not empty"
    [ -z "$controllers" ] || wanted+=' kube-controller-manager'
    [ -z "$kwok" ] || wanted+=' kube-scheduler kwok'
    [ -z "$scheduler" ] || wanted+=' kube-scheduler'
    [ -n "$no_istio" ] || wanted+=' istio-crds'
    # shellcheck disable=SC2086  # names hold no blanks
    tools=$("$here/tools/build.sh" $wanted)
    trap 'command_down' EXIT
    trap 'exit 130' INT TERM
    # A loopback address cannot be advertised as the `kubernetes` Service's endpoint: there is none then.
    if [[ $address = 127.* ]]; then advertise=10.91.255.1 reconciler=none; else advertise=$address reconciler=lease; fi
    read -r etcd_port peer_port api_port <<<"$(take_ports 3)"
    [ -n "$api_port" ] || fail "no free ports"
    start_etcd
    make_keys
    write_kubeconfig
    wait_ready etcd "http://$address:$etcd_port/health"
    start_apiserver
    printf '%s\n' "address=$address" "api_port=$api_port" "etcd_port=$etcd_port" "tools=$tools" >"$dir/settings"
    api_ready
    [ -z "$controllers" ] || start_controllers
    [ -z "$kwok" ] || { start_scheduler; start_kwok; }
    [ -z "$scheduler" ] || start_scheduler
    install_crds
    trap - EXIT INT TERM
    echo "$dir/admin.kubeconfig"
}

command_down() {
    local name file
    trap - EXIT INT TERM
    [ -d "$dir/run" ] || { rm -rf "$dir"; return 0; }
    for name in kwok kube-scheduler kube-controller-manager kube-apiserver etcd; do
        end_one "$name" TERM
    done
    for file in "$ports_folder"/*; do
        [ "$(cat "$file" 2>/dev/null)" != "$dir" ] || rm -f "$file"
    done
    rm -rf "$dir"
}

command_start() {
    relaunch "$1"
    # shellcheck source=/dev/null
    . "$dir/settings"
    case $1 in
    etcd) wait_ready etcd "http://$address:$etcd_port/health" ;;
    kube-apiserver) api_ready ;;
    esac
}

[ $# -ge 2 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
action=$1
dir=$(realpath -m "$2")
keys=$dir/keys
shift 2
case $action in
up) command_up "$@" ;;
down) command_down ;;
stop) end_one "$1" TERM ;;
kill) end_one "$1" KILL ;;
start) command_start "$1" ;;
pid) running_pid "$1" ;;
*) fail "$action: expected up, down, stop, start, kill or pid" ;;
esac
