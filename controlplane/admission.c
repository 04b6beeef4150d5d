/* May this object be stored, and as what? */
#include "controlplane/admission.h"

#include "base/clock.h"

#include <ctype.h>

#include "controlplane/metadata.h"
#include "engine/poddefault.h"
#include "notebooks/notebooks.h"
#include "ray/public.h"
#include "ray/ray.h"
#include "tenancy/tenancy.h"

#define CLAIM_BYTES_MAX (16LL << 40) /* ext4's limit with 4 KiB blocks */
#define DATA_KEY_MAX 253             /* Kubernetes' IsConfigMapKey */

/* --- what belongs to the profile ---------------------------------------------------------------------------------- */
static bool is_managed(const cJSON *object)
{
    return strcmp(json_text_or("", object, "metadata", "labels", "app.kubernetes.io/managed-by", NULL), "atelier") == 0;
}

int admission_check_reserved(enum engine_kind kind, const char *name, const cJSON *old, struct error *error)
{
    bool reserved = false;
    if (kind == KIND_SECRET)
        reserved = strcmp(name, "ray-auth") == 0 || strncmp(name, "notebook-", 9) == 0;
    else if (kind == KIND_CLAIM)
        reserved = strcmp(name, "home") == 0;
    if (kind == KIND_SECRET || kind == KIND_CLAIM || kind == KIND_CONFIGMAP) {
        const cJSON *owners = json_at(old, "metadata", "ownerReferences", NULL);
        reserved = reserved || (owners && owners->child) || is_managed(old);
    }
    if (reserved)
        return error_set(error, ERROR_FORBIDDEN, NULL, "%s \"%s\" is managed by Atelier", engine_kinds[kind].kind,
                         name);
    return 0;
}

/* Such labels say what an object belongs to; only Atelier writes them. */
static int check_own_labels(const cJSON *old, const cJSON *object, struct error *error)
{
    const cJSON *item;
    if (is_managed(object) && !is_managed(old))
        return error_set(error, ERROR_INVALID, "metadata.labels",
                         "only what Atelier makes is labelled app.kubernetes.io/managed-by: atelier");
    cJSON_ArrayForEach(item, json_at(object, "metadata", "labels", NULL))
    {
        const char *was = json_text(old, "metadata", "labels", item->string, NULL);
        if (strncmp(item->string, "atelier.dev/", 12) == 0 && (!was || strcmp(was, item->valuestring) != 0))
            return error_set(error, ERROR_INVALID, "metadata.labels", "the label \"%s\" is set by Atelier only",
                             item->string);
    }
    return 0;
}

int admission_check_unknown(const cJSON *old, const cJSON *object, struct error *error)
{
    if (is_managed(old))
        return error_set(error, ERROR_FORBIDDEN, NULL, "%s \"%s\" is managed by Atelier",
                         json_text_or("the object", old, "kind", NULL),
                         json_text_or("", old, "metadata", "name", NULL));
    return check_own_labels(old, object, error);
}

