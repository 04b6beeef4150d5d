/* What does a node of a Ray cluster look like as a Pod? */
#include "engine/local/raypods.h"

#include "base/random.h"
#include "engine/local/demand.h"
#include "engine/local/raystart.h"
#include "engine/local/raystore.h"
#include "engine/rayhead.h"
#include "engine/raylimit.h"

/* KubeRay's: the names of pods and services stay within 63 bytes. */
enum { NAME_PREFIX_MAX = 50 };
/* Of a group: more are not made, whatever is asked for. */
enum { WORKERS_MAX = 200 };

#define SHM_VOLUME "shared-mem"

char *ray_service_name(const struct object *cluster)
{
    const char *given = json_text(cluster->body, "spec", "headGroupSpec", "headService", "metadata", "name", NULL);
    return given && given[0] ? memory_text(given) : memory_format("%s-head-svc", cluster->name);
}

char *ray_secret_name(const struct object *cluster)
{
    const char *given = json_text(cluster->body, "spec", "authOptions", "secretName", NULL);
    return memory_text(given && given[0] ? given : cluster->name);
}

uint16_t ray_head_port(const struct object *cluster, const char *parameter, uint16_t fallback)
{
    const cJSON *value = json_at(cluster->body, "spec", "headGroupSpec", "rayStartParams", parameter, NULL);
    int64_t number;
    if (cJSON_IsString(value) && text_parse_i64(slice_of(value->valuestring), 1, 65535, &number))
        return (uint16_t)number;
    return fallback;
}

int64_t ray_group_number(const cJSON *group, const char *key, int64_t fallback)
{
    int64_t value;
    return json_i64(json_member(group, key), &value) && value >= 0 ? value : fallback;
}

int64_t ray_group_replicas(const cJSON *group)
{
    int64_t least = ray_group_number(group, "minReplicas", 0), most = ray_group_number(group, "maxReplicas", INT32_MAX);
    int64_t wanted = ray_group_number(group, "replicas", least), hosts = ray_group_number(group, "numOfHosts", 1);
    if (json_true(group, "suspend", NULL))
        return 0;
    wanted = wanted < least ? least : wanted;
    wanted = wanted > most ? most : wanted;
    wanted *= hosts > 0 ? hosts : 1;
    return wanted > WORKERS_MAX ? WORKERS_MAX : wanted;
}

void ray_template_hash(const struct object *cluster, char ret[17])
{
    char hash[2 * DIGEST_SIZE + 1];
    AUTO_BUFFER struct buffer text = {0};
    AUTO_FREE char *head = json_print(json_at(cluster->body, "spec", "headGroupSpec", NULL));
    buffer_add_text(&text, head);
    const cJSON *group;
    cJSON_ArrayForEach(group, json_at(cluster->body, "spec", "workerGroupSpecs", NULL))
    {
        /* How many there are is no reason to replace them. */
        AUTO_FREE char *template = json_print(json_member(group, "template"));
        AUTO_FREE char *parameters = json_print(json_member(group, "rayStartParams"));
        buffer_add_text(&text, template);
        buffer_add_text(&text, parameters);
    }
    digest_sha256_hex(buffer_slice(&text), hash);
    (void)snprintf(ret, 17, "%.16s", hash);
}

/* --- pieces ------------------------------------------------------------------------------------------------------- */

static void set_labels(const struct object *cluster, cJSON *metadata, bool head, const char *group)
{
    cJSON *labels = json_object_in(metadata, "labels");
    char identifier[64];
    (void)snprintf(identifier, sizeof(identifier), "%.50s-%s", cluster->name, head ? "head" : "worker");
    json_set_text(labels, "ray.io/is-ray-node", "yes");
    json_set_text(labels, RAY_LABEL_CLUSTER, cluster->name);
    json_set_text(labels, RAY_LABEL_TYPE, head ? "head" : "worker");
    json_set_text(labels, RAY_LABEL_GROUP, group);
    json_set_text(labels, "ray.io/identifier", identifier);
    json_set_text(labels, "app.kubernetes.io/name", "kuberay");
    json_set_text(labels, "app.kubernetes.io/created-by", "kuberay-operator");
}

