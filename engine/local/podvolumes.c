/* Which volumes has a Pod, and what is in them? */
#include "engine/local/podvolumes.h"

#include "engine/local/demand.h"

enum { MODE_DEFAULT = 0644 };
static const int64_t shm_default_bytes = INT64_C(64) << 20; /* as container runtimes do */
#define SHM_PATH "/dev/shm"

static const cJSON *find_volume(const cJSON *pod, const char *name)
{
    return json_named(json_at(pod, "spec", "volumes", NULL), name);
}

static bool is_memory(const cJSON *volume)
{
    return strcmp(json_text_or("", volume, "emptyDir", "medium", NULL), "Memory") == 0;
}

static bool is_shm(const cJSON *pod, const cJSON *mount)
{
    return strcmp(json_text_or("", mount, "mountPath", NULL), SHM_PATH) == 0 &&
           is_memory(find_volume(pod, json_text_or("", mount, "name", NULL)));
}

cJSON *podvolumes_mounts(const cJSON *pod, const cJSON *container)
{
    cJSON *mounts = json_array();
    const cJSON *mount;
    cJSON_ArrayForEach(mount, json_member(container, "volumeMounts"))
    {
        if (is_shm(pod, mount))
            continue;
        cJSON *out = json_push(mounts, json_object());
        json_set_text(out, "volume", json_text(mount, "name", NULL));
        json_set_text(out, "path", json_text(mount, "mountPath", NULL));
        json_set_text(out, "subpath", json_text_or("", mount, "subPath", NULL));
        json_set_bool(out, "readonly", json_true(mount, "readOnly", NULL));
    }
    return mounts;
}

static int64_t size_limit(const cJSON *volume)
{
    const char *text = json_text(volume, "emptyDir", "sizeLimit", NULL);
    int64_t bytes = 0;
    return text && quantity_parse_bytes(slice_of(text), &bytes) ? bytes : 0;
}

int64_t podvolumes_shm_bytes(const cJSON *pod)
{
    struct demand demand;
    int64_t bytes = 0;
    const cJSON *container, *mount;
    pod_demand(json_member(pod, "spec"), &demand);
    cJSON_ArrayForEach(container, json_at(pod, "spec", "containers", NULL))
    {
        cJSON_ArrayForEach(mount, json_member(container, "volumeMounts"))
        {
            if (!is_shm(pod, mount))
                continue;
            bytes = size_limit(find_volume(pod, json_text_or("", mount, "name", NULL)));
            if (bytes == 0) /* no limit of its own: what Kubernetes gives it, half of the memory */
                bytes = demand.limit_memory_bytes / 2;
        }
    }
    if (bytes == 0)
        bytes = shm_default_bytes;
    /* Its pages count against the pod's memory: more could never be used. */
    return bytes < demand.limit_memory_bytes ? bytes : demand.limit_memory_bytes;
}

/* --- files from Secrets and ConfigMaps ---------------------------------------------------------------------------- */

static int file_mode(const cJSON *source)
{
    int64_t mode;
    return json_i64(json_member(source, "defaultMode"), &mode) && mode >= 0 && mode <= 0777 ? (int)mode : MODE_DEFAULT;
}

/* A Secret's values are base64 already; a ConfigMap's are text. */
static void add_file(cJSON *files, const char *name, const cJSON *value, bool secret)
{
    if (!cJSON_IsString(value))
        return;
    if (secret) {
        json_set_text(files, name, value->valuestring);
        return;
    }
    AUTO_FREE char *encoded = text_base64(value->valuestring, strlen(value->valuestring));
    json_set_text(files, name, encoded);
}

static int add_items(cJSON *files, const cJSON *items, const cJSON *data, const cJSON *binary, bool secret,
                     bool optional, struct error *error)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, items)
    {
        const char *key = json_text_or("", item, "key", NULL), *path = json_text_or(key, item, "path", NULL);
        const cJSON *value = json_member(data, key), *raw = json_member(binary, key);
        if (!value && !raw && !optional)
            return error_set(error, ERROR_NOT_FOUND, NULL, "key \"%.100s\" is not there", key);
        add_file(files, path, value ? value : raw, secret || !value);
    }
    return 0;
}

static int render_files(struct local *local, const struct object *pod, enum engine_kind kind, const cJSON *source,
                        const char *name, cJSON *out, struct error *error)
{
    bool optional = json_true(source, "optional", NULL), secret = kind == KIND_SECRET;
    AUTO_OBJECT struct object *object = objects_find(local->objects, kind, pod->namespace, name);
    if (!object && !optional)
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s \"%.100s\" is not there", engine_kinds[kind].kind, name);
    json_set_text(out, "type", "files");
    json_set_i64(out, "mode", file_mode(source));
    cJSON *files = json_set(out, "files", json_object());
    const cJSON *data = object ? json_member(object->body, "data") : NULL;
    const cJSON *binary = object ? json_member(object->body, "binaryData") : NULL;
    const cJSON *items = json_member(source, "items"), *entry;
    if (cJSON_IsArray(items))
        return add_items(files, items, data, binary, secret, optional, error);
    cJSON_ArrayForEach(entry, data)
    {
        add_file(files, entry->string, entry, secret);
    }
    cJSON_ArrayForEach(entry, binary)
    {
        add_file(files, entry->string, entry, true);
    }
    return 0;
}

/* --- one volume --------------------------------------------------------------------------------------------------- */

static int render_claim(struct local *local, const struct object *pod, const char *claim, cJSON *out, cJSON *claims,
                        struct error *error)
{
    AUTO_OBJECT struct object *object = objects_find(local->objects, KIND_CLAIM, pod->namespace, claim);
    if (!object || object_terminating(object))
        return error_set(error, ERROR_NOT_FOUND, NULL, "PersistentVolumeClaim \"%.100s\" is %s", claim,
                         object ? "being deleted" : "not there");
    json_set_text(out, "type", "named");
    json_set_text(out, "volume", claim);
    json_push_text(claims, claim);
    return 0;
}

static int render_volume(struct local *local, const struct object *pod, const cJSON *volume, cJSON *out, cJSON *claims,
                         struct error *error)
{
    const cJSON *source = json_member(volume, "persistentVolumeClaim");
    if (source)
        return render_claim(local, pod, json_text_or("", source, "claimName", NULL), out, claims, error);
    source = json_member(volume, "secret");
    if (source)
        return render_files(local, pod, KIND_SECRET, source, json_text_or("", source, "secretName", NULL), out, error);
    source = json_member(volume, "configMap");
    if (source)
        return render_files(local, pod, KIND_CONFIGMAP, source, json_text_or("", source, "name", NULL), out, error);
    json_set_text(out, "type", "empty");
    json_set_bool(out, "memory", is_memory(volume));
    json_set_i64(out, "bytes", size_limit(volume));
    return 0;
}

int podvolumes_render(struct local *local, const struct object *pod, cJSON *spec, cJSON *claims, struct error *error)
{
    cJSON *volumes = json_set(spec, "volumes", json_object());
    const cJSON *volume;
    cJSON_ArrayForEach(volume, json_at(pod->body, "spec", "volumes", NULL))
    {
        cJSON *out = json_set(volumes, json_text_or("", volume, "name", NULL), json_object());
        int r = render_volume(local, pod, volume, out, claims, error);
        if (r < 0)
            return error_wrap(error, "volume \"%.63s\"", json_text_or("", volume, "name", NULL));
    }
    return 0;
}