/* --- PersistentVolumeClaim ---------------------------------------------------------------------------------------- */
static int check_access_modes(cJSON *spec, struct error *error)
{
    static const char *const known[] = {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"};
    cJSON *modes = json_member(spec, "accessModes");
    const cJSON *mode;
    if (!modes) {
        json_push_text(json_set(spec, "accessModes", json_array()), "ReadWriteOnce");
        return 0;
    }
    bool good = cJSON_IsArray(modes) && modes->child;
    cJSON_ArrayForEach(mode, modes)
    {
        bool found = false;
        for (size_t i = 0; i < COUNT_OF(known) && cJSON_IsString(mode); i++)
            found = found || strcmp(mode->valuestring, known[i]) == 0;
        good = good && found;
    }
    if (good)
        return 0;
    return error_set(error, ERROR_INVALID, "spec.accessModes",
                     "expected a list of ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod");
}

static int check_storage(const cJSON *old_spec, const cJSON *spec, struct error *error)
{
    static const char field[] = "spec.resources.requests.storage";
    const cJSON *resources = json_member(spec, "resources");
    const char *text = json_text(resources, "requests", "storage", NULL);
    int64_t bytes, was;
    if (!text)
        return error_set(error, ERROR_INVALID, field, "%s is missing; expected a size such as \"5Gi\"", field);
    if (!quantity_parse_bytes(slice_of(text), &bytes) || bytes <= 0 || bytes > CLAIM_BYTES_MAX)
        return error_set(error, ERROR_INVALID, field, "%s must be a size between 1 and 16Ti", field);
    const char *old_text = json_text(old_spec, "resources", "requests", "storage", NULL);
    if (old_text && quantity_parse_bytes(slice_of(old_text), &was) && bytes < was)
        return error_set(error, ERROR_INVALID, field, "a volume can grow but not shrink; it has %s", old_text);
    return 0;
}

static int admit_claim(const cJSON *old, cJSON *object, struct error *error)
{
    cJSON *spec = json_member(object, "spec");
    if (!cJSON_IsObject(spec))
        return error_set(error, ERROR_INVALID, "spec", "spec is missing; expected resources.requests.storage");
    int status = 0;
    if (!name_is_label(slice_of(json_text(object, "metadata", "name", NULL))))
        status = error_set(error, ERROR_INVALID, "metadata.name",
                           "the name of a volume is lower-case letters, digits and '-', at most 63");
    if (status == 0)
        status = check_access_modes(spec, error);
    if (status == 0)
        status = check_storage(json_member(old, "spec"), spec, error);
    return status;
}

/* --- ConfigMap and Secret ----------------------------------------------------------------------------------------- */
static bool is_data_key(const char *key)
{
    size_t length = strlen(key);
    for (const char *at = key; *at; at++) {
        if (!isalnum((unsigned char)*at) && !strchr("-._", *at))
            return false;
    }
    return length > 0 && length <= DATA_KEY_MAX && strcmp(key, ".") != 0 && strcmp(key, "..") != 0;
}

/* What `base64` prints has lines, which every API server passes over; it is stored without. */
static void drop_line_ends(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++)
        if (*from != '\n' && *from != '\r')
            *to++ = *from;
    *to = '\0';
}

/* Every value a text; with <encoded> also base64. Sums up what it holds. */
static int check_data(const cJSON *object, const char *field, bool encoded, size_t *total, struct error *error)
{
    const cJSON *data = json_member(object, field), *item;
    if (data && !cJSON_IsNull(data) && !cJSON_IsObject(data))
        return error_set(error, ERROR_INVALID, field, "%s must be an object of texts", field);
    cJSON_ArrayForEach(item, data)
    {
        AUTO_BUFFER struct buffer decoded = {0};
        if (!is_data_key(item->string))
            return error_set(error, ERROR_INVALID, field, "a key of %s has letters, digits, '-', '_' and '.' only",
                             field);
        if (!cJSON_IsString(item))
            return error_set(error, ERROR_INVALID, field, "%s.%s must be a text", field, item->string);
        if (encoded)
            drop_line_ends(item->valuestring);
        if (encoded && *item->valuestring && !text_unbase64(slice_of(item->valuestring), &decoded))
            return error_set(error, ERROR_INVALID, field, "%s.%s must be base64", field, item->string);
        *total += strlen(item->string) + strlen(item->valuestring);
    }
    if (*total > LIMIT_DATA_BYTES)
        return error_set(error, ERROR_INVALID, field, "all data together may be at most %d bytes", LIMIT_DATA_BYTES);
    return 0;
}

static int check_immutable(const cJSON *old, const cJSON *object, struct error *error)
{
    const cJSON *flag = json_member(object, "immutable");
    if (flag && !cJSON_IsBool(flag))
        return error_set(error, ERROR_INVALID, "immutable", "immutable must be true or false");
    if (!json_true(old, "immutable", NULL))
        return 0;
    bool same = json_true(object, "immutable", NULL) &&
                json_equal(json_member(old, "data"), json_member(object, "data")) &&
                json_equal(json_member(old, "binaryData"), json_member(object, "binaryData"));
    return same ? 0 : error_set(error, ERROR_INVALID, "immutable", "the object was made immutable");
}

static int admit_configmap(const cJSON *old, cJSON *object, struct error *error)
{
    size_t total = 0;
    int status = check_data(object, "data", false, &total, error);
    if (status == 0)
        status = check_data(object, "binaryData", true, &total, error);
    return status < 0 ? status : check_immutable(old, object, error);
}

