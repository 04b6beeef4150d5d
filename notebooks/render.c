/* Which objects does a Notebook need to run? */
#include "notebooks/render.h"

#include "base/random.h"
#include "tenancy/shape.h"
#include "tenancy/status.h"

#define TOKEN_BYTES 32
#define GRACE_S 15 /* Jupyter ends within a second of SIGTERM; kernels get the rest */

static const char *notebook_name(const cJSON *notebook)
{
    return json_text_or("", notebook, "metadata", "name", NULL);
}

bool notebook_is_stopped(const cJSON *notebook)
{
    return json_at(notebook, "metadata", "annotations", NOTEBOOK_STOPPED, NULL) != NULL;
}

char *notebook_secret_name(const char *notebook)
{
    return memory_format("notebook-%s", notebook);
}

static const cJSON *notebook_container(const cJSON *notebook)
{
    const cJSON *containers = json_at(notebook, "spec", "template", "spec", "containers", NULL);
    return cJSON_IsArray(containers) ? containers->child : NULL;
}

int64_t notebook_port(const cJSON *notebook)
{
    const cJSON *ports = json_member(notebook_container(notebook), "ports");
    int64_t port = 0;
    if (cJSON_IsArray(ports) && ports->child && json_i64(json_member(ports->child, "containerPort"), &port) &&
        port > 0 && port <= 65535)
        return port;
    return NOTEBOOK_PORT;
}

static cJSON *owned_object(const cJSON *notebook, enum engine_kind kind, const char *name)
{
    cJSON *object = json_object();
    json_set_text(object, "apiVersion", engine_api_version(kind));
    json_set_text(object, "kind", engine_kinds[kind].kind);
    cJSON *metadata = json_object_in(object, "metadata");
    json_set_text(metadata, "name", name);
    json_set_text(metadata, "namespace", json_text(notebook, "metadata", "namespace", NULL));
    cJSON *labels = json_object_in(metadata, "labels");
    json_set_text(labels, NOTEBOOK_LABEL, notebook_name(notebook));
    json_set_text(labels, "atelier.dev/notebook", notebook_name(notebook));
    json_set_text(labels, "atelier.dev/profile", json_text(notebook, "metadata", "namespace", NULL));
    json_set_text(labels, "app.kubernetes.io/managed-by", "atelier");
    json_set(metadata, "ownerReferences", status_owner_reference(KIND_NOTEBOOK, notebook));
    return object;
}

cJSON *notebook_render_secret(const cJSON *notebook)
{
    AUTO_FREE char *name = notebook_secret_name(notebook_name(notebook));
    cJSON *secret = owned_object(notebook, KIND_SECRET, name);
    json_set_text(secret, "type", "Opaque");
    AUTO_FREE char *token = random_token(TOKEN_BYTES);
    AUTO_FREE char *encoded = text_base64(token, strlen(token));
    json_set_text(json_object_in(secret, "data"), "token", encoded);
    memory_wipe(token, strlen(token));
    memory_wipe(encoded, strlen(encoded));
    return secret;
}

cJSON *notebook_render_service(const cJSON *notebook)
{
    const char *name = notebook_name(notebook);
    cJSON *service = owned_object(notebook, KIND_SERVICE, name);
    cJSON *spec = json_object_in(service, "spec");
    json_set_text(spec, "type", "ClusterIP");
    json_set_text(json_object_in(spec, "selector"), "statefulset", name);
    cJSON *port = json_push(json_set(spec, "ports", json_array()), json_object());
    AUTO_FREE char *port_name = memory_format("http-%s", name);
    json_set_text(port, "name", port_name);
    json_set_i64(port, "port", 80);
    json_set_i64(port, "targetPort", notebook_port(notebook));
    json_set_text(port, "protocol", "TCP");
    return service;
}

char *notebook_virtualservice_name(const cJSON *notebook)
{
    return memory_format(NOTEBOOK_ROUTE, json_text_or("", notebook, "metadata", "namespace", NULL),
                         notebook_name(notebook));
}

