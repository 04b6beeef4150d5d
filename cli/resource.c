/* Which kinds are there, what are they called, and what does a row about each say? */
#include "cli/resource.h"

#include "base/clock.h"
#include "base/nearest.h"
#include "cli/address.h"
#include "ray/state.h"

#define TEXT(object, ...) json_text_or("", (object), __VA_ARGS__, NULL)

/* --- state -------------------------------------------------------------------------------------------------------- */

static const char *reason_of(const cJSON *condition)
{
    const char *message = json_text_or("", condition, "message", NULL);
    return message[0] ? message : json_text_or("", condition, "reason", NULL);
}

/* The reason stands in one text for the whole program: a command shows one object after the other. */
static const char *raycluster_state(const cJSON *object, const char **ret_reason)
{
    static char reason[sizeof(((struct ray_state *)NULL)->message) + 66];
    struct ray_state state;
    ray_cluster_state(object, &state);
    bool complete = strcmp(state.reason, "Running") == 0;
    snprintf(reason, sizeof(reason), "%s: %s", state.reason, state.message);
    *ret_reason = complete ? "" : reason;
    if (strcmp(state.phase, "Running") == 0)
        return complete ? "Ready" : "Starting";
    return strcmp(state.phase, "Deleting") == 0 ? "Terminating" : state.phase;
}

static const char *pod_state(const cJSON *object, const char **ret_reason)
{
    const cJSON *container;
    *ret_reason = json_text_or("", object, "status", "message", NULL);
    if (json_at(object, "metadata", "deletionTimestamp", NULL))
        return "Terminating";
    cJSON_ArrayForEach(container, json_at(object, "status", "containerStatuses", NULL))
    {
        const char *waiting = json_text(container, "state", "waiting", "reason", NULL);
        if (waiting)
            return waiting;
        const char *ended = json_text(container, "state", "terminated", "reason", NULL);
        if (ended && strcmp(ended, "Completed") != 0)
            return ended;
    }
    const char *reason = json_text(object, "status", "reason", NULL);
    return reason ? reason : json_text_or("Pending", object, "status", "phase", NULL);
}

/* KubeRay's words: where the job stands, and for one that has ended, how. */
static const char *rayjob_state(const cJSON *object, const char **ret_reason)
{
    const char *state = json_text_or("", object, "status", "jobDeploymentStatus", NULL);
    const char *message = json_text_or("", object, "status", "message", NULL);
    *ret_reason = message[0] ? message : json_text_or("", object, "status", "reason", NULL);
    if (json_at(object, "metadata", "deletionTimestamp", NULL))
        return "Terminating";
    return state[0] ? state : "Pending";
}

static const char *rayservice_state(const cJSON *object, const char **ret_reason)
{
    const cJSON *ready = json_condition(object, "Ready");
    bool whole = strcmp(json_text_or("", ready, "reason", NULL), "NonZeroServeEndpoints") == 0;
    *ret_reason = whole ? "" : reason_of(ready);
    if (json_at(object, "metadata", "deletionTimestamp", NULL))
        return "Terminating";
    if (json_condition_true(object, "Suspended") || json_condition_true(object, "Suspending"))
        return "Suspended";
    if (json_condition_true(object, "UpgradeInProgress")) {
        *ret_reason = reason_of(json_condition(object, "UpgradeInProgress"));
        return "Upgrading";
    }
    return json_condition_true(object, "Ready") ? "Running" : "Starting";
}

static const char *general_state(const cJSON *object, const char **ret_reason)
{
    const cJSON *ready = json_condition(object, "Ready");
    const char *phase = json_text(object, "status", "phase", NULL);
    *ret_reason = json_text_or("", object, "status", "message", NULL);
    if (!(*ret_reason)[0])
        *ret_reason = json_text_or("", object, "status", "reason", NULL);
    if (json_at(object, "metadata", "deletionTimestamp", NULL)) {
        if (json_condition_true(object, "Ready"))
            *ret_reason = ""; /* of before */
        return "Terminating";
    }
    if (ready && !json_condition_true(object, "Ready") && !(*ret_reason)[0])
        *ret_reason = reason_of(ready);
    if (phase)
        return phase;
    if (ready)
        return json_condition_true(object, "Ready") ? "Ready" : "Pending";
    return "";
}

/* A status that was written before the notebook was stopped or started tells nothing of it: what was accepted does. */
static const char *notebook_state(const cJSON *object, const char **ret_reason)
{
    const char *phase = json_text_or("", object, "status", "phase", NULL);
    bool ends = strcmp(phase, "Stopped") == 0 || strcmp(phase, "Stopping") == 0;
    bool stopped = json_at(object, "metadata", "annotations", NOTEBOOK_STOPPED, NULL) != NULL;
    if (!*phase || ends == stopped || json_at(object, "metadata", "deletionTimestamp", NULL))
        return general_state(object, ret_reason);
    *ret_reason = "";
    return stopped ? "Stopping" : "Starting";
}

