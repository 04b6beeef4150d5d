/* Who reaches the pods of a profile by the network, and whom do they reach? */
#include "tenancy/internal.h"

#define WALLS_DNS_PORT 53
#define WALLS_NODE_DNS "169.254.20.10/32"     /* NodeLocal DNSCache, where there is one */
#define WALLS_GOOGLE_DNS "169.254.169.254/32" /* Cloud DNS, which answers for the cluster on GKE Autopilot */
#define WALLS_MESH_NAMESPACE "istio-system"
#define WALLS_MESH_PORT 15012 /* istiod, from which a sidecar has its configuration and its certificate */

/* GKE's metadata server, which gives a pod the identity of its service account: by Dataplane V2 at its own address,
 * else behind it (Google, "Authenticate to Google Cloud APIs from GKE workloads"). */
static const struct {
    const char *range;
    int64_t ports[2];
} google_metadata[] = {{"169.254.169.254/32", {80, 8080}}, {"169.254.169.252/32", {987, 988}}};

const int64_t walls_operator_ports[WALLS_OPERATOR_PORTS] = {8265, 8000, 52365};

static cJSON *rule_add(cJSON *spec, const char *direction)
{
    cJSON *rules = json_member(spec, direction);
    return json_push(rules ? rules : json_set(spec, direction, json_array()), json_object());
}

static cJSON *peers_of(cJSON *rule, const char *key)
{
    cJSON *peers = json_member(rule, key);
    return peers ? peers : json_set(rule, key, json_array());
}

static void peer_same_namespace(cJSON *rule, const char *key)
{
    json_object_in(json_push(peers_of(rule, key), json_object()), "podSelector");
}

static void peer_namespace(cJSON *rule, const char *key, const char *namespace)
{
    cJSON *selector = json_object_in(json_push(peers_of(rule, key), json_object()), "namespaceSelector");
    json_set_text(json_object_in(selector, "matchLabels"), "kubernetes.io/metadata.name", namespace);
}

static void peer_range(cJSON *rule, const char *range, const cJSON *except)
{
    cJSON *block = json_object_in(json_push(peers_of(rule, "to"), json_object()), "ipBlock");
    json_set_text(block, "cidr", range);
    if (except && except->child)
        json_set(block, "except", json_copy(except));
}

static void port_add(cJSON *rule, const char *protocol, int64_t port)
{
    cJSON *ports = json_member(rule, "ports");
    cJSON *one = json_push(ports ? ports : json_set(rule, "ports", json_array()), json_object());
    json_set_text(one, "protocol", protocol);
    json_set_i64(one, "port", port);
}

/* From the profile itself, from the gateway, and from the operator to what it looks at. */
static void walls_ingress(const struct pass *pass, cJSON *spec)
{
    const struct settings *settings = &pass->tenancy->settings;
    peer_same_namespace(rule_add(spec, "ingress"), "from");
    cJSON *gateway = rule_add(spec, "ingress");
    for (const cJSON *one = settings->gateway_namespaces->child; one; one = one->next)
        peer_namespace(gateway, "from", one->valuestring);
    if (!settings->operator_namespaces->child)
        return; /* a rule without peers would admit everybody */
    cJSON *ray = rule_add(spec, "ingress");
    for (const cJSON *one = settings->operator_namespaces->child; one; one = one->next)
        peer_namespace(ray, "from", one->valuestring);
    for (size_t i = 0; i < WALLS_OPERATOR_PORTS; i++)
        port_add(ray, "TCP", walls_operator_ports[i]);
}

/* Who has a token of the cluster: pods that are given their service account's, and the heads of Ray clusters that scale
 * themselves, whose autoscaler asks the API server. Which ones those are is not for a policy to say: whoever may make a
 * pod may make such a head. Without a token nothing is answered there. */
static int walls_api(const struct pass *pass, cJSON *spec, struct error *error)
{
    struct engine *engine = pass->tenancy->engine;
    const char *tokens = json_text_or("", pass->profile, "metadata", "annotations", TENANCY_MOUNT_TOKENS, NULL);
    AUTO_JSON cJSON *addresses = NULL;
    struct error own = {0};
    const cJSON *one;
    if (!engine_has(engine, KIND_RAYCLUSTER) && strcmp(tokens, "true") != 0)
        return 0;
    int r = engine_api_addresses(engine, &addresses, &own);
    if (r < 0)
        return r == -ERROR_METHOD ? 0 : error_set(error, own.code, NULL, "%s", own.message);
    cJSON_ArrayForEach(one, addresses)
    {
        const char *address = json_text_or("", one, "address", NULL);
        int64_t port = 0;
        (void)json_i64(json_member(one, "port"), &port);
        AUTO_FREE char *range = memory_format("%s/%d", address, strchr(address, ':') ? 128 : 32);
        cJSON *rule = rule_add(spec, "egress");
        peer_range(rule, range, NULL);
        port_add(rule, "TCP", port);
    }
    return 0;
}