cJSON *notebook_render_virtualservice(const cJSON *notebook, const char *gateway, const char *host)
{
    AUTO_FREE char *name = notebook_virtualservice_name(notebook);
    AUTO_FREE char *prefix = memory_format(
        "/notebook/%s/%s/", json_text_or("", notebook, "metadata", "namespace", NULL), notebook_name(notebook));
    cJSON *service = owned_object(notebook, KIND_VIRTUALSERVICE, name);
    cJSON *spec = json_object_in(service, "spec");
    json_push_text(json_set(spec, "hosts", json_array()), "*");
    json_push_text(json_set(spec, "gateways", json_array()), gateway);
    cJSON *http = json_push(json_set(spec, "http", json_array()), json_object());
    cJSON *match = json_push(json_set(http, "match", json_array()), json_object());
    json_set_text(json_object_in(match, "uri"), "prefix", prefix);
    /* No timeout, which is Istio's default and the only way to say so: WebSockets have no end of their own. */
    cJSON *destination = json_object_in(json_push(json_set(http, "route", json_array()), json_object()), "destination");
    json_set_text(destination, "host", host);
    json_set_i64(json_object_in(destination, "port"), "number", 80);
    return service;
}

/* --- the container ------------------------------------------------------------------------------------------------ */

/* Sets a variable, whatever the template says: the platform depends on it. */
static cJSON *env_force(cJSON *env, const char *name)
{
    cJSON *item;
    while ((item = json_named(env, name)))
        cJSON_Delete(cJSON_DetachItemViaPointer(env, item));
    item = json_push(env, json_object());
    json_set_text(item, "name", name);
    return item;
}

static void env_default(cJSON *env, const char *name, const char *value)
{
    if (json_named(env, name))
        return;
    json_set_text(env_force(env, name), "value", value);
}

static void env_secret(cJSON *env, const char *name, const char *secret, const char *key)
{
    cJSON *from = json_object_in(env_force(env, name), "valueFrom");
    cJSON *reference = json_object_in(from, "secretKeyRef");
    json_set_text(reference, "name", secret);
    json_set_text(reference, "key", key);
}

static void render_env(const cJSON *notebook, const char *base, cJSON *container)
{
    AUTO_FREE char *secret = notebook_secret_name(notebook_name(notebook));
    cJSON *env = json_member(container, "env");
    if (!cJSON_IsArray(env))
        env = json_set(container, "env", json_array());
    json_set_text(env_force(env, "NB_PREFIX"), "value", base);
    json_set_text(env_force(env, "HOME"), "value", NOTEBOOK_HOME);
    env_secret(env, "JUPYTER_TOKEN", secret, "token");
    json_set_text(env_force(env, "RAY_AUTH_MODE"), "value", "token");
    env_secret(env, "RAY_AUTH_TOKEN", "ray-auth", "auth_token");
    env_default(env, "RAY_USAGE_STATS_ENABLED", "0");
    env_default(env, "SHELL", "/bin/bash");
    env_default(env, "TERM", "xterm-256color");
    env_default(env, "LANG", "C.UTF-8");
    env_default(env, "PYTHONUNBUFFERED", "1");
    /* Connection files are named after process ids, which are the same in every pod, and the home is shared by all
     * notebooks of the profile: they stay in the pod's private /tmp. */
    env_default(env, "JUPYTER_RUNTIME_DIR", "/tmp/jupyter");
}

/* The token comes by the environment: /proc shows arguments to everybody in the pod. Nothing here calls out: no news,
 * no update check, no extension registry. */