static void env_default(cJSON *env, const char *name, const char *value)
{
    if (json_named(env, name))
        return;
    cJSON *variable = json_push(env, json_object());
    json_set_text(variable, "name", name);
    json_set_text(variable, "value", value);
}

static void env_force(cJSON *env, const char *name, const char *value)
{
    for (int i = cJSON_GetArraySize(env); i > 0; i--)
        if (strcmp(json_text_or("", cJSON_GetArrayItem(env, i - 1), "name", NULL), name) == 0)
            cJSON_DeleteItemFromArray(env, i - 1);
    cJSON *variable = json_push(env, json_object());
    json_set_text(variable, "name", name);
    json_set_text(variable, "value", value);
}

static void env_field(cJSON *env, const char *name, const char *path)
{
    if (json_named(env, name))
        return;
    cJSON *variable = json_push(env, json_object());
    json_set_text(variable, "name", name);
    json_set_text(json_object_in(json_object_in(variable, "valueFrom"), "fieldRef"), "fieldPath", path);
}

/* Ray trusts whoever has the token: it comes from the Secret and cannot be replaced by a template. */
static void env_token(cJSON *env, const struct object *cluster)
{
    AUTO_FREE char *secret = ray_secret_name(cluster);
    env_force(env, "RAY_AUTH_MODE", "token");
    env_force(env, "RAY_AUTH_TOKEN", "");
    cJSON *variable = cJSON_GetArrayItem(env, cJSON_GetArraySize(env) - 1);
    json_remove(variable, "value");
    cJSON *reference = json_object_in(json_object_in(variable, "valueFrom"), "secretKeyRef");
    json_set_text(reference, "name", secret);
    json_set_text(reference, "key", "auth_token");
}

static void set_env(const struct object *cluster, cJSON *container, bool head)
{
    cJSON *env = json_member(container, "env");
    if (!cJSON_IsArray(env))
        env = json_set(container, "env", json_array());
    AUTO_FREE char *service = ray_service_name(cluster);
    AUTO_FREE char *full = memory_format("%s.%s.svc.cluster.local", service, cluster->namespace);
    AUTO_FREE char *port = memory_format("%u", (unsigned)ray_head_port(cluster, "port", RAY_GCS));
    AUTO_FREE char *address = memory_format("%s:%s", head ? "127.0.0.1" : full, port);
    env_default(env, "RAY_CLUSTER_NAME", cluster->name);
    env_field(env, "RAY_CLOUD_INSTANCE_ID", "metadata.name");
    env_field(env, "RAY_NODE_TYPE_NAME", "metadata.labels['" RAY_LABEL_GROUP "']");
    env_field(env, "POD_IP", "status.podIP");
    env_default(env, "RAY_PORT", port);
    env_default(env, "RAY_ADDRESS", address);
    if (!head) {
        env_default(env, "RAY_IP", service);
        env_default(env, "FQ_RAY_IP", full);
    }
    env_default(env, "RAY_USAGE_STATS_ENABLED", "0");
    /* Without it a stop with a running job drains for 30 s (measured: 33.4 s against 1.8 s). */
    env_default(env, "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S", "0");
    /* A Ray Client server imports Ray with whatever CPU the head has left; Ray's own 30 s are too few on a busy
     * machine. */
    env_default(env, "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S", "120");
    /* Heads have it anyway (engine/rayhead.h). Agents fork beside gRPC's threads, too: on a busy machine the child
     * hangs now and then in its handlers. */
    env_default(env, "GRPC_ENABLE_FORK_SUPPORT", "0");
    env_token(env, cluster);
}