const char *resource_state(const struct resource *resource, const cJSON *object, const char **ret_reason)
{
    const char *reason = "";
    const char *state = strcmp(resource->kind, "RayCluster") == 0   ? raycluster_state(object, &reason)
                        : strcmp(resource->kind, "Pod") == 0        ? pod_state(object, &reason)
                        : strcmp(resource->kind, "RayJob") == 0     ? rayjob_state(object, &reason)
                        : strcmp(resource->kind, "RayService") == 0 ? rayservice_state(object, &reason)
                        : strcmp(resource->kind, "Notebook") == 0   ? notebook_state(object, &reason)
                                                                    : general_state(object, &reason);
    if (ret_reason)
        *ret_reason = reason;
    return state;
}

bool resource_is_observed(const cJSON *object)
{
    int64_t observed = json_i64_or(0, object, "status", "observedGeneration", NULL);
    return !observed || observed >= json_i64_or(0, object, "metadata", "generation", NULL);
}

bool resource_is_ready(const struct resource *resource, const cJSON *object, bool *ret_failed)
{
    const char *reason, *state = resource_state(resource, object, &reason);
    *ret_failed = strcmp(state, "Failed") == 0;
    if (strcmp(resource->kind, "Pod") == 0)
        return json_condition_true(object, "Ready") || strcmp(state, "Succeeded") == 0;
    if (strcmp(resource->kind, "StatefulSet") == 0)
        return json_i64_or(0, object, "status", "readyReplicas", NULL) >=
               json_i64_or(0, object, "spec", "replicas", NULL);
    if (strcmp(resource->kind, "RayJob") == 0)
        return strcmp(state, "Complete") == 0;
    if (strcmp(resource->kind, "RayService") == 0 && reason[0])
        return false;
    if (!resource_is_observed(object))
        return *ret_failed = false;
    return strcmp(state, "Running") == 0 || strcmp(state, "Ready") == 0 || strcmp(state, "Bound") == 0 ||
           strcmp(state, "Active") == 0;
}

/* --- cells -------------------------------------------------------------------------------------------------------- */

static void add_age_of(const char *time, struct table *table)
{
    char age[32] = "";
    int64_t then;
    if (time && clock_parse(slice_of(time), &then))
        table_age((clock_wall_ms() - then) / 1000, age, sizeof(age));
    table_add(table, age);
}

static void add_age(const cJSON *object, struct table *table)
{
    add_age_of(json_text(object, "metadata", "creationTimestamp", NULL), table);
}

static void add_name(const cJSON *object, struct table *table)
{
    table_add(table, TEXT(object, "metadata", "name"));
}

static void add_number(int64_t number, struct table *table)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)number);
    table_add(table, text);
}

static void add_part(int64_t part, int64_t whole, struct table *table)
{
    char text[48];
    snprintf(text, sizeof(text), "%lld/%lld", (long long)part, (long long)whole);
    table_add(table, text);
}

/* "a,b": that member of each, or each itself if it is a text, with its key if it has one ("app=x"). */
static void add_joined(const cJSON *items, const char *member, struct table *table)
{
    const cJSON *item;
    AUTO_BUFFER struct buffer text = {0};
    cJSON_ArrayForEach(item, items)
    {
        const char *value = member ? json_text(item, member, NULL) : cJSON_IsString(item) ? item->valuestring : NULL;
        if (value)
            buffer_add_format(&text, "%s%s%s%s", text.n ? "," : "", item->string ? item->string : "",
                              item->string ? "=" : "", value);
    }
    table_add(table, text.p);
}

static int64_t count_of(const cJSON *container)
{
    return cJSON_GetArraySize(container);
}

static void profile_row(const cJSON *object, struct table *table)
{
    const char *reason;
    const char *state = general_state(object, &reason);
    add_name(object, table);
    table_add(table, state[0] ? state : "Pending");
    table_add(table, TEXT(object, "spec", "owner", "name"));
    add_age(object, table);
    table_add(table, strcmp(state, "Ready") == 0 ? "" : reason);
}

/* What a container may use of <key>: its limit, which is what it asks for if it names none. YAML's numbers stay so. */
static void add_held(const cJSON *container, const char *key, struct table *table)
{
    const cJSON *limit = json_at(container, "resources", "limits", key, NULL);
    const cJSON *held = limit ? limit : json_at(container, "resources", "requests", key, NULL);
    if (cJSON_IsString(held)) {
        table_add(table, held->valuestring);
        return;
    }
    AUTO_FREE char *number = cJSON_IsNumber(held) ? json_print(held) : NULL;
    table_add(table, number);
}