static void render_command(const char *base, int64_t port, cJSON *container)
{
    static const char *const fixed[] = {"--no-browser",
                                        "--ServerApp.ip=0.0.0.0",
                                        "--ServerApp.port_retries=0",
                                        "--ServerApp.allow_remote_access=True",
                                        "--ServerApp.root_dir=" NOTEBOOK_HOME,
                                        "--ServerApp.trust_xheaders=True",
                                        "--ServerApp.quit_button=False",
                                        "--ServerApp.terminals_enabled=True",
                                        "--LabApp.news_url=None",
                                        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
                                        "--LabApp.extension_manager=readonly",
                                        "--LanguageServerManager.autodetect=False"}; /* else it runs npm */
    if (json_member(container, "command") || json_member(container, "args"))
        return;
    cJSON *command = json_set(container, "command", json_array());
    json_push_text(command, "jupyter");
    json_push_text(command, "lab");
    cJSON *args = json_set(container, "args", json_array());
    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        json_push_text(args, fixed[i]);
    AUTO_FREE char *base_url = memory_format("--ServerApp.base_url=%s/", base);
    AUTO_FREE char *port_flag = memory_format("--ServerApp.port=%lld", (long long)port);
    json_push_text(args, base_url);
    json_push_text(args, port_flag);
}

/* YAML's "cpu: 2", as API servers keep it. */
static void write_out(cJSON *amounts, const char *key)
{
    const cJSON *amount = json_member(amounts, key);
    AUTO_FREE char *text = cJSON_IsNumber(amount) ? json_print(amount) : NULL;
    if (text)
        json_set_text(amounts, key, text);
}

/* Requests and limits are the same amount unless both are named: what is promised is what is enforced. */
static void render_resources(cJSON *container)
{
    static const char *const keys[] = {"cpu", "memory"};
    cJSON *resources = json_object_in(container, "resources");
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const cJSON *limit = json_at(resources, "limits", keys[i], NULL);
        const cJSON *request = json_at(resources, "requests", keys[i], NULL);
        if (limit && !request)
            json_set(json_object_in(resources, "requests"), keys[i], json_copy(limit));
        if (request && !limit)
            json_set(json_object_in(resources, "limits"), keys[i], json_copy(request));
        write_out(json_member(resources, "limits"), keys[i]);
        write_out(json_member(resources, "requests"), keys[i]);
    }
}

static void render_ports(int64_t port, cJSON *container)
{
    const cJSON *ports = json_member(container, "ports");
    if (cJSON_IsArray(ports) && ports->child)
        return;
    cJSON *item = json_push(json_set(container, "ports", json_array()), json_object());
    json_set_text(item, "name", "notebook-port");
    json_set_i64(item, "containerPort", port);
    json_set_text(item, "protocol", "TCP");
}

/* GET {base}api answers without credentials once the server is up. A short period, because people wait for it. */
static void render_probe(const char *base, int64_t port, bool ours, cJSON *container)
{
    if (json_member(container, "readinessProbe"))
        return;
    cJSON *probe = json_object_in(container, "readinessProbe");
    if (ours) {
        cJSON *get = json_object_in(probe, "httpGet");
        AUTO_FREE char *path = memory_format("%s/api", base);
        json_set_text(get, "path", path);
        json_set_i64(get, "port", port);
    } else { /* whatever somebody else's command serves, it listens */
        json_set_i64(json_object_in(probe, "tcpSocket"), "port", port);
    }
    json_set_i64(probe, "initialDelaySeconds", 1);
    json_set_i64(probe, "periodSeconds", 1);
    json_set_i64(probe, "timeoutSeconds", 5);
    json_set_i64(probe, "failureThreshold", 3);
}

/* --- volumes ------------------------------------------------------------------------------------------------------ */

static bool mounts_home(const cJSON *container)
{
    const cJSON *mounts = json_member(container, "volumeMounts");
    for (const cJSON *mount = mounts ? mounts->child : NULL; mount; mount = mount->next) {
        struct slice path = slice_of(json_text_or("", mount, "mountPath", NULL));
        while (slice_ends(path, "/") && path.n > 1)
            path.n--;
        if (slice_is(path, NOTEBOOK_HOME))
            return true;
    }
    return false;
}

/* The name of a volume that is the home claim, or NULL. */
static const char *home_volume(const cJSON *volumes)
{
    for (const cJSON *volume = volumes ? volumes->child : NULL; volume; volume = volume->next) {
        const char *claim = json_text(volume, "persistentVolumeClaim", "claimName", NULL);
        if (claim && strcmp(claim, NOTEBOOK_HOME_CLAIM) == 0)
            return json_text(volume, "name", NULL);
    }
    return NULL;
}

