/* Where does the head of a Ray cluster keep what it must not forget? */
#include "engine/local/raystore.h"

#include <unistd.h>

#include "base/random.h"
#include "engine/local/raykeys.h"
#include "engine/local/raypods.h"
#include "engine/local/reconcile.h"
#include "engine/local/schedule.h"
#include "engine/local/status.h"

#define STORE_PROGRAM "/usr/bin/redis-server"
#define STORE_LABEL "app.kubernetes.io/component"
enum { PASSWORD_BYTES = 32, REPLACE_MS = 2000 };

/* A small cluster's GCS takes some hundred KiB, and what jobs bring with them (runtime_env's packages, up to 100 MiB
 * each by the Jobs API and 512 by Ray Client) until ten minutes after it was last used. A GCS whose write is refused
 * ends, so there is room for some; Redis refuses before its container is out of memory or its volume, where what is
 * kept is written twice and a fifth while it is written anew, is full. */
#define STORE_CPU "100m"
#define STORE_CPU_MAX "1"
#define STORE_MEMORY "128Mi"
#define STORE_MEMORY_MAX "3Gi"
#define STORE_KEPT_MAX "2gb"
#define STORE_VOLUME "5Gi"
#define STORE_RULES                                                                                                    \
    "bind 0.0.0.0\nport 6379\ndir /data\nappendonly yes\nappendfsync everysec\nauto-aof-rewrite-percentage 20\nsave "  \
    "\"\"\nmaxmemory " STORE_KEPT_MAX "\nmaxmemory-policy noeviction\n"

bool ray_store_offered(void)
{
    return access(STORE_PROGRAM, X_OK) == 0;
}

bool ray_is_fault_tolerant(const struct object *cluster)
{
    return cJSON_IsObject(json_at(cluster->body, "spec", "gcsFaultToleranceOptions", NULL));
}

static bool uses_own_store(const struct object *cluster)
{
    return ray_is_fault_tolerant(cluster) &&
           !json_text_or("", cluster->body, "spec", "gcsFaultToleranceOptions", "redisAddress", NULL)[0];
}

/* A suspended one has nothing to remember: it begins anew. */
static bool wants_own_store(const struct object *cluster)
{
    return uses_own_store(cluster) && !object_terminating(cluster) &&
           !json_true(cluster->body, "spec", "suspend", NULL);
}

static bool has_pods(struct local *local, const struct object *cluster)
{
    AUTO_OBJECT_LIST struct object_list pods = {0};
    bool any = false;
    objects_select(local->objects, KIND_POD, cluster->namespace, NULL, &pods);
    for (size_t i = 0; i < pods.count && !any; i++)
        any = object_controlled_by(pods.items[i], cluster->uid);
    return any;
}

static struct object *find(struct local *local, enum engine_kind kind, const char *namespace)
{
    return objects_find(local->objects, kind, namespace, RAY_STORE_NAME);
}

#define STORE_TOLD "the store of the profile's heads (Redis, the pod " RAY_STORE_NAME ")"
#define STORE_AVOIDED "; without gcsFaultToleranceOptions a head needs none"

/* What keeps a pod that is there from being ready, if it is more than that it starts; NULL otherwise. */
static const char *pod_trouble(const struct object *pod)
{
    const cJSON *placed = json_condition(pod->body, "PodScheduled");
    const cJSON *first = cJSON_GetArrayItem(json_at(pod->body, "status", "containerStatuses", NULL), 0);
    const char *why = json_text(first, "state", "waiting", "reason", NULL);
    if (placed && strcmp(json_text_or("", placed, "status", NULL), "False") == 0)
        return json_text_or("it fits nowhere", placed, "message", NULL);
    if (why && strcmp(why, "ContainerCreating") != 0 && strcmp(why, "PodInitializing") != 0)
        return json_text_or(why, first, "state", "waiting", "message", NULL);
    return pod_is_over(pod) ? "it ended" : NULL;
}