static void notebook_row(const cJSON *object, struct table *table)
{
    const cJSON *container = cJSON_GetArrayItem(json_at(object, "spec", "template", "spec", "containers", NULL), 0);
    const char *reason, *state = general_state(object, &reason);
    add_name(object, table);
    table_add(table, state[0] ? state : "Pending");
    add_held(container, "cpu", table);
    add_held(container, "memory", table);
    table_add(table, TEXT(container, "image"));
    add_age(object, table);
    table_add(table, strcmp(state, "Running") == 0 ? "" : reason);
    add_age_of(json_text(object, "status", "lastActivity", NULL), table);
    table_add(table, TEXT(object, "metadata", "uid"));
}

static void raycluster_row(const cJSON *object, struct table *table)
{
    const char *reason, *state = raycluster_state(object, &reason);
    add_name(object, table);
    table_add(table, state);
    add_part(json_i64_or(0, object, "status", "readyWorkerReplicas", NULL),
             json_i64_or(0, object, "status", "desiredWorkerReplicas", NULL), table);
    table_add(table, TEXT(object, "status", "desiredCPU"));
    table_add(table, TEXT(object, "status", "desiredMemory"));
    table_add(table, TEXT(object, "spec", "rayVersion"));
    add_age(object, table);
    table_add(table, strcmp(state, "Ready") == 0 ? "" : reason);
    table_add(table, TEXT(object, "status", "desiredGPU"));
    table_add(table, TEXT(object, "status", "head", "podIP"));
    add_joined(json_at(object, "spec", "workerGroupSpecs", NULL), "groupName", table);
    table_add(table, TEXT(object, ADDRESS_RAY_CLIENT));
    table_add(table, TEXT(object, ADDRESS_SERVE_GRPC));
}

static void rayjob_row(const cJSON *object, struct table *table)
{
    const char *reason, *state = rayjob_state(object, &reason);
    add_name(object, table);
    table_add(table, state);
    table_add(table, TEXT(object, "status", "jobStatus"));
    table_add(table, TEXT(object, "status", "rayClusterName"));
    table_add(table, TEXT(object, "status", "jobId"));
    add_age(object, table);
    table_add(table, strcmp(state, "Complete") == 0 ? "" : reason);
}

static void rayservice_row(const cJSON *object, struct table *table)
{
    const char *reason, *state = rayservice_state(object, &reason);
    const cJSON *application, *all = json_at(object, "status", "activeServiceStatus", "applicationStatuses", NULL);
    int64_t running = 0;
    cJSON_ArrayForEach(application, all)
    {
        running += strcmp(json_text_or("", application, "status", NULL), "RUNNING") == 0 ? 1 : 0;
    }
    add_name(object, table);
    table_add(table, state);
    add_part(running, count_of(all), table);
    table_add(table, TEXT(object, "status", "activeServiceStatus", "rayClusterName"));
    table_add(table, TEXT(object, "status", "pendingServiceStatus", "rayClusterName"));
    add_age(object, table);
    table_add(table, reason);
}

static void pod_row(const cJSON *object, struct table *table)
{
    const cJSON *status;
    int64_t ready = 0, restarts = 0;
    cJSON_ArrayForEach(status, json_at(object, "status", "containerStatuses", NULL))
    {
        int64_t count = 0;
        ready += json_true(status, "ready", NULL) ? 1 : 0;
        restarts += json_i64(json_at(status, "restartCount", NULL), &count) ? count : 0;
    }
    const char *reason, *state = pod_state(object, &reason);
    add_name(object, table);
    add_part(ready, count_of(json_at(object, "spec", "containers", NULL)), table);
    table_add(table, state);
    add_number(restarts, table);
    add_age(object, table);
    table_add(table, TEXT(object, "status", "podIP"));
    table_add(table, strcmp(state, "Running") == 0 ? "" : reason);
    table_add(table, TEXT(object, "spec", "nodeName"));
    add_joined(json_at(object, "spec", "containers", NULL), "name", table);
    add_joined(json_at(object, "spec", "containers", NULL), "image", table);
}