static void render_home(cJSON *pod_spec, cJSON *container)
{
    if (mounts_home(container))
        return;
    cJSON *volumes = json_member(pod_spec, "volumes");
    if (!cJSON_IsArray(volumes))
        volumes = json_set(pod_spec, "volumes", json_array());
    const char *name = home_volume(volumes);
    if (!name) {
        name = "atelier-home";
        cJSON *volume = json_push(volumes, json_object());
        json_set_text(volume, "name", name);
        json_set_text(json_object_in(volume, "persistentVolumeClaim"), "claimName", NOTEBOOK_HOME_CLAIM);
    }
    cJSON *mounts = json_member(container, "volumeMounts");
    if (!cJSON_IsArray(mounts))
        mounts = json_set(container, "volumeMounts", json_array());
    cJSON *mount = json_push(mounts, json_object());
    json_set_text(mount, "name", name);
    json_set_text(mount, "mountPath", NOTEBOOK_HOME);
}

/* --- the StatefulSet ---------------------------------------------------------------------------------------------- */

/* A template cannot claim that its pods are another workload's. */
static void copy_labels(cJSON *to, const cJSON *from)
{
    for (const cJSON *label = from ? from->child : NULL; label; label = label->next) {
        if (cJSON_IsString(label) && !shape_label_decides(label->string))
            json_set_text(to, label->string, label->valuestring);
    }
}

/* As Kubeflow: annotations go along, except those about the notebook itself and kubectl's. */
static void copy_annotations(cJSON *to, const cJSON *from)
{
    for (const cJSON *item = from ? from->child : NULL; item; item = item->next) {
        if (cJSON_IsString(item) && !strstr(item->string, "kubectl") && !strstr(item->string, "notebook") &&
            strcmp(item->string, NOTEBOOK_STOPPED) != 0 && strncmp(item->string, "atelier.dev/", 12) != 0)
            json_set_text(to, item->string, item->valuestring);
    }
}

static void render_pod_metadata(const cJSON *notebook, const struct notebook_ground *ground, cJSON *metadata)
{
    const char *name = notebook_name(notebook);
    const cJSON *template = json_at(notebook, "spec", "template", "metadata", NULL);
    cJSON *labels = json_object_in(metadata, "labels");
    copy_labels(labels, json_member(template, "labels"));
    copy_labels(labels, json_at(notebook, "metadata", "labels", NULL));
    json_set_text(labels, "statefulset", name);
    json_set_text(labels, NOTEBOOK_LABEL, name);
    json_set_text(labels, "atelier.dev/notebook", name);
    cJSON *annotations = json_object_in(metadata, "annotations");
    copy_annotations(annotations, json_member(template, "annotations"));
    copy_annotations(annotations, json_at(notebook, "metadata", "annotations", NULL));
    json_set_text(annotations, NOTEBOOK_SECRET_UID, ground->secret_uid);
}

static cJSON *render_pod_spec(const cJSON *notebook, const struct notebook_ground *ground)
{
    const cJSON *wanted = json_at(notebook, "spec", "template", "spec", NULL);
    cJSON *spec = wanted ? json_copy(wanted) : json_object();
    cJSON *containers = json_member(spec, "containers");
    cJSON *container = cJSON_IsArray(containers) ? containers->child : NULL;
    if (!container)
        return spec; /* admission does not let it come to this; the engine then says what is missing */
    AUTO_FREE char *base = memory_format("/notebook/%s/%s", json_text_or("", notebook, "metadata", "namespace", NULL),
                                         notebook_name(notebook));
    int64_t port = notebook_port(notebook);
    bool ours = !json_member(container, "command") && !json_member(container, "args");
    if (!json_member(container, "workingDir"))
        json_set_text(container, "workingDir", NOTEBOOK_HOME);
    render_resources(container);
    render_env(notebook, base, container);
    render_command(base, port, container);
    render_ports(port, container);
    render_probe(base, port, ours, container);
    render_home(spec, container);
    if (!json_member(spec, "terminationGracePeriodSeconds"))
        json_set_i64(spec, "terminationGracePeriodSeconds", GRACE_S);
    json_set_text(spec, "restartPolicy", "Always");
    if (ground->account && !json_member(spec, "serviceAccountName") && !json_member(spec, "serviceAccount"))
        json_set_text(spec, "serviceAccountName", ground->account);
    if (ground->by_kubelet)
        notebook_render_rights(ground, spec);
    return spec;
}