char *ray_store_waits(struct local *local, const struct object *cluster, bool *ret_trouble)
{
    *ret_trouble = false;
    if (!uses_own_store(cluster))
        return NULL;
    AUTO_OBJECT struct object *pod = find(local, KIND_POD, cluster->namespace);
    if (!pod)
        return memory_text(STORE_TOLD " is not there yet");
    if (!object_terminating(pod) && json_condition_true(pod->body, "Ready"))
        return NULL;
    const char *trouble = object_terminating(pod) ? NULL : pod_trouble(pod);
    *ret_trouble = trouble != NULL;
    return trouble ? memory_format(STORE_TOLD " does not run: %s" STORE_AVOIDED, trouble)
                   : memory_text(STORE_TOLD " is starting");
}

/* --- what Ray is told --------------------------------------------------------------------------------------------- */

static void set_variable(cJSON *env, const char *name, const char *value, const cJSON *from)
{
    for (int i = cJSON_GetArraySize(env); i > 0; i--)
        if (strcmp(json_text_or("", cJSON_GetArrayItem(env, i - 1), "name", NULL), name) == 0)
            cJSON_DeleteItemFromArray(env, i - 1);
    cJSON *variable = json_push(env, json_object());
    json_set_text(variable, "name", name);
    if (from)
        json_set(variable, "valueFrom", json_copy(from));
    else
        json_set_text(variable, "value", value);
}

/* {value} or {valueFrom}; the profile's own store has its password in its Secret. */
static bool set_credential(const struct object *cluster, cJSON *env, const char *key, const char *variable)
{
    const cJSON *given = json_at(cluster->body, "spec", "gcsFaultToleranceOptions", key, NULL);
    if (given)
        set_variable(env, variable, json_text_or("", given, "value", NULL), json_member(given, "valueFrom"));
    return given != NULL;
}

static void set_own_password(cJSON *env)
{
    AUTO_JSON cJSON *from = json_object();
    json_set_text(json_object_in(from, "secretKeyRef"), "name", RAY_STORE_NAME);
    json_set_text(json_object_in(from, "secretKeyRef"), "key", "password");
    set_variable(env, "REDIS_PASSWORD", NULL, from);
}

void ray_store_complete(const struct object *cluster, cJSON *container, cJSON *arguments, bool head)
{
    const cJSON *options = json_at(cluster->body, "spec", "gcsFaultToleranceOptions", NULL);
    cJSON *env = json_member(container, "env");
    if (!options)
        return;
    if (!head) { /* KubeRay's: a worker waits for its head to come back, instead of Ray's 60 s */
        set_variable(env, "RAY_gcs_rpc_server_reconnect_timeout_s", "600", NULL);
        return;
    }
    bool own = uses_own_store(cluster), password = own;
    set_variable(env, "RAY_REDIS_ADDRESS",
                 own ? RAY_STORE_NAME ":6379" : json_text_or("", options, "redisAddress", NULL), NULL);
    set_variable(env, "RAY_external_storage_namespace",
                 json_text_or(cluster->uid, options, "externalStorageNamespace", NULL), NULL);
    if (own)
        set_own_password(env);
    else
        password = set_credential(cluster, env, "redisPassword", "REDIS_PASSWORD");
    if (password)
        json_push_text(arguments, "--redis-password=$(REDIS_PASSWORD)");
    if (!own && set_credential(cluster, env, "redisUsername", "REDIS_USERNAME"))
        json_push_text(arguments, "--redis-username=$(REDIS_USERNAME)");
}

/* --- the profile's own store -------------------------------------------------------------------------------------- */

static cJSON *named(void)
{
    cJSON *body = json_object();
    cJSON *metadata = json_object_in(body, "metadata");
    json_set_text(metadata, "name", RAY_STORE_NAME);
    json_set_text(json_object_in(metadata, "labels"), "app.kubernetes.io/managed-by", "atelier");
    json_set_text(json_object_in(metadata, "labels"), STORE_LABEL, RAY_STORE_NAME);
    return body;
}

static cJSON *make_secret(void)
{
    cJSON *secret = named(), *data = json_object_in(secret, "stringData");
    AUTO_FREE char *password = random_token(PASSWORD_BYTES);
    AUTO_FREE char *rules = memory_format(STORE_RULES "requirepass %s\n", password);
    json_set_text(data, "password", password);
    json_set_text(data, "redis.conf", rules);
    memory_wipe(password, strlen(password));
    memory_wipe(rules, strlen(rules));
    return secret;
}