static void service_row(const cJSON *object, struct table *table)
{
    const cJSON *port;
    AUTO_BUFFER struct buffer ports = {0};
    cJSON_ArrayForEach(port, json_at(object, "spec", "ports", NULL))
    {
        int64_t number = 0;
        json_i64(json_at(port, "port", NULL), &number);
        buffer_add_format(&ports, "%s%lld/%s", ports.n ? "," : "", (long long)number,
                          json_text_or("TCP", port, "protocol", NULL));
    }
    add_name(object, table);
    table_add(table, TEXT(object, "spec", "clusterIP"));
    table_add(table, ports.p);
    add_age(object, table);
    table_add(table, TEXT(object, "spec", "type"));
    add_joined(json_at(object, "spec", "selector", NULL), NULL, table);
}

static void event_row(const cJSON *object, struct table *table)
{
    const char *last = json_text(object, "lastTimestamp", NULL);
    int64_t count = 1;
    json_i64(json_at(object, "count", NULL), &count);
    AUTO_FREE char *about =
        memory_format("%s/%s", TEXT(object, "involvedObject", "kind"), TEXT(object, "involvedObject", "name"));
    add_age_of(last ? last : json_text(object, "metadata", "creationTimestamp", NULL), table);
    table_add(table, TEXT(object, "type"));
    table_add(table, TEXT(object, "reason"));
    table_add(table, about);
    add_number(count, table);
    table_add(table, TEXT(object, "message"));
    add_age_of(json_text(object, "firstTimestamp", NULL), table);
    table_add(table, TEXT(object, "source", "component"));
}

static void claim_row(const cJSON *object, struct table *table)
{
    add_name(object, table);
    table_add(table, TEXT(object, "status", "phase"));
    table_add(table, json_text_or(TEXT(object, "spec", "resources", "requests", "storage"), object, "status",
                                  "capacity", "storage", NULL));
    add_age(object, table);
    add_joined(json_at(object, "spec", "accessModes", NULL), NULL, table);
    table_add(table, TEXT(object, "spec", "storageClassName"));
    table_add(table, TEXT(object, "spec", "volumeName"));
}

static void data_row(const cJSON *object, struct table *table)
{
    add_name(object, table);
    table_add(table, json_text_or("ConfigMap", object, "type", NULL));
    add_number(count_of(json_at(object, "data", NULL)), table);
    add_age(object, table);
}

static void quota_row(const cJSON *object, struct table *table)
{
    const cJSON *hard;
    AUTO_BUFFER struct buffer text = {0};
    cJSON_ArrayForEach(hard, json_at(object, "spec", "hard", NULL))
    {
        const char *used = json_text_or("0", object, "status", "used", hard->string, NULL);
        buffer_add_format(&text, "%s%s: %s/%s", text.n ? ", " : "", hard->string, used,
                          cJSON_IsString(hard) ? hard->valuestring : "?");
    }
    add_name(object, table);
    table_add(table, text.p);
    add_age(object, table);
}

static void statefulset_row(const cJSON *object, struct table *table)
{
    add_name(object, table);
    add_part(json_i64_or(0, object, "status", "readyReplicas", NULL), json_i64_or(0, object, "spec", "replicas", NULL),
             table);
    add_age(object, table);
}

/* Kinds that are written by the platform and looked at seldom: `describe` shows the rest. */
static void plain_row(const cJSON *object, struct table *table)
{
    add_name(object, table);
    add_age(object, table);
}

static void namespace_row(const cJSON *object, struct table *table)
{
    add_name(object, table);
    table_add(table, TEXT(object, "status", "phase"));
    add_age(object, table);
}

/* --- the kinds ---------------------------------------------------------------------------------------------------- */

