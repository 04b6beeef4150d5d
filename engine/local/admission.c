/* May this object be kept as it is? */
#include "engine/local/admission.h"

#include "engine/local/podtemplate_check.h"
#include "engine/local/quota.h"
#include "engine/poddefault.h"
#include "engine/selector.h"

/* Kubernetes' own limit of all annotations together; the counts bound what a look at an object costs. */
enum { ANNOTATIONS_BYTES_MAX = 256 * 1024, LABELS_MAX = 128, FINALIZERS_MAX = 16, OWNERS_MAX = 16, PORTS_MAX = 64 };

static int invalid(struct error *error, const char *field, const char *expected)
{
    return error_set(error, ERROR_INVALID, field, "%s: %s", field, expected);
}

/* --- metadata ----------------------------------------------------------------------------------------------------- */

static int check_name(enum engine_kind kind, const cJSON *object, struct error *error)
{
    struct slice name = slice_of(json_text(object, "metadata", "name", NULL));
    bool label = kind == KIND_NAMESPACE || kind == KIND_PROFILE || kind == KIND_SERVICE || kind == KIND_POD ||
                 kind == KIND_CLAIM || kind == KIND_STATEFULSET || kind == KIND_NOTEBOOK || kind == KIND_RAYCLUSTER ||
                 kind == KIND_RAYJOB || kind == KIND_RAYSERVICE;
    if (label && !name_is_label(name))
        return invalid(error, "metadata.name",
                       "a name has at most 63 lower-case letters, digits and '-', and begins and ends with a letter or "
                       "digit");
    if (!label && !name_is_subdomain(name))
        return invalid(error, "metadata.name",
                       "a name has at most 253 lower-case letters, digits, '-' and '.', and begins and ends with a "
                       "letter or digit");
    return 0;
}

static int check_labels(const cJSON *labels, struct error *error)
{
    const cJSON *label;
    if (labels && !cJSON_IsObject(labels))
        return invalid(error, "metadata.labels", "labels are a map of texts");
    if (cJSON_GetArraySize(labels) > LABELS_MAX)
        return invalid(error, "metadata.labels", "at most 128 labels");
    cJSON_ArrayForEach(label, labels)
    {
        if (!label_key_valid(slice_of(label->string)))
            return invalid(error, "metadata.labels", "a key is [prefix/]name with letters, digits, '-', '_' and '.'");
        if (!cJSON_IsString(label) || !label_value_valid(slice_of(label->valuestring)))
            return invalid(error, "metadata.labels", "a value is at most 63 letters, digits, '-', '_' and '.'");
    }
    return 0;
}

static int check_annotations(const cJSON *annotations, struct error *error)
{
    const cJSON *annotation;
    size_t bytes = 0;
    if (annotations && !cJSON_IsObject(annotations))
        return invalid(error, "metadata.annotations", "annotations are a map of texts");
    cJSON_ArrayForEach(annotation, annotations)
    {
        if (!label_key_valid(slice_of(annotation->string)))
            return invalid(error, "metadata.annotations", "a key is [prefix/]name with letters, digits, '-', '_', '.'");
        if (!cJSON_IsString(annotation))
            return invalid(error, "metadata.annotations", "a value is a text; put it in quotes");
        bytes += strlen(annotation->string) + strlen(annotation->valuestring);
    }
    return bytes > ANNOTATIONS_BYTES_MAX ? invalid(error, "metadata.annotations", "at most 256 KiB together") : 0;
}

static int check_finalizers(const cJSON *finalizers, struct error *error)
{
    const cJSON *finalizer;
    if (finalizers && !cJSON_IsArray(finalizers))
        return invalid(error, "metadata.finalizers", "finalizers are a list of texts");
    if (cJSON_GetArraySize(finalizers) > FINALIZERS_MAX)
        return invalid(error, "metadata.finalizers", "at most 16 finalizers");
    cJSON_ArrayForEach(finalizer, finalizers)
    {
        if (!cJSON_IsString(finalizer) || !label_key_valid(slice_of(finalizer->valuestring)))
            return invalid(error, "metadata.finalizers", "a finalizer is [prefix/]name");
    }
    return 0;
}

static int check_owners(const cJSON *owners, struct error *error)
{
    static const char *const required[] = {"apiVersion", "kind", "name", "uid"};
    const cJSON *owner;
    if (owners && !cJSON_IsArray(owners))
        return invalid(error, "metadata.ownerReferences", "owner references are a list");
    if (cJSON_GetArraySize(owners) > OWNERS_MAX)
        return invalid(error, "metadata.ownerReferences", "at most 16 owners");
    cJSON_ArrayForEach(owner, owners)
    {
        for (size_t i = 0; i < COUNT_OF(required); i++)
            if (!json_text_or("", owner, required[i], NULL)[0])
                return invalid(error, "metadata.ownerReferences", "apiVersion, kind, name and uid are required");
    }
    return 0;
}