static cJSON *make_claim(void)
{
    cJSON *claim = named();
    json_set_text(json_object_in(json_object_in(json_object_in(claim, "spec"), "resources"), "requests"), "storage",
                  STORE_VOLUME);
    return claim;
}

static cJSON *make_service(void)
{
    cJSON *service = named(), *spec = json_object_in(service, "spec");
    json_set_text(json_object_in(spec, "selector"), STORE_LABEL, RAY_STORE_NAME);
    json_set_text(spec, "clusterIP", "None");
    cJSON *port = json_push(json_set(spec, "ports", json_array()), json_object());
    json_set_text(port, "name", "redis");
    json_set_i64(port, "port", RAY_GCS);
    return service;
}

static void mount(cJSON *spec, cJSON *container, const char *name, const char *path)
{
    cJSON *volumes = json_member(spec, "volumes"), *mounts = json_member(container, "volumeMounts");
    cJSON *volume = json_push(volumes ? volumes : json_set(spec, "volumes", json_array()), json_object());
    cJSON *there = json_push(mounts ? mounts : json_set(container, "volumeMounts", json_array()), json_object());
    json_set_text(volume, "name", name);
    json_set_text(there, "name", name);
    json_set_text(there, "mountPath", path);
    if (strcmp(name, "data") == 0)
        json_set_text(json_object_in(volume, "persistentVolumeClaim"), "claimName", RAY_STORE_NAME);
    else
        json_set_text(json_object_in(volume, "secret"), "secretName", RAY_STORE_NAME);
}

/* <image>: any has the machine's programs; it is that of a cluster which is known to be installed. */
static cJSON *make_pod(const char *image)
{
    static const char *const parts[][3] = {{"requests", STORE_CPU, STORE_MEMORY},
                                           {"limits", STORE_CPU_MAX, STORE_MEMORY_MAX}};
    cJSON *pod = named(), *spec = json_object_in(pod, "spec");
    cJSON *container = json_push(json_set(spec, "containers", json_array()), json_object());
    json_set_text(container, "name", "redis");
    json_set_text(container, "image", image);
    cJSON *command = json_set(container, "command", json_array());
    json_push_text(command, STORE_PROGRAM);
    json_push_text(command, "/config/redis.conf");
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        cJSON *part = json_object_in(json_object_in(container, "resources"), parts[i][0]);
        json_set_text(part, "cpu", parts[i][1]);
        json_set_text(part, "memory", parts[i][2]);
    }
    cJSON *probe = json_object_in(container, "readinessProbe");
    json_set_i64(json_object_in(probe, "tcpSocket"), "port", RAY_GCS);
    json_set_i64(probe, "periodSeconds", 5);
    mount(spec, container, "data", "/data");
    mount(spec, container, "config", "/config");
    return pod;
}

static const struct {
    enum engine_kind kind;
    cJSON *(*make)(void);
} parts[] = {{KIND_SECRET, make_secret}, {KIND_CLAIM, make_claim}, {KIND_SERVICE, make_service}};

static int ensure_pod(struct local *local, const struct object *cluster, int64_t *ret_again_ms, struct error *error)
{
    AUTO_OBJECT struct object *pod = find(local, KIND_POD, cluster->namespace);
    const cJSON *head = json_at(cluster->body, "spec", "headGroupSpec", "template", "spec", "containers", NULL);
    int r = 0;
    if (!pod)
        return objects_create(local->objects, KIND_POD, cluster->namespace,
                              make_pod(json_text_or("", cJSON_GetArrayItem(head, 0), "image", NULL)), NULL, error);
    if (!object_terminating(pod) && pod_is_over(pod))
        r = objects_delete(local->objects, KIND_POD, pod->namespace, pod->name, pod->uid, NULL, error);
    if (object_terminating(pod) || pod_is_over(pod))
        *ret_again_ms = REPLACE_MS;
    return r;
}