/* A cluster refuses changes of these; a StatefulSet may be one that Kubeflow's controller made. */
static void render_lasting(const struct notebook_ground *ground, cJSON *spec)
{
    static const char *const lasting[] = {"serviceName", "podManagementPolicy", "selector"};
    const cJSON *is = json_member(ground->statefulset, "spec");
    for (size_t i = 0; is && i < COUNT_OF(lasting); i++) {
        const cJSON *value = json_member(is, lasting[i]);
        json_remove(spec, lasting[i]);
        if (value)
            json_set(spec, lasting[i], json_copy(value));
    }
}

/* A label or annotation added to a notebook must not restart it: only what its processes see counts. Returns whether
 * the pod of the StatefulSet there is would be replaced, or is one more or fewer. */
static bool render_hash(const struct notebook_ground *ground, cJSON *set, cJSON *template)
{
    const cJSON *is = ground->statefulset;
    AUTO_FREE char *text = json_print(json_member(template, "spec"));
    AUTO_FREE char *seen = memory_format("%s %s", ground->secret_uid ? ground->secret_uid : "", text);
    char hash[2 * DIGEST_SIZE + 1];
    digest_sha256_hex(slice_of(seen), hash);
    json_set_text(json_object_in(json_object_in(set, "metadata"), "annotations"), NOTEBOOK_HASH, hash);
    if (strcmp(json_text_or("", is, "metadata", "annotations", NOTEBOOK_HASH, NULL), hash) != 0)
        return true;
    const cJSON *metadata = json_at(is, "spec", "template", "metadata", NULL);
    if (metadata)
        json_set(template, "metadata", json_copy(metadata));
    return !json_equal(json_at(is, "spec", "replicas", NULL), json_at(set, "spec", "replicas", NULL));
}

cJSON *notebook_render_statefulset(const cJSON *notebook, const struct notebook_ground *ground)
{
    const char *name = notebook_name(notebook);
    cJSON *set = owned_object(notebook, KIND_STATEFULSET, name);
    cJSON *spec = json_object_in(set, "spec");
    json_set_i64(spec, "replicas", notebook_is_stopped(notebook) ? 0 : 1);
    json_set_text(spec, "serviceName", name);
    if (ground->by_kubelet) {
        /* In order, a pod that never becomes ready would never be replaced by a mended one. */
        json_set_text(spec, "podManagementPolicy", "Parallel");
        json_set_i64(spec, "revisionHistoryLimit", 1);
    }
    json_set_text(json_object_in(json_object_in(spec, "selector"), "matchLabels"), "statefulset", name);
    render_lasting(ground, spec);
    cJSON *template = json_object_in(spec, "template");
    render_pod_metadata(notebook, ground, json_object_in(template, "metadata"));
    const cJSON *pod_spec = json_set(template, "spec", render_pod_spec(notebook, ground));
    if (ground->by_kubelet && home_volume(json_member(pod_spec, "volumes")))
        json_set_text(json_at(template, "metadata", "labels", NULL), NOTEBOOK_MOUNTS_HOME, "true");
    bool asks = render_hash(ground, set, template);
    cJSON *annotations = json_at(set, "metadata", "annotations", NULL);
    const char *asked = json_text(ground->statefulset, "metadata", "annotations", NOTEBOOK_ASKED, NULL);
    const char *nudged = json_text(ground->statefulset, "metadata", "annotations", NOTEBOOK_NUDGED, NULL);
    json_set_text(annotations, NOTEBOOK_ASKED, asks || !asked ? ground->now : asked);
    json_set_text(annotations, NOTEBOOK_NUDGED, ground->nudge ? ground->now : nudged);
    return set;
}
