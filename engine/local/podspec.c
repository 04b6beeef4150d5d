/* What exactly is to be run for a Pod? */
#include "engine/local/podspec.h"

#include "engine/local/demand.h"
#include "engine/local/gpus.h"
#include "engine/local/images.h"
#include "engine/local/podvolumes.h"

/* Ray starts a few hundred threads a node; Jupyter kernels with BLAS nearly as many. */
enum { PIDS_MAX = 4096, GRACE_DEFAULT_S = 30, GRACE_MAX_S = 600 };
/* A variable may contain others that came before it; this bounds what they may grow to. */
enum { EXPANDED_MAX = 256 * 1024 };

struct render {
    struct local *local;
    const struct object *pod;
    struct error *error;
    cJSON *gpus;     /* names of those that the pod was given */
    int gpus_handed; /* of them, to the containers so far */
};

/* --- expansion ---------------------------------------------------------------------------------------------------- */

char *podspec_expand(const char *text, const cJSON *env)
{
    struct buffer out = {.max = EXPANDED_MAX};
    while (*text) {
        const char *close = text[0] == '$' && text[1] == '(' ? strchr(text, ')') : NULL;
        if (text[0] == '$' && text[1] == '$') {
            buffer_add(&out, "$", 1);
            text += 2;
        } else if (close) {
            AUTO_FREE char *name = memory_text_n(text + 2, (size_t)(close - text) - 2);
            const cJSON *value = json_member(env, name);
            if (cJSON_IsString(value))
                buffer_add_text(&out, value->valuestring);
            else
                buffer_add(&out, text, (size_t)(close + 1 - text));
            text = close + 1;
        } else {
            buffer_add(&out, text, 1);
            text++;
        }
    }
    return buffer_take(&out);
}

/* --- environment -------------------------------------------------------------------------------------------------- */

/* metadata.labels['key'] */
static const char *subscript(const cJSON *pod, const char *path, const char *map)
{
    char key[320];
    size_t n = strlen(map);
    if (strncmp(path, "metadata.", 9) != 0 || strncmp(path + 9, map, n) != 0 || strncmp(path + 9 + n, "['", 2) != 0)
        return NULL;
    const char *from = path + 9 + n + 2, *to = strstr(from, "']");
    if (!to || to[2] || (size_t)(to - from) >= sizeof(key))
        return NULL;
    memcpy(key, from, (size_t)(to - from));
    key[to - from] = '\0';
    return json_text_or("", pod, "metadata", map, key, NULL);
}

/* The pod's address is known only when sandboxd has given it: it fills in "$(POD_IP)". */
static const char *field_ref(const struct object *pod, const char *path)
{
    static const char *const metadata[] = {"name", "namespace", "uid"};
    for (size_t i = 0; i < COUNT_OF(metadata); i++)
        if (strncmp(path, "metadata.", 9) == 0 && strcmp(path + 9, metadata[i]) == 0)
            return json_text_or("", pod->body, "metadata", metadata[i], NULL);
    if (strcmp(path, "status.podIP") == 0 || strcmp(path, "status.podIPs") == 0)
        return "$(POD_IP)";
    if (strcmp(path, "status.hostIP") == 0)
        return SANDBOX_BRIDGE_ADDRESS;
    if (strcmp(path, "spec.nodeName") == 0)
        return ENGINE_NODE;
    if (strcmp(path, "spec.serviceAccountName") == 0)
        return json_text_or("default", pod->body, "spec", "serviceAccountName", NULL);
    const char *label = subscript(pod->body, path, "labels");
    return label ? label : subscript(pod->body, path, "annotations");
}

/* A key of a Secret or ConfigMap; *ret stays NULL if an optional one is missing. */
static int key_ref(struct render *render, enum engine_kind kind, const cJSON *reference, char **ret)
{
    const char *name = json_text_or("", reference, "name", NULL), *key = json_text_or("", reference, "key", NULL);
    AUTO_OBJECT struct object *object = objects_find(render->local->objects, kind, render->pod->namespace, name);
    const char *value = object ? json_text(object->body, "data", key, NULL) : NULL;
    if (!value) {
        if (json_true(reference, "optional", NULL))
            return 0;
        return error_set(render->error, ERROR_NOT_FOUND, NULL, "%s \"%.100s\"%s%.100s%s is not there",
                         engine_kinds[kind].kind, name, object ? " key \"" : "", object ? key : "", object ? "\"" : "");
    }
    if (kind == KIND_CONFIGMAP) {
        *ret = memory_text(value);
        return 0;
    }
    struct buffer decoded = {0};
    if (!text_unbase64(slice_of(value), &decoded) || memchr(decoded.p ? decoded.p : "", '\0', decoded.n)) {
        buffer_free(&decoded);
        return error_set(render->error, ERROR_INVALID, NULL, "Secret \"%.100s\" key \"%.100s\" is not text", name, key);
    }
    *ret = buffer_take(&decoded);
    return 0;
}

static int env_value(struct render *render, const cJSON *variable, const cJSON *env, char **ret)
{
    const cJSON *from = json_member(variable, "valueFrom");
    if (!from) {
        *ret = podspec_expand(json_text_or("", variable, "value", NULL), env);
        return 0;
    }
    const cJSON *reference = json_member(from, "secretKeyRef");
    if (reference)
        return key_ref(render, KIND_SECRET, reference, ret);
    reference = json_member(from, "configMapKeyRef");
    if (reference)
        return key_ref(render, KIND_CONFIGMAP, reference, ret);
    const char *path = json_text_or("", from, "fieldRef", "fieldPath", NULL);
    const char *value = field_ref(render->pod, path);
    if (!value)
        return error_set(render->error, ERROR_INVALID, NULL, "fieldRef %.100s is not offered", path);
    *ret = memory_text(value);
    return 0;
}

