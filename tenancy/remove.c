/* How is a deleted profile taken down, step by step, so that a crash anywhere resumes? */
#include "tenancy/internal.h"

#include "base/log.h"

#define REMOVE_NAMES_MAX 3 /* named in the message; more are counted */
/* KubeRay's, of a RayCluster with GCS fault tolerance (ray-operator/controllers/ray/utils/constant.go) */
#define REDIS_FINALIZER "ray.io/gcs-ft-redis-cleanup-finalizer"

/* "2 pods (a, b)" of what still exists in the namespace; adds nothing if there is none. */
static void remaining_add(const struct pass *pass, enum engine_kind kind, const char *noun, struct buffer *text)
{
    AUTO_JSON cJSON *list = NULL;
    if (engine_list(pass->tenancy->engine, kind, pass->name, NULL, &list, NULL) < 0)
        return;
    const cJSON *items = json_member(list, "items");
    int count = items ? cJSON_GetArraySize(items) : 0;
    if (count == 0)
        return;
    buffer_add_format(text, "%s%d %s%s (", text->n ? ", " : "", count, noun, count == 1 ? "" : "s");
    int named = 0;
    for (const cJSON *item = items->child; item && named < REMOVE_NAMES_MAX; item = item->next, named++)
        buffer_add_format(text, "%s%.63s", named ? ", " : "", json_text_or("?", item, "metadata", "name", NULL));
    buffer_add_text(text, count > named ? ", …)" : ")");
}

/* What a cluster's own namespace controller says is in the way: contents, finalizers by name, APIs that do not answer.
 */
static void obstacles_add(const cJSON *namespace, struct buffer *text)
{
    static const char *const types[] = {
        "NamespaceDeletionDiscoveryFailure", "NamespaceDeletionGroupVersionParsingFailure",
        "NamespaceDeletionContentFailure", "NamespaceFinalizersRemaining", "NamespaceContentRemaining"};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        const cJSON *condition = json_condition(namespace, types[i]);
        const char *message = json_text_or("", condition, "message", NULL);
        if (strcmp(json_text_or("", condition, "status", NULL), "True") == 0 && *message)
            buffer_add_format(text, "%s%.300s", text->n ? "; " : "", message);
    }
}

static int64_t remove_wait(struct pass *pass, const cJSON *namespace, struct error *error)
{
    AUTO_BUFFER struct buffer text = {0};
    AUTO_BUFFER struct buffer things = {0};
    obstacles_add(namespace, &text);
    remaining_add(pass, KIND_RAYCLUSTER, "Ray cluster", &things);
    remaining_add(pass, KIND_POD, "pod", &things);
    remaining_add(pass, KIND_CLAIM, "volume", &things);
    if (things.n)
        buffer_add_format(&text, "%swaiting for %s to be gone", text.n ? "; " : "", things.p);
    int r = tenancy_report(pass->tenancy, pass->profile, "Terminating", "ContentRemaining",
                           text.n ? text.p : "waiting for the namespace to be gone", error);
    if (r < 0 && r != -ERROR_CONFLICT && r != -ERROR_NOT_FOUND)
        return r;
    return TENANCY_POLL_MS;
}

/* Of a kind that the cluster may not have. */
static int delete_all(const struct pass *pass, enum engine_kind kind, struct error *error)
{
    AUTO_JSON cJSON *list = NULL;
    const cJSON *item;
    int r = engine_list(pass->tenancy->engine, kind, pass->name, NULL, &list, error);
    if (r < 0)
        return r == -ERROR_NOT_FOUND ? 0 : r;
    cJSON_ArrayForEach(item, json_member(list, "items"))
    {
        if (json_text(item, "metadata", "deletionTimestamp", NULL))
            continue;
        r = engine_delete(pass->tenancy->engine, kind, pass->name, json_text(item, "metadata", "name", NULL), NULL,
                          error);
        if (r < 0 && r != -ERROR_NOT_FOUND)
            return r;
    }
    return 0;
}

/* KubeRay empties the Redis of a deleted RayCluster by a Job in its namespace, and lets go of it then; a namespace that
 * is being deleted takes no Job. So such clusters go first, and before them what would make them again. 1: some are
 * left. */