static int ensure(struct local *local, const struct object *cluster, int64_t *ret_again_ms, struct error *error)
{
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        AUTO_OBJECT struct object *there = find(local, parts[i].kind, cluster->namespace);
        if (there && object_terminating(there)) {
            *ret_again_ms = REPLACE_MS; /* of before; what it holds goes first */
            return 0;
        }
        int r =
            there ? 0 : objects_create(local->objects, parts[i].kind, cluster->namespace, parts[i].make(), NULL, error);
        if (r < 0 && r != -ERROR_EXISTS)
            return r;
    }
    return ensure_pod(local, cluster, ret_again_ms, error);
}

static int remove_all(struct local *local, const char *namespace, struct error *error)
{
    static const enum engine_kind kinds[] = {KIND_POD, KIND_SERVICE, KIND_CLAIM, KIND_SECRET};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        AUTO_OBJECT struct object *there = find(local, kinds[i], namespace);
        const char *by = there ? json_text_or("", there->body, "metadata", "labels", STORE_LABEL, NULL) : "";
        if (!there || object_terminating(there) || strcmp(by, RAY_STORE_NAME) != 0)
            continue; /* one of that name that a person made is not ours */
        int r = objects_delete(local->objects, kinds[i], namespace, RAY_STORE_NAME, there->uid, NULL, error);
        if (r < 0 && r != -ERROR_NOT_FOUND)
            return r;
    }
    return 0;
}

/* The clusters whose heads keep something there: those that want it and run, and those of which a pod still does. */
static void list_users(struct local *local, const char *namespace, const struct object_list *clusters, cJSON *ret_uids)
{
    AUTO_OBJECT_LIST struct object_list pods = {0};
    for (size_t i = 0; i < clusters->count; i++)
        if (wants_own_store(clusters->items[i]))
            json_push_text(ret_uids, clusters->items[i]->uid);
    objects_select(local->objects, KIND_POD, namespace, NULL, &pods);
    for (size_t i = 0; i < pods.count; i++) {
        const cJSON *owner;
        cJSON_ArrayForEach(owner, json_at(pods.items[i]->body, "metadata", "ownerReferences", NULL))
        {
            if (strcmp(json_text_or("", owner, "kind", NULL), "RayCluster") == 0)
                json_push_text(ret_uids, json_text_or("", owner, "uid", NULL));
        }
    }
}

/* What clusters that are gone, or suspended, left there. */
static int tidy(struct local *local, const char *namespace, const struct object_list *clusters, struct error *error)
{
    AUTO_OBJECT struct object *pod = find(local, KIND_POD, namespace);
    AUTO_OBJECT struct object *secret = find(local, KIND_SECRET, namespace);
    AUTO_JSON cJSON *uids = json_array();
    const char *address = pod ? json_text_or("", pod->body, "status", "podIP", NULL) : "";
    if (!address[0] || !secret || object_terminating(pod) || !json_condition_true(pod->body, "Ready"))
        return 0;
    list_users(local, namespace, clusters, uids);
    return ray_keys_keep(local, namespace, address, json_text(secret->body, "data", "password", NULL), uids, error);
}

static void tell(struct local *local, const struct object_list *clusters, const struct error *error)
{
    for (size_t i = 0; i < clusters->count; i++)
        if (wants_own_store(clusters->items[i]))
            engine_event(&local->base, clusters->items[i]->body, "Warning", "GcsStoreFailed",
                         STORE_TOLD " cannot be made: %s" STORE_AVOIDED, error->message);
}

int64_t raystore_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    AUTO_OBJECT_LIST struct object_list clusters = {0};
    const struct object *wants = NULL;
    bool used = false;
    int64_t again_ms = 0;
    (void)name;
    objects_select(local->objects, KIND_RAYCLUSTER, namespace, NULL, &clusters);
    for (size_t i = 0; i < clusters.count; i++) {
        wants = !wants && wants_own_store(clusters.items[i]) ? clusters.items[i] : wants;
        used = used || (uses_own_store(clusters.items[i]) && has_pods(local, clusters.items[i]));
    }
    if (!wants)
        return used ? 0 : remove_all(local, namespace, error);
    int r = ensure(local, wants, &again_ms, error);
    if (r < 0 && r != -ERROR_UNAVAILABLE && r != -ERROR_CONFLICT)
        tell(local, &clusters, error);
    if (r == 0)
        r = tidy(local, namespace, &clusters, error);
    return r < 0 ? r : again_ms;
}
