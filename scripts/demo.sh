#!/usr/bin/env bash
# Walks steps 3 to 8 of the main job against a running service, through public interfaces, printing each command.
# Run `make run` in one terminal and `make demo` in another. It makes two accounts and a profile of its own, and removes the
# profile at the end (keep it with KEEP=1).
set -euo pipefail
cd "$(dirname "$0")/.."
atelier=${ATELIER_BUILD:-build}/atelier
host=${ATELIER_URL_PUBLIC:-http://$(printf '%s' "${ATELIER_LISTEN:-127.0.0.1:8080}")}
images=${ATELIER_IMAGES:-${ATELIER_DATA:-var}/images}
ray=$(realpath "$images/ray-2.60/venv/bin/ray")
suffix=${DEMO_SUFFIX:-$(date +%H%M%S)}
owner=alice-$suffix@example.com friend=bob-$suffix@example.com stranger=carol-$suffix@example.com
ns=demo-$suffix
proxy=$host/api/v1/namespaces/$ns/services/http:example-cluster-head-svc:dashboard/proxy/

bold() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
run() {
    printf '$ %s\n' "$(printf '%q ' "$@" | sed -E 's/(atl_)[A-Za-z0-9_-]+/\1…/g')"
    "$@"
}
as() { # as TOKEN COMMAND…: the same command line, as that user
    local token=$1
    shift
    ATELIER_URL=$host ATELIER_TOKEN=$token "$@"
}
expect() { # expect STATUS CURL-ARGUMENTS…
    local want=$1 got
    shift
    got=$(curl -s -o /dev/null -w '%{http_code}' --max-time 30 "$@")
    printf '  HTTP %s (expected %s)\n' "$got" "$want"
    [ "$got" = "$want" ]
}
clean() {
    [ -n "${KEEP:-}" ] || $atelier profile delete "$ns" --confirm "$ns" >/dev/null 2>&1 || true
}
trap clean EXIT

bold "Accounts: an admin on the machine makes them"
for who in "$owner" "$friend" "$stranger"; do run $atelier user create "$who"; done
owner_token=$($atelier token create --user "$owner")
friend_token=$($atelier token create --user "$friend")
stranger_token=$($atelier token create --user "$stranger")

bold "3. A profile of one's own"
as "$owner_token" run $atelier profile create "$ns" --wait
as "$owner_token" run $atelier get profiles

bold "4. A notebook"
as "$owner_token" run $atelier -n "$ns" notebook create nb1 --wait
as "$owner_token" run $atelier -n "$ns" get notebooks
as "$owner_token" run $atelier -n "$ns" notebook open nb1
as "$owner_token" run $atelier -n "$ns" logs notebook/nb1 --tail 3

bold "5. A Ray cluster, from KubeRay's own manifest"
as "$owner_token" run $atelier -n "$ns" apply -f examples/example-cluster.yaml
as "$owner_token" run $atelier -n "$ns" wait raycluster example-cluster --timeout 10m
as "$owner_token" run $atelier -n "$ns" get pods

bold "6 and 7. Train on its workers from outside, then serve the model"
(cd examples && run "$ray" job submit --address "$proxy" --headers "{\"Authorization\":\"Bearer $owner_token\"}" \
    --working-dir . -- python train.py)
(cd examples && RAY_AUTH_MODE=token RAY_AUTH_TOKEN=$owner_token run "$ray" job submit --address "$proxy" \
    --working-dir . -- python serve_digits.py)
as "$owner_token" run $atelier -n "$ns" ray jobs example-cluster
run curl -s --max-time 60 -H "Authorization: Bearer $owner_token" -H 'Content-Type: application/json' \
    -d '{"pixels":[0,0,5,13,9,1,0,0,0,0,13,15,10,15,5,0,0,3,15,2,0,11,8,0,0,4,12,0,0,8,8,0,0,5,8,0,0,9,8,0,0,4,11,0,1,12,7,0,0,2,14,5,10,12,0,0,0,0,6,13,10,0,0,0]}' \
    "$host/serve/$ns/example-cluster/digits"
echo

bold "8. Share one notebook, keep everybody else out, take it back"
expect 404 -H "Authorization: Bearer $friend_token" "$host/notebook/$ns/nb1/api"
as "$owner_token" run $atelier share "$ns" "$friend" --role editor --notebook nb1
expect 200 -H "Authorization: Bearer $friend_token" "$host/notebook/$ns/nb1/api"
expect 404 -H "Authorization: Bearer $friend_token" "$proxy"
expect 404 -H "Authorization: Bearer $stranger_token" "$host/notebook/$ns/nb1/api"
expect 404 -H "Authorization: Bearer $stranger_token" "$host/apis/kubeflow.org/v1/profiles/$ns"
expect 401 "$host/apis/kubeflow.org/v1/profiles/$ns"
as "$owner_token" run $atelier unshare "$ns" "$friend" --notebook nb1
expect 404 -H "Authorization: Bearer $friend_token" "$host/notebook/$ns/nb1/api"

bold "Done."