static int64_t shm_of_template(const cJSON *spec, const cJSON *container, bool *ret_mounted)
{
    const cJSON *mount, *volume;
    *ret_mounted = false;
    cJSON_ArrayForEach(mount, json_member(container, "volumeMounts"))
    {
        if (strcmp(json_text_or("", mount, "mountPath", NULL), "/dev/shm") != 0)
            continue;
        *ret_mounted = true;
        cJSON_ArrayForEach(volume, json_member(spec, "volumes"))
        {
            int64_t bytes;
            const char *limit = json_text(volume, "emptyDir", "sizeLimit", NULL);
            if (strcmp(json_text_or("", volume, "name", NULL), json_text_or("", mount, "name", NULL)) == 0 && limit &&
                quantity_parse_bytes(slice_of(limit), &bytes))
                return bytes;
        }
    }
    return 0;
}

/* The object store lives in /dev/shm: it is as large as Ray is told to use, and a little more for everybody else. */
static void add_shm(cJSON *spec, cJSON *container, int64_t object_store_bytes)
{
    enum { SPARE = 64 << 20 };
    cJSON *volumes = json_member(spec, "volumes"), *mounts = json_member(container, "volumeMounts");
    if (!cJSON_IsArray(volumes))
        volumes = json_set(spec, "volumes", json_array());
    if (!cJSON_IsArray(mounts))
        mounts = json_set(container, "volumeMounts", json_array());
    char size[32];
    quantity_format_bytes(object_store_bytes + SPARE, size, sizeof(size));
    cJSON *volume = json_push(volumes, json_object());
    json_set_text(volume, "name", SHM_VOLUME);
    json_set_text(json_object_in(volume, "emptyDir"), "medium", "Memory");
    json_set_text(json_object_in(volume, "emptyDir"), "sizeLimit", size);
    cJSON *mount = json_push(mounts, json_object());
    json_set_text(mount, "name", SHM_VOLUME);
    json_set_text(mount, "mountPath", "/dev/shm");
}

/* A raylet that answers through its agent is one that jobs can be sent to. */
static void add_readiness(cJSON *container, const cJSON *parameters)
{
    if (json_member(container, "readinessProbe"))
        return;
    int64_t port = RAY_AGENT;
    (void)text_parse_i64(slice_of(json_text_or("", parameters, "dashboard-agent-listen-port", NULL)), 1, 65535, &port);
    cJSON *probe = json_set(container, "readinessProbe", json_object());
    cJSON *get = json_object_in(probe, "httpGet");
    json_set_text(get, "path", "/api/local_raylet_healthz");
    json_set_i64(get, "port", port);
    json_set_i64(probe, "periodSeconds", 5);
    json_set_i64(probe, "timeoutSeconds", 5);
    json_set_i64(probe, "failureThreshold", 10);
}

static const struct {
    const char *name;
    int port;
} default_ports[] = {{"gcs-server", RAY_GCS},  {"dashboard", RAY_DASHBOARD}, {"client", RAY_CLIENT},
                     {"metrics", RAY_METRICS}, {"serve", RAY_SERVE},         {"serve-grpc", RAY_SERVE_GRPC}};

/* --- commands ----------------------------------------------------------------------------------------------------- */

static void append(cJSON *to, const cJSON *texts)
{
    const cJSON *text;
    cJSON_ArrayForEach(text, texts)
    {
        json_push(to, json_copy(text));
    }
}

/* The generated command as one line, for those who want to run it themselves. */
static char *command_line(const cJSON *arguments)
{
    struct buffer line = {0};
    const cJSON *argument;
    buffer_add_text(&line, "ray");
    cJSON_ArrayForEach(argument, arguments)
    {
        buffer_add_text(&line, " '");
        for (const char *c = argument->valuestring; *c; c++)
            if (*c == '\'')
                buffer_add_text(&line, "'\\''");
            else
                buffer_add(&line, c, 1);
        buffer_add_text(&line, "'");
    }
    return buffer_take(&line);
}