int admission_metadata(enum engine_kind kind, const cJSON *object, struct error *error)
{
    const cJSON *metadata = json_member(object, "metadata");
    int r = check_name(kind, object, error);
    if (r == 0)
        r = check_labels(json_member(metadata, "labels"), error);
    if (r == 0)
        r = check_annotations(json_member(metadata, "annotations"), error);
    if (r == 0)
        r = check_finalizers(json_member(metadata, "finalizers"), error);
    if (r == 0)
        r = check_owners(json_member(metadata, "ownerReferences"), error);
    return r;
}

/* --- kinds -------------------------------------------------------------------------------------------------------- */

/* What an admission webhook does on a cluster. */
static int give_poddefaults(struct local *local, cJSON *pod, struct error *error)
{
    AUTO_OBJECT_LIST struct object_list there = {0};
    AUTO_JSON cJSON *poddefaults = json_array();
    cJSON *changed = NULL;
    objects_select(local->objects, KIND_PODDEFAULT, json_text_or("", pod, "metadata", "namespace", NULL), NULL, &there);
    for (size_t i = 0; i < there.count; i++)
        json_push(poddefaults, json_copy(there.items[i]->body));
    int r = poddefaults_apply(poddefaults, pod, NULL, &changed, error);
    if (!changed)
        return r;
    json_set(pod, "metadata", json_copy(json_member(changed, "metadata")));
    json_set(pod, "spec", json_copy(json_member(changed, "spec")));
    cJSON_Delete(changed);
    return r;
}

/* The one change that is made of a pod's spec, by the scheduler: it has its place, which here is always the same. */
static bool is_bound(const cJSON *before, const cJSON *after)
{
    AUTO_JSON cJSON *bound = json_copy(json_member(before, "spec"));
    json_set_text(bound, "nodeName", ENGINE_NODE);
    return json_equal(bound, json_member(after, "spec"));
}

static int admit_pod(struct local *local, const cJSON *before, cJSON *after, struct error *error)
{
    if (!before) {
        int r = give_poddefaults(local, after, error);
        /* An API server's default, without which kubectl debug dies. */
        if (r == 0 && cJSON_IsObject(json_member(after, "spec")))
            (void)json_object_in(json_object_in(after, "spec"), "securityContext");
        return r < 0 ? r : podtemplate_check(local->images, after, "", error);
    }
    if (!json_equal(json_member(before, "spec"), json_member(after, "spec")) && !is_bound(before, after))
        return invalid(error, "spec", "a pod's spec cannot be changed; make a new pod");
    return 0;
}

static int admit_port(cJSON *port, int index, int count, struct error *error)
{
    char field[64];
    int64_t number;
    (void)snprintf(field, sizeof(field), "spec.ports[%d]", index);
    if (!json_i64(json_member(port, "port"), &number) || number < 1 || number > 65535)
        return invalid(error, field, "port must be a number from 1 to 65535");
    const char *name = json_text(port, "name", NULL);
    if (count > 1 && !name)
        return invalid(error, field, "name is required when there are several ports");
    if (name && !name_is_label(slice_of(name)))
        return invalid(error, field, "name must be lower-case letters, digits and '-'");
    const char *protocol = json_text_or("TCP", port, "protocol", NULL);
    if (strcmp(protocol, "TCP") != 0)
        return invalid(error, field, "protocol must be TCP: nothing else is carried on this engine");
    const cJSON *target = json_member(port, "targetPort");
    int64_t target_number = 1;
    if (target && !cJSON_IsString(target) &&
        (!json_i64(target, &target_number) || target_number < 1 || target_number > 65535))
        return invalid(error, field, "targetPort must be a port's name or a number from 1 to 65535");
    json_set_text(port, "protocol", "TCP");
    if (!target)
        json_set_i64(port, "targetPort", number);
    return 0;
}

