/* Has a StatefulSet the pods it asks for, made from its present template? */
#include "base/random.h"
#include "engine/local/reconcile.h"
#include "engine/local/schedule.h"
#include "engine/local/status.h"

enum { REPLICAS_MAX = 100, REVISION_DIGITS = 10, FAILED_AGAIN_MS = 2000 };

static int64_t wanted_replicas(const struct object *set)
{
    int64_t replicas = 1;
    (void)json_i64(json_at(set->body, "spec", "replicas", NULL), &replicas);
    return replicas < 0 ? 0 : replicas > REPLICAS_MAX ? REPLICAS_MAX : replicas;
}

/* Names the template: pods made from another one are replaced. */
static void revision_of(const struct object *set, char ret[REVISION_DIGITS + 1])
{
    char hash[2 * DIGEST_SIZE + 1];
    AUTO_FREE char *text = json_print(json_at(set->body, "spec", "template", NULL));
    digest_sha256_hex(slice_of(text), hash);
    (void)snprintf(ret, REVISION_DIGITS + 1, "%.*s", REVISION_DIGITS, hash);
}

/* The ordinal in "<set>-<n>"; -1 if the pod is none of the set's. */
static int64_t ordinal_of(const struct object *set, const struct object *pod)
{
    size_t n = strlen(set->name);
    int64_t ordinal;
    if (strncmp(pod->name, set->name, n) != 0 || pod->name[n] != '-' ||
        !text_parse_i64(slice_of(pod->name + n + 1), 0, REPLICAS_MAX, &ordinal))
        return -1;
    return ordinal;
}

static cJSON *make_pod(const struct object *set, int64_t ordinal, const char *revision)
{
    const cJSON *template = json_at(set->body, "spec", "template", NULL);
    cJSON *pod = json_object();
    cJSON *metadata = json_object_in(pod, "metadata");
    const cJSON *labels = json_at(template, "metadata", "labels", NULL);
    const cJSON *annotations = json_at(template, "metadata", "annotations", NULL);
    char name[300], index[24];
    (void)snprintf(name, sizeof(name), "%s-%lld", set->name, (long long)ordinal);
    (void)snprintf(index, sizeof(index), "%lld", (long long)ordinal);
    json_set_text(metadata, "name", name);
    if (labels)
        json_set(metadata, "labels", json_copy(labels));
    if (annotations)
        json_set(metadata, "annotations", json_copy(annotations));
    cJSON *own = json_object_in(metadata, "labels");
    json_set_text(own, LABEL_REVISION, revision);
    json_set_text(own, "statefulset.kubernetes.io/pod-name", name);
    json_set_text(own, "apps.kubernetes.io/pod-index", index);
    object_own(pod, set);
    const cJSON *spec = json_member(template, "spec");
    cJSON *pod_spec = json_set(pod, "spec", spec ? json_copy(spec) : json_object());
    json_set_text(pod_spec, "hostname", name);
    const char *service = json_text(set->body, "spec", "serviceName", NULL);
    if (service && service[0])
        json_set_text(pod_spec, "subdomain", service);
    return pod;
}

struct pass {
    struct local *local;
    const struct object *set;
    char revision[REVISION_DIGITS + 1];
    int64_t wanted;
    int64_t replicas, ready, current;
    bool present[REPLICAS_MAX];
    bool retry;
};

static bool is_current(const struct pass *pass, const struct object *pod)
{
    return strcmp(json_text_or("", pod->body, "metadata", "labels", LABEL_REVISION, NULL), pass->revision) == 0;
}

static int look_at_pod(struct pass *pass, const struct object *pod, struct error *error)
{
    int64_t ordinal = ordinal_of(pass->set, pod);
    if (ordinal < 0 || !object_controlled_by(pod, pass->set->uid))
        return 0;
    pass->replicas++;
    pass->ready += json_condition_true(pod->body, "Ready") && !object_terminating(pod);
    pass->current += is_current(pass, pod);
    if (ordinal < REPLICAS_MAX)
        pass->present[ordinal] = true;
    if (object_terminating(pod))
        return 0;
    bool surplus = ordinal >= pass->wanted;
    if (surplus || !is_current(pass, pod) || pod_is_over(pod))
        return objects_delete(pass->local->objects, KIND_POD, pod->namespace, pod->name, pod->uid, NULL, error);
    return 0;
}

static int create_missing(struct pass *pass, struct error *error)
{
    for (int64_t ordinal = 0; ordinal < pass->wanted; ordinal++) {
        if (pass->present[ordinal])
            continue;
        int r = objects_create(pass->local->objects, KIND_POD, pass->set->namespace,
                               make_pod(pass->set, ordinal, pass->revision), NULL, error);
        if (r == -ERROR_EXISTS) { /* another's pod has the name */
            engine_event(&pass->local->base, pass->set->body, "Warning", "FailedCreate", "%s", error->message);
            pass->retry = true;
        } else if (r < 0) {
            if (r != -ERROR_UNAVAILABLE && r != -ERROR_CONFLICT)
                engine_event(&pass->local->base, pass->set->body, "Warning", "FailedCreate", "%s", error->message);
            return r;
        } else {
            pass->replicas++;
            pass->current++;
        }
    }
    return 0;
}

static cJSON *set_status(const struct pass *pass)
{
    cJSON *status = json_object();
    int64_t generation = 0;
    (void)json_i64(json_at(pass->set->body, "metadata", "generation", NULL), &generation);
    json_set_i64(status, "observedGeneration", generation);
    json_set_i64(status, "replicas", pass->replicas);
    json_set_i64(status, "readyReplicas", pass->ready);
    json_set_i64(status, "availableReplicas", pass->ready);
    json_set_i64(status, "currentReplicas", pass->current);
    json_set_i64(status, "updatedReplicas", pass->current);
    json_set_text(status, "currentRevision", pass->revision);
    json_set_text(status, "updateRevision", pass->revision);
    return status;
}

int64_t statefulset_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    AUTO_OBJECT struct object *set = objects_find(local->objects, KIND_STATEFULSET, namespace, name);
    if (!set || object_terminating(set))
        return 0;
    AUTO_OBJECT_LIST struct object_list pods = {0};
    struct pass pass = {.local = local, .set = set, .wanted = wanted_replicas(set)};
    int r = 0;
    revision_of(set, pass.revision);
    objects_select(local->objects, KIND_POD, namespace, NULL, &pods);
    for (size_t i = pods.count; r == 0 && i > 0; i--)
        r = look_at_pod(&pass, pods.items[i - 1], error);
    if (r == 0)
        r = create_missing(&pass, error);
    int shown = objects_set_status(local->objects, set, set_status(&pass), r < 0 ? NULL : error);
    if (r < 0 || shown < 0)
        return r < 0 ? r : shown;
    return pass.retry ? FAILED_AGAIN_MS : 0;
}