/* Joins what a template's command and args say, as KubeRay does before it appends its own command. */
static char *own_script(const cJSON *container)
{
    struct buffer script = {0};
    const char *const keys[] = {"command", "args"};
    const cJSON *text;
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        cJSON_ArrayForEach(text, json_member(container, keys[i]))
        {
            if (script.n)
                buffer_add_text(&script, " ");
            buffer_add_text(&script, text->valuestring);
        }
    return buffer_take(&script);
}

static void set_command(const struct object *cluster, const cJSON *template, cJSON *container, cJSON *arguments)
{
    AUTO_FREE char *line = command_line(arguments);
    AUTO_FREE char *script = own_script(container);
    const char *overwrite =
        json_text_or(json_text_or("", cluster->body, "metadata", "annotations", "ray.io/overwrite-container-cmd", NULL),
                     template, "metadata", "annotations", "ray.io/overwrite-container-cmd", NULL);
    env_force(json_member(container, "env"), "KUBERAY_GEN_RAY_START_CMD", line);
    if (script[0] && strcmp(overwrite, "true") == 0)
        return;
    cJSON *command = json_array();
    if (script[0]) {
        AUTO_FREE char *first = memory_format("%s && exec \"$@\"", script);
        json_push_text(command, "/bin/bash");
        json_push_text(command, "-c");
        json_push_text(command, first);
        json_push_text(command, "ray");
    }
    json_push_text(command, "ray");
    append(command, arguments);
    json_remove(container, "args");
    json_set(container, "command", command);
}

/* --- the autoscaler ----------------------------------------------------------------------------------------------- */

#define ACCOUNT_VOLUME "autoscaler-account"
#define ACCOUNT_PATH "/var/run/secrets/kubernetes.io/serviceaccount" /* where Kubernetes mounts it, and Ray looks */

static bool is_v2(const struct object *cluster)
{
    const char *version = json_text_or("v2", cluster->body, "spec", "autoscalerOptions", "version", NULL);
    return strcmp(version, "v1") != 0; /* Ray's own choice since 2.47 */
}

static void mount_account(const struct object *cluster, cJSON *spec, cJSON *container)
{
    AUTO_FREE char *secret = memory_format(ENGINE_AUTOSCALER_SECRET, cluster->name);
    cJSON *volumes = json_member(spec, "volumes"), *mounts = json_member(container, "volumeMounts");
    cJSON *volume =
        json_push(cJSON_IsArray(volumes) ? volumes : json_set(spec, "volumes", json_array()), json_object());
    json_set_text(volume, "name", ACCOUNT_VOLUME);
    json_set_text(json_object_in(volume, "secret"), "secretName", secret);
    cJSON *mount =
        json_push(cJSON_IsArray(mounts) ? mounts : json_set(container, "volumeMounts", json_array()), json_object());
    json_set_text(mount, "name", ACCOUNT_VOLUME);
    json_set_text(mount, "mountPath", ACCOUNT_PATH);
    json_set_bool(mount, "readOnly", true);
}

static void set_autoscaler_command(const struct object *cluster, cJSON *container)
{
    if (json_member(container, "command") || json_member(container, "args"))
        return; /* their own, as KubeRay allows */
    raylimit_command(container, cluster->name, cluster->namespace);
}

static void set_autoscaler_size(cJSON *container)
{
    static const char *const parts[] = {"requests", "limits"};
    if (json_member(container, "resources"))
        return;
    for (size_t i = 0; i < COUNT_OF(parts); i++) { /* KubeRay's */
        cJSON *part = json_object_in(json_object_in(container, "resources"), parts[i]);
        json_set_text(part, "cpu", "500m");
        json_set_text(part, "memory", "512Mi");
    }
}