static int add_variable(struct render *render, const cJSON *variable, cJSON *env)
{
    AUTO_FREE char *value = NULL;
    const char *name = json_text(variable, "name", NULL);
    int r = name ? env_value(render, variable, env, &value) : 0;
    if (r == 0 && value)
        json_set_text(env, name, value);
    return r;
}

static int render_env(struct render *render, const cJSON *container, cJSON **ret)
{
    AUTO_JSON cJSON *env = json_object();
    const cJSON *variable;
    cJSON_ArrayForEach(variable, json_member(container, "env"))
    {
        int r = add_variable(render, variable, env);
        if (r < 0)
            return r;
    }
    *ret = TAKE_POINTER(env);
    return 0;
}

/* --- containers --------------------------------------------------------------------------------------------------- */

static void add_args(cJSON *args, const cJSON *texts, const cJSON *env)
{
    const cJSON *text;
    cJSON_ArrayForEach(text, texts)
    {
        AUTO_FREE char *expanded = podspec_expand(cJSON_IsString(text) ? text->valuestring : "", env);
        json_push_text(args, expanded);
    }
}

static const char *restart_policy(const cJSON *pod_spec, bool init)
{
    const char *policy = json_text_or("Always", pod_spec, "restartPolicy", NULL);
    if (init && strcmp(policy, "Always") == 0)
        return "OnFailure"; /* an init container is over once it succeeded */
    return policy;
}

/* Init containers are over before the others begin: all may have the same ones. */
static void hand_gpus(struct render *render, int64_t count, bool init, cJSON *out)
{
    cJSON *gpus = count > 0 ? json_set(out, "gpus", json_array()) : NULL;
    int from = init ? 0 : render->gpus_handed;
    for (int64_t i = 0; i < count; i++) {
        const cJSON *gpu = cJSON_GetArrayItem(render->gpus, from + (int)i);
        if (gpu)
            json_push_text(gpus, gpu->valuestring);
    }
    if (!init)
        render->gpus_handed += (int)count;
}

static int render_container(struct render *render, const cJSON *container, bool init, cJSON *containers)
{
    const char *name = json_text_or("", container, "name", NULL);
    AUTO_FREE char *image = NULL;
    int r = image_resolve(render->local->images, json_text_or("", container, "image", NULL), "image", &image,
                          render->error);
    if (r < 0)
        return r;
    cJSON *out = json_push(containers, json_object());
    json_set_text(out, "name", name);
    json_set_text(out, "image", image);
    json_set_bool(out, "init", init);
    cJSON *env = NULL;
    r = render_env(render, container, &env);
    if (r < 0)
        return r;
    json_set(out, "env", env);
    cJSON *args = json_set(out, "args", json_array());
    add_args(args, json_member(container, "command"), env);
    add_args(args, json_member(container, "args"), env);
    if (!args->child)
        return error_set(render->error, ERROR_INVALID, NULL,
                         "container \"%.63s\" needs a command: a local image has no entry point", name);
    json_set_text(out, "workdir", json_text(container, "workingDir", NULL));
    struct demand demand;
    container_demand(container, &demand);
    json_set_i64(out, "cpu_milli", demand.limit_cpu_milli);
    json_set_i64(out, "memory_bytes", demand.limit_memory_bytes);
    json_set_i64(out, "pids", PIDS_MAX);
    hand_gpus(render, demand.gpus, init, out);
    json_set_text(out, "restart", restart_policy(json_member(render->pod->body, "spec"), init));
    json_set(out, "mounts", podvolumes_mounts(render->pod->body, container));
    return 0;
}

static int render_containers(struct render *render, cJSON *spec)
{
    cJSON *containers = json_set(spec, "containers", json_array());
    const cJSON *pod_spec = json_member(render->pod->body, "spec"), *container;
    int r = 0;
    cJSON_ArrayForEach(container, json_member(pod_spec, "initContainers"))
    {
        if (r == 0)
            r = render_container(render, container, true, containers);
    }
    cJSON_ArrayForEach(container, json_member(pod_spec, "containers"))
    {
        if (r == 0)
            r = render_container(render, container, false, containers);
    }
    return r;
}

int podspec_render(struct local *local, const struct object *pod, cJSON **ret, cJSON **ret_claims, struct error *error)
{
    AUTO_JSON cJSON *gpus = gpus_of_pod(pod);
    struct render render = {.local = local, .pod = pod, .error = error, .gpus = gpus};
    AUTO_JSON cJSON *spec = json_object();
    AUTO_JSON cJSON *claims = json_array();
    char hostname[64];
    const char *name = json_text_or(pod->name, pod->body, "spec", "hostname", NULL);
    (void)snprintf(hostname, sizeof(hostname), "%.63s", name);
    json_set_text(spec, "hostname", hostname);
    json_set_text(spec, "uid", pod->uid);
    int64_t grace_s = GRACE_DEFAULT_S;
    (void)json_i64(json_at(pod->body, "spec", "terminationGracePeriodSeconds", NULL), &grace_s);
    json_set_i64(spec, "grace_s", grace_s < 0 ? 0 : grace_s > GRACE_MAX_S ? GRACE_MAX_S : grace_s);
    json_set_i64(spec, "shm_bytes", podvolumes_shm_bytes(pod->body));
    int r = render_containers(&render, spec);
    if (r == 0)
        r = podvolumes_render(local, pod, spec, claims, error);
    if (r < 0)
        return r;
    *ret = TAKE_POINTER(spec);
    *ret_claims = TAKE_POINTER(claims);
    return 0;
}