#define HEADERS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct resource resources[] = {
    {"kubeflow.org", "v1", "Profile", "profiles", "profile", "", false,
     HEADERS("NAME", "STATUS", "OWNER", "AGE", "REASON"), profile_row},
    {"kubeflow.org", "v1", "Notebook", "notebooks", "notebook", "nb", true,
     HEADERS("NAME", "STATUS", "CPU", "MEMORY", "IMAGE", "AGE", "REASON", "+LAST ACTIVITY", "+UID"), notebook_row},
    {"ray.io", "v1", "RayCluster", "rayclusters", "raycluster", "ray", true,
     HEADERS("NAME", "STATUS", "WORKERS", "CPU", "MEMORY", "RAY", "AGE", "REASON", "+GPUS", "+HEAD IP", "+GROUPS",
             "+RAY CLIENT", "+SERVE GRPC"),
     raycluster_row},
    {"ray.io", "v1", "RayJob", "rayjobs", "rayjob", "", true,
     HEADERS("NAME", "STATUS", "JOB", "CLUSTER", "RUN", "AGE", "REASON"), rayjob_row},
    {"ray.io", "v1", "RayService", "rayservices", "rayservice", "", true,
     HEADERS("NAME", "STATUS", "APPS", "CLUSTER", "NEXT", "AGE", "REASON"), rayservice_row},
    {"", "v1", "Pod", "pods", "pod", "po", true,
     HEADERS("NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "REASON", "+NODE", "+CONTAINERS", "+IMAGES"), pod_row},
    {"", "v1", "Service", "services", "service", "svc", true,
     HEADERS("NAME", "CLUSTER-IP", "PORTS", "AGE", "+TYPE", "+SELECTOR"), service_row},
    {"", "v1", "Event", "events", "event", "ev", true,
     HEADERS("LAST SEEN", "TYPE", "REASON", "OBJECT", "COUNT", "MESSAGE", "+FIRST SEEN", "+FROM"), event_row},
    {"", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim", "pvc", true,
     HEADERS("NAME", "STATUS", "CAPACITY", "AGE", "+MODES", "+CLASS", "+VOLUME"), claim_row},
    {"", "v1", "ConfigMap", "configmaps", "configmap", "cm", true, HEADERS("NAME", "TYPE", "DATA", "AGE"), data_row},
    {"", "v1", "Secret", "secrets", "secret", "", true, HEADERS("NAME", "TYPE", "DATA", "AGE"), data_row},
    {"", "v1", "ResourceQuota", "resourcequotas", "resourcequota", "quota", true, HEADERS("NAME", "USED", "AGE"),
     quota_row},
    {"apps", "v1", "StatefulSet", "statefulsets", "statefulset", "sts", true, HEADERS("NAME", "READY", "AGE"),
     statefulset_row},
    {"", "v1", "Namespace", "namespaces", "namespace", "ns", false, HEADERS("NAME", "STATUS", "AGE"), namespace_row},
    {"kubeflow.org", "v1alpha1", "PodDefault", "poddefaults", "poddefault", "", true, HEADERS("NAME", "AGE"),
     plain_row},
    {"", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount", "sa", true, HEADERS("NAME", "AGE"), plain_row},
    {"", "v1", "LimitRange", "limitranges", "limitrange", "limits", true, HEADERS("NAME", "AGE"), plain_row},
    {"rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "rolebinding", "", true, HEADERS("NAME", "AGE"),
     plain_row},
    {"networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "networkpolicy", "netpol", true,
     HEADERS("NAME", "AGE"), plain_row},
};

const struct resource *resource_by_word(const char *word)
{
    struct slice text = slice_of(word);
    for (size_t i = 0; i < COUNT_OF(resources) && text.n; i++) {
        const struct resource *resource = &resources[i];
        if (slice_is_nocase(text, resource->plural) || slice_is_nocase(text, resource->singular) ||
            slice_is_nocase(text, resource->short_name))
            return resource;
    }
    return NULL;
}

void resource_offer(struct nearest *nearest)
{
    for (size_t i = 0; i < COUNT_OF(resources); i++) {
        nearest_offer(nearest, slice_of(resources[i].singular));
        nearest_offer(nearest, slice_of(resources[i].plural));
    }
}

const struct resource *resource_by_manifest(const char *api_version, const char *kind)
{
    for (size_t i = 0; i < COUNT_OF(resources); i++) {
        const struct resource *resource = &resources[i];
        AUTO_FREE char *version =
            memory_format("%s%s%s", resource->group, resource->group[0] ? "/" : "", resource->version);
        if (strcmp(version, api_version) == 0 && strcmp(resource->kind, kind) == 0)
            return resource;
    }
    return NULL;
}

void resource_words(struct buffer *ret)
{
    for (size_t i = 0; i < COUNT_OF(resources); i++)
        buffer_add_format(ret, "%s%s", i ? ", " : "", resources[i].plural);
}

char *resource_path(const struct resource *resource, const char *namespace, const char *name)
{
    AUTO_BUFFER struct buffer path = {0};
    if (resource->group[0])
        buffer_add_format(&path, "/apis/%s/%s", resource->group, resource->version);
    else
        buffer_add_format(&path, "/api/%s", resource->version);
    if (resource->namespaced && namespace) {
        buffer_add_text(&path, "/namespaces/");
        text_percent(slice_of(namespace), &path);
    }
    buffer_add_format(&path, "/%s", resource->plural);
    if (name) {
        buffer_add_text(&path, "/");
        text_percent(slice_of(name), &path);
    }
    return buffer_take(&path);
}

char *resource_name(const struct resource *resource, const char *name)
{
    char printable[TABLE_CELL_MAX];
    text_printable(slice_of(name), printable, sizeof(printable));
    return memory_format("%s%s%s/%s", resource->singular, resource->group[0] ? "." : "", resource->group, printable);
}