/* Ray's own autoscaler, as KubeRay runs it: beside the head, against the Kubernetes-shaped API. */
static void add_autoscaler(const struct object *cluster, cJSON *spec)
{
    static const char *const taken[] = {"image",        "imagePullPolicy", "resources", "env", "envFrom",
                                        "volumeMounts", "securityContext", "command",   "args"};
    const cJSON *options = json_at(cluster->body, "spec", "autoscalerOptions", NULL);
    cJSON *containers = json_member(spec, "containers"), *head = cJSON_GetArrayItem(containers, 0);
    cJSON *container = json_push(containers, json_object());
    json_set_text(container, "name", "autoscaler");
    json_set_text(container, "image", json_text_or("", head, "image", NULL));
    for (size_t i = 0; i < COUNT_OF(taken); i++)
        if (json_member(options, taken[i]))
            json_set(container, taken[i], json_copy(json_member(options, taken[i])));
    cJSON *env = json_member(container, "env");
    if (!cJSON_IsArray(env))
        env = json_set(container, "env", json_array());
    env_default(env, "RAY_CLUSTER_NAME", cluster->name);
    env_field(env, "RAY_HEAD_POD_NAME", "metadata.name");
    env_field(env, "POD_IP", "status.podIP");
    env_default(env, "KUBERAY_CRD_VER", "v1");
    env_force(env, "KUBERNETES_SERVICE_HOST", "kubernetes.default"); /* as a kubelet would, by address */
    env_force(env, "KUBERNETES_SERVICE_PORT_HTTPS", "443");
    env_default(env, "RAY_USAGE_STATS_ENABLED", "0");
    env_default(env, "GRPC_ENABLE_FORK_SUPPORT", "0");
    env_token(env, cluster);
    mount_account(cluster, spec, container);
    set_autoscaler_command(cluster, container);
    set_autoscaler_size(container);
    if (is_v2(cluster))
        env_force(json_member(head, "env"), "RAY_enable_autoscaler_v2", "1");
}

/* --- pods --------------------------------------------------------------------------------------------------------- */

static cJSON *make_pod(const struct object *cluster, const cJSON *group, const char *group_name, bool head)
{
    const cJSON *template = json_member(group, "template");
    cJSON *pod = json_object();
    cJSON *metadata = json_object_in(pod, "metadata");
    char prefix[NAME_PREFIX_MAX + 16], hash[17];
    if (head)
        (void)snprintf(prefix, sizeof(prefix), "%.*s-head-", NAME_PREFIX_MAX, cluster->name);
    else {
        AUTO_FREE char *joined = memory_format("%s-%s", cluster->name, group_name);
        (void)snprintf(prefix, sizeof(prefix), "%.*s-worker-", NAME_PREFIX_MAX, joined);
    }
    json_set_text(metadata, "generateName", prefix);
    static const char *const kept[] = {"labels", "annotations"};
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        const cJSON *map = json_at(template, "metadata", kept[i], NULL);
        if (cJSON_IsObject(map))
            json_set(metadata, kept[i], json_copy(map));
    }
    ray_template_hash(cluster, hash);
    json_set_text(json_object_in(metadata, "annotations"), "ray.io/upgrade-strategy-recreate-hash", hash);
    set_labels(cluster, metadata, head, group_name);
    object_own(pod, cluster);
    const cJSON *spec = json_member(template, "spec");
    json_set(pod, "spec", spec ? json_copy(spec) : json_object());
    return pod;
}

static void complete_pod(const struct object *cluster, const cJSON *group, cJSON *pod, const char *address)
{
    bool head = !address, mounted = false;
    cJSON *spec = json_member(pod, "spec");
    cJSON *container = cJSON_GetArrayItem(json_member(spec, "containers"), 0);
    const cJSON *parameters = json_member(group, "rayStartParams");
    if (!cJSON_IsObject(container))
        return; /* admission refuses a pod without containers, and the cluster says so */
    int64_t shm_bytes = shm_of_template(spec, container, &mounted);
    AUTO_JSON cJSON *arguments = ray_start_arguments(group, container, address, shm_bytes);
    if (!mounted)
        add_shm(spec, container, ray_object_store_bytes(parameters, container, 0));
    if (head && json_true(cluster->body, "spec", "enableInTreeAutoscaling", NULL))
        json_push_text(arguments, "--no-monitor"); /* the sidecar is the one that scales */
    set_env(cluster, container, head);
    ray_store_complete(cluster, container, arguments, head);
    add_readiness(container, parameters);
    set_command(cluster, json_member(group, "template"), container, arguments);
}

