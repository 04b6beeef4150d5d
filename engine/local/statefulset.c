/* Has a StatefulSet the pods it asks for, made from its present template? */
#include "engine/local/reconcile.h"
#include "engine/local/revision.h"
#include "engine/local/schedule.h"
#include "engine/local/status.h"

enum { REPLICAS_MAX = 100, FAILED_AGAIN_MS = 2000 };

static int64_t wanted_replicas(const struct object *set)
{
    int64_t replicas = 1;
    (void)json_i64(json_at(set->body, "spec", "replicas", NULL), &replicas);
    return replicas < 0 ? 0 : replicas > REPLICAS_MAX ? REPLICAS_MAX : replicas;
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

static cJSON *make_pod(const struct object *set, int64_t ordinal, const struct revision *revision)
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
    json_set_text(own, LABEL_REVISION, revision_label(revision));
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
    struct revision revision;
    const char *current_revision; /* what the last completed change led to; borrowed from the set, or the present one */
    int64_t wanted;
    int64_t replicas, ready, updated, current;
    bool present[REPLICAS_MAX];
    bool retry;
};

/* As Kubernetes counts them (pkg/controller/statefulset): all that exist, and of the revisions those that stay. */
static void count_pod(struct pass *pass, const struct object *pod)
{
    bool updated = revision_is_of(&pass->revision, pod), goes = object_terminating(pod);
    const char *label = json_text_or("", pod->body, "metadata", "labels", LABEL_REVISION, NULL);
    bool same = strcmp(pass->current_revision, pass->revision.name) == 0;
    pass->replicas++;
    pass->ready += json_condition_true(pod->body, "Ready") && !goes;
    pass->updated += updated && !goes;
    pass->current += (same ? updated : strcmp(label, pass->current_revision) == 0) && !goes;
}

static int look_at_pod(struct pass *pass, const struct object *pod, struct error *error)
{
    int64_t ordinal = ordinal_of(pass->set, pod);
    if (ordinal < 0 || !object_controlled_by(pod, pass->set->uid))
        return 0;
    count_pod(pass, pod);
    if (ordinal < REPLICAS_MAX)
        pass->present[ordinal] = true;
    if (object_terminating(pod))
        return 0;
    bool surplus = ordinal >= pass->wanted;
    if (surplus || !revision_is_of(&pass->revision, pod) || pod_is_over(pod))
        return objects_delete(pass->local->objects, KIND_POD, pod->namespace, pod->name, pod->uid, NULL, error);
    return 0;
}

static int create_missing(struct pass *pass, struct error *error)
{
    for (int64_t ordinal = 0; ordinal < pass->wanted; ordinal++) {
        if (pass->present[ordinal])
            continue;
        int r = objects_create(pass->local->objects, KIND_POD, pass->set->namespace,
                               make_pod(pass->set, ordinal, &pass->revision), NULL, error);
        if (r == -ERROR_EXISTS) { /* another's pod has the name */
            engine_event(&pass->local->base, pass->set->body, "Warning", "FailedCreate", "%s", error->message);
            pass->retry = true;
        } else if (r < 0) {
            if (r != -ERROR_UNAVAILABLE && r != -ERROR_CONFLICT)
                engine_event(&pass->local->base, pass->set->body, "Warning", "FailedCreate", "%s", error->message);
            return r;
        } else {
            pass->replicas++;
            pass->updated++;
            pass->current += strcmp(pass->current_revision, pass->revision.name) == 0;
        }
    }
    return 0;
}

/* A change is complete, and its revision the current one, once all pods are of it and ready. */
static cJSON *set_status(const struct pass *pass)
{
    cJSON *status = json_object();
    int64_t generation = 0;
    bool complete = pass->updated == pass->wanted && pass->ready == pass->wanted && pass->replicas == pass->wanted;
    (void)json_i64(json_at(pass->set->body, "metadata", "generation", NULL), &generation);
    json_set_i64(status, "observedGeneration", generation);
    json_set_i64(status, "replicas", pass->replicas);
    json_set_i64(status, "readyReplicas", pass->ready);
    json_set_i64(status, "availableReplicas", pass->ready);
    json_set_i64(status, "currentReplicas", complete ? pass->updated : pass->current);
    json_set_i64(status, "updatedReplicas", pass->updated);
    json_set_text(status, "currentRevision", complete ? pass->revision.name : pass->current_revision);
    json_set_text(status, "updateRevision", pass->revision.name);
    json_set_i64(status, "collisionCount", 0);
    return status;
}

static int as_it_is(void *context, const cJSON *current, cJSON **ret, struct error *error)
{
    (void)context, (void)error;
    *ret = json_copy(current);
    return 0;
}

/* One that an older version made lacks what admission fills in now: it is admitted once more. */
static int complete_spec(struct local *local, const struct object *set, struct error *error)
{
    if (json_at(set->body, "spec", "updateStrategy", NULL))
        return 0;
    return objects_change_seen(local->objects, set, ENGINE_SPEC, as_it_is, NULL, NULL, error);
}

int64_t statefulset_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    AUTO_OBJECT struct object *set = objects_find(local->objects, KIND_STATEFULSET, namespace, name);
    if (!set || object_terminating(set))
        return 0;
    AUTO_OBJECT_LIST struct object_list pods = {0};
    struct pass pass = {.local = local, .set = set, .wanted = wanted_replicas(set)};
    revision_of(set, &pass.revision);
    pass.current_revision = json_text_or(pass.revision.name, set->body, "status", "currentRevision", NULL);
    int r = complete_spec(local, set, error);
    if (r == 0)
        r = revision_keep(local, set, &pass.revision, error);
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