static void walls_google(cJSON *spec)
{
    for (size_t i = 0; i < COUNT_OF(google_metadata); i++) {
        cJSON *rule = rule_add(spec, "egress");
        peer_range(rule, google_metadata[i].range, NULL);
        for (size_t port = 0; port < COUNT_OF(google_metadata[i].ports); port++)
            port_add(rule, "TCP", google_metadata[i].ports[port]);
    }
}

/* To the profile itself, to DNS, and to the internet: not to other tenants, the cluster's own services, or the network
 * around it; to the metadata server only where a platform admin said as which account the pods act there, which without
 * Workload Identity would be their node's. */
static int walls_egress(const struct pass *pass, cJSON *spec, struct error *error)
{
    const struct settings *settings = &pass->tenancy->settings;
    peer_same_namespace(rule_add(spec, "egress"), "to");
    cJSON *dns = rule_add(spec, "egress");
    peer_namespace(dns, "to", "kube-system");
    peer_range(dns, WALLS_NODE_DNS, NULL);
    peer_range(dns, WALLS_GOOGLE_DNS, NULL);
    port_add(dns, "UDP", WALLS_DNS_PORT);
    port_add(dns, "TCP", WALLS_DNS_PORT);
    cJSON *internet = rule_add(spec, "egress");
    peer_range(internet, "0.0.0.0/0", settings->private_v4);
    peer_range(internet, "::/0", settings->private_v6);
    for (const cJSON *one = settings->allowed->child; one; one = one->next)
        peer_range(internet, one->valuestring, NULL);
    if (engine_has(pass->tenancy->engine, KIND_AUTHORIZATIONPOLICY)) {
        cJSON *mesh = rule_add(spec, "egress");
        peer_namespace(mesh, "to", WALLS_MESH_NAMESPACE);
        port_add(mesh, "TCP", WALLS_MESH_PORT);
    }
    if (plugins_google_account(pass->accepted))
        walls_google(spec);
    return walls_api(pass, spec, error);
}

/* One policy for all pods: whatever it does not name is refused, both ways. */
int pass_network(struct pass *pass, struct error *error)
{
    if (!engine_has(pass->tenancy->engine, KIND_NETWORKPOLICY))
        return 0;
    AUTO_JSON cJSON *wanted = pass_object(pass, KIND_NETWORKPOLICY, TENANCY_WALLS);
    cJSON *spec = json_object_in(wanted, "spec");
    json_object_in(spec, "podSelector");
    cJSON *types = json_set(spec, "policyTypes", json_array());
    json_push_text(types, "Ingress");
    json_push_text(types, "Egress");
    walls_ingress(pass, spec);
    int r = walls_egress(pass, spec, error);
    return r < 0 ? r : pass_apply(pass, KIND_NETWORKPOLICY, wanted, NULL, error);
}

char *walls_surroundings(struct tenancy *tenancy)
{
    AUTO_JSON cJSON *addresses = NULL;
    bool mesh = engine_has(tenancy->engine, KIND_AUTHORIZATIONPOLICY);
    bool outside = false;
    int r = engine_api_addresses(tenancy->engine, &addresses, NULL);
    if (r < 0 && r != -ERROR_METHOD)
        return NULL;
    if (mesh && mesh_operator_outside(tenancy, &outside, NULL) < 0)
        return NULL;
    AUTO_FREE char *text = addresses ? json_print(addresses) : NULL;
    return memory_format("mesh %d, ray %d, operator outside %d, api %s", mesh,
                         engine_has(tenancy->engine, KIND_RAYCLUSTER), outside, text ? text : "");
}

static void look_again(void *context, const char *profile)
{
    const struct tenancy *tenancy = context;
    queue_add(tenancy->queue, profile, profile);
}

/* At the first look all are reconciled anyhow. */
int64_t walls_look_around(struct tenancy *tenancy)
{
    char *now = walls_surroundings(tenancy);
    if (!now)
        return TENANCY_AROUND_MS;
    bool same = !tenancy->surroundings || strcmp(tenancy->surroundings, now) == 0;
    free(tenancy->surroundings);
    tenancy->surroundings = now;
    if (!same) {
        const struct policy *policy = policy_take(tenancy->auth);
        policy_profiles(policy, look_again, tenancy);
        policy_release(policy);
    }
    return TENANCY_AROUND_MS;
}