cJSON *ray_head_pod(const struct object *cluster, const struct raymetrics *metrics)
{
    const cJSON *group = json_at(cluster->body, "spec", "headGroupSpec", NULL);
    cJSON *pod = make_pod(cluster, group, RAY_HEAD_GROUP, true);
    complete_pod(cluster, group, pod, NULL);
    cJSON *container = cJSON_GetArrayItem(json_at(pod, "spec", "containers", NULL), 0);
    if (cJSON_IsObject(container))
        rayhead_complete(metrics, container);
    if (json_true(cluster->body, "spec", "enableInTreeAutoscaling", NULL))
        add_autoscaler(cluster, json_member(pod, "spec"));
    return pod;
}

cJSON *ray_worker_pod(const struct object *cluster, const cJSON *group, const char *head_life)
{
    AUTO_FREE char *service = ray_service_name(cluster);
    AUTO_FREE char *address = memory_format("%s:%u", service, (unsigned)ray_head_port(cluster, "port", RAY_GCS));
    cJSON *pod = make_pod(cluster, group, json_text_or("workers", group, "groupName", NULL), false);
    json_set_text(json_object_in(json_member(pod, "metadata"), "annotations"), ANNOTATION_HEAD, head_life);
    complete_pod(cluster, group, pod, address);
    return pod;
}

/* --- service ------------------------------------------------------------------------------------------------------ */

static void add_port(cJSON *ports, const char *name, int64_t number)
{
    const cJSON *port;
    cJSON_ArrayForEach(port, ports)
    {
        int64_t known = 0;
        (void)json_i64(json_member(port, "port"), &known);
        if (known == number || strcmp(json_text_or("", port, "name", NULL), name) == 0)
            return;
    }
    cJSON *added = json_push(ports, json_object());
    json_set_text(added, "name", name);
    json_set_i64(added, "port", number);
    json_set_i64(added, "targetPort", number);
    json_set_text(added, "protocol", "TCP");
    json_set_text(added, "appProtocol", "tcp");
}

cJSON *ray_head_service(const struct object *cluster)
{
    AUTO_FREE char *name = ray_service_name(cluster);
    const cJSON *template = json_at(cluster->body, "spec", "headGroupSpec", "template", NULL);
    const cJSON *container = cJSON_GetArrayItem(json_at(template, "spec", "containers", NULL), 0), *port;
    cJSON *service = json_object();
    cJSON *metadata = json_object_in(service, "metadata");
    json_set_text(metadata, "name", name);
    set_labels(cluster, metadata, true, RAY_HEAD_GROUP);
    const cJSON *annotations = json_at(cluster->body, "spec", "headServiceAnnotations", NULL);
    if (cJSON_IsObject(annotations))
        json_set(metadata, "annotations", json_copy(annotations));
    object_own(service, cluster);
    cJSON *spec = json_object_in(service, "spec");
    cJSON *selector = json_object_in(spec, "selector");
    json_set_text(selector, RAY_LABEL_CLUSTER, cluster->name);
    json_set_text(selector, RAY_LABEL_TYPE, "head");
    json_set_text(spec, "type", "ClusterIP");
    json_set_text(spec, "clusterIP", "None");
    json_set_bool(spec, "publishNotReadyAddresses", true); /* workers look for the head before it is ready */
    cJSON *ports = json_set(spec, "ports", json_array());
    cJSON_ArrayForEach(port, json_member(container, "ports"))
    {
        int64_t number;
        const char *port_name = json_text(port, "name", NULL);
        if (port_name && json_i64(json_member(port, "containerPort"), &number))
            add_port(ports, port_name, number);
    }
    for (size_t i = 0; i < COUNT_OF(default_ports); i++)
        add_port(ports, default_ports[i].name, default_ports[i].port);
    return service;
}