static int remove_kept_clusters(const struct pass *pass, struct error *error)
{
    static const enum engine_kind kinds[] = {KIND_RAYSERVICE, KIND_RAYJOB, KIND_RAYCLUSTER};
    AUTO_JSON cJSON *list = NULL;
    const cJSON *item;
    bool found = false;
    int r = engine_list(pass->tenancy->engine, KIND_RAYCLUSTER, pass->name, NULL, &list, error);
    cJSON_ArrayForEach(item, json_member(list, "items")) found |= tenancy_has_finalizer(item, REDIS_FINALIZER);
    for (size_t i = 0; r >= 0 && found && i < COUNT_OF(kinds); i++)
        r = delete_all(pass, kinds[i], error);
    return r >= 0 ? found : r == -ERROR_NOT_FOUND ? 0 : r;
}

static int remove_finalizer(struct pass *pass, struct error *error)
{
    AUTO_JSON cJSON *patch = json_object();
    cJSON *metadata = json_object_in(patch, "metadata");
    json_set_text(metadata, "resourceVersion", json_text(pass->profile, "metadata", "resourceVersion", NULL));
    cJSON *left = json_set(metadata, "finalizers", json_array());
    const cJSON *finalizers = json_at(pass->profile, "metadata", "finalizers", NULL);
    bool found = false;
    for (const cJSON *item = finalizers ? finalizers->child : NULL; item; item = item->next) {
        if (cJSON_IsString(item) && strcmp(item->valuestring, TENANCY_FINALIZER) == 0)
            found = true;
        else
            json_push(left, json_copy(item));
    }
    AUTO_JSON cJSON *written = NULL;
    return found ? engine_patch(pass->tenancy->engine, KIND_PROFILE, NULL, pass->name, ENGINE_SPEC, ENGINE_PATCH_MERGE,
                                patch, &written, error)
                 : 0;
}

/* 0: nothing of this profile's is left of the namespace; else what the queue's handler returns. */
static int64_t remove_namespace(struct pass *pass, struct error *error)
{
    AUTO_JSON cJSON *namespace = NULL;
    int r = pass_get(pass, KIND_NAMESPACE, pass->name, &namespace, error);
    if (r < 0)
        return r;
    switch (namespace_standing(pass, namespace)) {
    case STANDING_MADE:
        if (!json_text(namespace, "metadata", "deletionTimestamp", NULL)) {
            r = remove_kept_clusters(pass, error);
            if (r == 0)
                r = engine_delete(pass->tenancy->engine, KIND_NAMESPACE, NULL, pass->name, NULL, error);
            if (r < 0 && r != -ERROR_NOT_FOUND)
                return r;
        }
        return remove_wait(pass, namespace, error);
    case STANDING_ADOPTED:
        r = namespace_leave(pass, namespace, error);
        return r > 0 ? remove_wait(pass, namespace, error) : r;
    case STANDING_ABSENT:
    case STANDING_ADOPTABLE:
    case STANDING_FOREIGN:
        break;
    }
    return 0;
}

/* Namespace first, with all that runs in it; then the grants; the object last. Each step is skipped once it is done,
 * and the name stays taken until the very end, so that nobody can claim it while something of the old owner is left. */
static int64_t remove_steps(struct pass *pass, struct error *error)
{
    int64_t r = remove_namespace(pass, error);
    if (r != 0)
        return r;
    r = auth_profile_release(pass->tenancy->auth, pass->name, error);
    if (r < 0 && r != -ERROR_NOT_FOUND)
        return r;
    r = remove_finalizer(pass, error);
    return r == -ERROR_NOT_FOUND ? 0 : r;
}

int64_t tenancy_remove(struct pass *pass)
{
    struct error error = {0};
    int64_t r = remove_steps(pass, &error);
    if (r < 0 && r != -ERROR_CONFLICT) { /* somebody wrote at the same time: again, ever more slowly */
        log_line(LOG_WARN, "profile not removed yet", LOG_TEXT("profile", pass->name), LOG_FAULT(&error));
        AUTO_FREE char *message = memory_format("%.400s; it is tried again", error.message);
        (void)tenancy_report(pass->tenancy, pass->profile, "Terminating", error_reason(error.code), message, NULL);
    }
    return r;
}