static int admit_service(cJSON *after, struct error *error)
{
    cJSON *ports = json_at(after, "spec", "ports", NULL), *port;
    const char *type = json_text_or("ClusterIP", after, "spec", "type", NULL);
    int count = cJSON_GetArraySize(ports), index = 0;
    if (strcmp(type, "ClusterIP") != 0)
        return invalid(error, "spec.type", "must be ClusterIP: a local sandbox is reached through Atelier only");
    if (ports && !cJSON_IsArray(ports))
        return invalid(error, "spec.ports", "ports are a list");
    if (count > PORTS_MAX)
        return invalid(error, "spec.ports", "at most 64 ports");
    const cJSON *selector = json_at(after, "spec", "selector", NULL);
    if (selector && !cJSON_IsObject(selector))
        return invalid(error, "spec.selector", "a selector is a map of labels");
    cJSON_ArrayForEach(port, ports)
    {
        int r = admit_port(port, index++, count, error);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool storage_of(const cJSON *claim, int64_t *ret)
{
    const char *text = json_text(claim, "spec", "resources", "requests", "storage", NULL);
    return text && quantity_parse_bytes(slice_of(text), ret);
}

static int admit_claim(const cJSON *before, cJSON *after, struct error *error)
{
    enum { STORAGE_MIN = 1 << 20 };
    static const int64_t storage_max = INT64_C(16) << 40; /* 16 TiB: what ext4 holds in one file system */
    int64_t bytes = 0, old_bytes = 0;
    if (!storage_of(after, &bytes) || bytes < STORAGE_MIN || bytes > storage_max)
        return invalid(error, "spec.resources.requests.storage",
                       "a size from 1Mi to 16Ti such as \"10Gi\" is required");
    if (before && storage_of(before, &old_bytes) && bytes < old_bytes)
        return invalid(error, "spec.resources.requests.storage", "a volume can grow but not shrink");
    cJSON *spec = json_member(after, "spec");
    if (!json_member(spec, "accessModes"))
        json_push_text(json_set(spec, "accessModes", json_array()), "ReadWriteOnce");
    const char *mode = json_text_or("Filesystem", spec, "volumeMode", NULL);
    if (strcmp(mode, "Filesystem") != 0)
        return invalid(error, "spec.volumeMode", "must be Filesystem");
    return 0;
}

/* stringData is for writing only: it becomes data, as on Kubernetes. */
static int admit_secret(cJSON *after, struct error *error)
{
    cJSON *plain = json_member(after, "stringData"), *entry;
    if (plain && !cJSON_IsObject(plain))
        return invalid(error, "stringData", "stringData is a map of texts");
    cJSON_ArrayForEach(entry, plain)
    {
        if (!cJSON_IsString(entry))
            return invalid(error, "stringData", "a value is a text; put it in quotes");
        AUTO_FREE char *encoded = text_base64(entry->valuestring, strlen(entry->valuestring));
        json_set_text(json_object_in(after, "data"), entry->string, encoded);
    }
    json_remove(after, "stringData");
    const cJSON *data = json_member(after, "data");
    if (data && !cJSON_IsObject(data))
        return invalid(error, "data", "data is a map of base64 texts");
    cJSON_ArrayForEach(entry, data)
    {
        AUTO_BUFFER struct buffer decoded = {0};
        if (!cJSON_IsString(entry) || !text_unbase64(slice_of(entry->valuestring), &decoded))
            return invalid(error, "data", "a value is not valid base64");
    }
    if (!json_text(after, "type", NULL))
        json_set_text(after, "type", "Opaque");
    return 0;
}

static int admit_configmap(const cJSON *after, struct error *error)
{
    const cJSON *data = json_member(after, "data"), *entry;
    if (data && !cJSON_IsObject(data))
        return invalid(error, "data", "data is a map of texts");
    cJSON_ArrayForEach(entry, data)
    {
        if (!cJSON_IsString(entry))
            return invalid(error, "data", "a value is a text; put it in quotes");
    }
    return 0;
}

/* What kube-apiserver fills in where nothing is said (pkg/apis/apps/v1/defaults.go), and clients look at. */
static void complete_statefulset(cJSON *after)
{
    cJSON *spec = json_object_in(after, "spec"), *strategy = json_object_in(spec, "updateStrategy");
    if (!json_text(strategy, "type", NULL))
        json_set_text(strategy, "type", "RollingUpdate");
    if (strcmp(json_text(strategy, "type", NULL), "RollingUpdate") == 0 &&
        !json_at(strategy, "rollingUpdate", "partition", NULL))
        json_set_i64(json_object_in(strategy, "rollingUpdate"), "partition", 0);
    if (!json_member(spec, "revisionHistoryLimit"))
        json_set_i64(spec, "revisionHistoryLimit", 10);
    if (!json_text(spec, "podManagementPolicy", NULL))
        json_set_text(spec, "podManagementPolicy", "Parallel"); /* how it is done here, whatever is asked for */
}

static int admit_kind(struct local *local, enum engine_kind kind, const cJSON *before, cJSON *after,
                      struct error *error)
{
    switch (kind) {
    case KIND_POD:
        return admit_pod(local, before, after, error);
    case KIND_SERVICE:
        return admit_service(after, error);
    case KIND_CLAIM:
        return admit_claim(before, after, error);
    case KIND_SECRET:
        return admit_secret(after, error);
    case KIND_CONFIGMAP:
        return admit_configmap(after, error);
    case KIND_RESOURCEQUOTA:
        return quota_check_hard(local, json_at(after, "spec", "hard", NULL), "spec.hard", error);
    case KIND_PODDEFAULT:
        return poddefault_check(after, error);
    case KIND_STATEFULSET:
        complete_statefulset(after);
        return 0;
    case KIND_NAMESPACE:
    case KIND_EVENT:
    case KIND_CONTROLLERREVISION:
    case KIND_PROFILE:
    case KIND_NOTEBOOK:
    case KIND_RAYCLUSTER:
    case KIND_RAYJOB:
    case KIND_RAYSERVICE:
        return 0;
    default:
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s do not exist on this machine", engine_kinds[kind].plural);
    }
}

int admission_check(void *context, enum engine_kind kind, const cJSON *before, cJSON *after, struct error *error)
{
    int r = admission_metadata(kind, after, error);
    if (r == 0)
        r = admit_kind(context, kind, before, after, error);
    return r < 0 ? r : quota_check_object(context, kind, before, after, error);
}