static void fold_string_data(cJSON *secret)
{
    const cJSON *item, *plain = json_member(secret, "stringData");
    if (!plain)
        return;
    cJSON *data = json_object_in(secret, "data");
    cJSON_ArrayForEach(item, plain)
    {
        AUTO_FREE char *encoded = text_base64(item->valuestring, strlen(item->valuestring));
        json_set_text(data, item->string, encoded);
    }
    json_remove(secret, "stringData");
}

static int admit_secret(const cJSON *old, cJSON *object, struct error *error)
{
    size_t total = 0;
    const cJSON *type = json_member(object, "type");
    int status = check_data(object, "data", true, &total, error);
    if (status == 0)
        status = check_data(object, "stringData", false, &total, error);
    if (status == 0 && type && (!cJSON_IsString(type) || !metadata_is_key(slice_of(type->valuestring))))
        status = error_set(error, ERROR_INVALID, "type", "type must be a text such as \"Opaque\"");
    if (status < 0)
        return status;
    if (!type)
        json_set_text(object, "type", json_text_or("Opaque", old, "type", NULL));
    fold_string_data(object);
    return check_immutable(old, object, error);
}

/* --- applications for anybody ------------------------------------------------------------------------------------- */
/* Whoever may let people in may let everybody in; whoever may change the cluster may only close it again. */
static int check_public(struct call *call, const cJSON *old, const cJSON *object, struct error *error)
{
    static const char field[] = "metadata.annotations[" RAY_PUBLIC "]";
    int status = ray_public_check(object, error);
    if (status < 0 || !ray_public_widens(ray_public(old), ray_public(object)))
        return status;
    if (call->server->config.public_apps.number == 0)
        return error_set(error, ERROR_INVALID, field,
                         "this platform opens no application to everybody; its administrator allows it with "
                         "ATELIER_PUBLIC_APPS=true");
    struct decision decision =
        call_decide(call, json_text_or("", object, "metadata", "namespace", NULL), NULL, NULL, VERB_MEMBERS_WRITE);
    if (decision.allowed)
        return 0;
    return error_set(error, ERROR_FORBIDDEN, field,
                     "only the profile's owner and its admins open an application to everybody");
}

/* --- what is deleted when it has been suspended for long ---------------------------------------------------------- */
/* Whoever may change a cluster that is shared with them alone may not delete it, nor have it deleted. */
static int check_deletion(struct call *call, const cJSON *old, const cJSON *object, struct error *error)
{
    const char *was = json_text_or("", old, "metadata", "annotations", IDLE_DELETE_AFTER, NULL);
    const char *now = json_text_or("", object, "metadata", "annotations", IDLE_DELETE_AFTER, NULL);
    if (!old || strcmp(was, now) == 0)
        return 0;
    struct decision decision = call_decide(call, json_text_or("", old, "metadata", "namespace", NULL), "RayCluster",
                                           json_text_or("", old, "metadata", "name", NULL), VERB_DELETE);
    if (decision.allowed)
        return 0;
    return error_set(error, ERROR_FORBIDDEN, "metadata.annotations[" IDLE_DELETE_AFTER "]",
                     "only who may delete the cluster says when it is deleted");
}

/* What people may write of a StatefulSet, which is its controller's: `kubectl rollout restart`, and the note about it
 * that the history shows. */
#define RESTARTED_AT "kubectl.kubernetes.io/restartedAt"
#define CHANGE_CAUSE "kubernetes.io/change-cause"

static cJSON *without_restart(const cJSON *set)
{
    cJSON *rest = json_copy(set), *template = json_at(rest, "spec", "template", NULL);
    cJSON *metadata = json_member(template, "metadata"), *annotations = json_member(metadata, "annotations");
    json_remove(annotations, RESTARTED_AT);
    if (annotations && !annotations->child)
        json_remove(metadata, "annotations");
    if (metadata && !metadata->child)
        json_remove(template, "metadata");
    json_remove(json_at(rest, "metadata", "annotations", NULL), CHANGE_CAUSE);
    return rest;
}

int admission_refuse_statefulset(struct error *error)
{
    return error_set(
        error, ERROR_FORBIDDEN, NULL,
        "statefulsets are written by Atelier only; a restart (kubectl rollout restart) is what you may ask "
        "for");
}

static int admit_statefulset(const cJSON *old, const cJSON *object, struct error *error)
{
    static const char *const kept[] = {"labels", "annotations", "finalizers", "ownerReferences"};
    AUTO_JSON cJSON *before = without_restart(old), *after = without_restart(object);
    const cJSON *at = json_at(object, "spec", "template", "metadata", "annotations", RESTARTED_AT, NULL);
    int64_t when_ms;
    bool same = json_equal(json_member(before, "spec"), json_member(after, "spec"));
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        const cJSON *was = json_at(before, "metadata", kept[i], NULL), *is = json_at(after, "metadata", kept[i], NULL);
        same = same && (was && is ? json_equal(was, is) : !was && !is);
    }
    if (!same)
        return admission_refuse_statefulset(error);
    if (at && (!cJSON_IsString(at) || !clock_parse(slice_of(at->valuestring), &when_ms)))
        return error_set(error, ERROR_INVALID, "spec.template.metadata.annotations",
                         RESTARTED_AT " must be a time such as 2026-11-23T03:00:00Z");
    return 0;
}

int admission_admit(struct call *call, enum engine_kind kind, const cJSON *old, cJSON *object, struct error *error)
{
    struct server *server = call->server;
    int status = 0;
    if (kind == KIND_CLAIM || kind == KIND_CONFIGMAP || kind == KIND_SECRET)
        status = check_own_labels(old, object, error);
    else if (kind == KIND_RAYCLUSTER || kind == KIND_RAYJOB || kind == KIND_RAYSERVICE)
        status = check_public(call, old, object, error);
    if (status == 0 && kind == KIND_RAYCLUSTER)
        status = check_deletion(call, old, object, error);
    if (status < 0)
        return status;
    switch (kind) {
    case KIND_PROFILE:
        return tenancy_admit_profile(server->tenancy, call->request->identity, old, object, error);
    case KIND_NOTEBOOK:
        return notebook_admit(server->engine, old, object, error);
    case KIND_RAYCLUSTER:
        return ray_cluster_admit(server->engine, old, object, error);
    case KIND_RAYJOB:
        return ray_job_admit(server->engine, old, object, error);
    case KIND_RAYSERVICE:
        return ray_service_admit(server->engine, old, object, error);
    case KIND_CLAIM:
        return admit_claim(old, object, error);
    case KIND_CONFIGMAP:
        return admit_configmap(old, object, error);
    case KIND_SECRET:
        return admit_secret(old, object, error);
    case KIND_PODDEFAULT:
        return poddefault_check(object, error);
    case KIND_STATEFULSET:
        return admit_statefulset(old, object, error);
    default:
        return error_set(error, ERROR_METHOD, NULL, "%s is written by Atelier only", engine_kinds[kind].kind);
    }
}

/* RFC 7234, 5.5, as API servers send it: code 299, nobody in particular, the text quoted. */
static void add_warning(struct call *call, const char *text)
{
    AUTO_BUFFER struct buffer value = {0};
    buffer_add_text(&value, "299 - \"");
    for (const char *at = text; *at; at++) {
        if (*at == '"' || *at == '\\')
            buffer_add_text(&value, "\\");
        buffer_add(&value, at, 1);
    }
    buffer_add_text(&value, "\"");
    response_header(call->response, "Warning", value.p);
}

void admission_warn(struct call *call, const cJSON *object)
{
    AUTO_JSON cJSON *warnings = json_array();
    const cJSON *warning;
    notebook_warn(object, warnings);
    ray_warn(object, warnings);
    cJSON_ArrayForEach(warning, warnings)
    {
        add_warning(call, warning->valuestring);
    }
}

void admission_remark(struct engine *engine, enum engine_kind kind, const cJSON *stored)
{
    if (kind == KIND_RAYCLUSTER)
        ray_cluster_remark(engine, stored);
    else if (kind == KIND_NOTEBOOK)
        ray_notebook_remark(engine, stored);
}
