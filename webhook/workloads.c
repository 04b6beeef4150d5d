/* Is this notebook or Ray workload one that can run, and what does it become? */
#include "notebooks/notebooks.h"
#include "ray/ray.h"
#include "webhook/internal.h"

static int admit(struct webhook *webhook, enum engine_kind kind, const cJSON *old, cJSON *object, struct error *error)
{
    switch (kind) {
    case KIND_NOTEBOOK:
        return notebook_admit(webhook->engine, old, object, error);
    case KIND_RAYCLUSTER:
        return ray_cluster_admit(webhook->engine, old, object, error);
    case KIND_RAYJOB:
        return ray_job_admit(webhook->engine, old, object, error);
    case KIND_RAYSERVICE:
        return ray_service_admit(webhook->engine, old, object, error);
    default:
        return 0;
    }
}

/* What nobody may be kept from: going away, and whatever leaves alone what was let in before (a controller's finalizer
 * on an object that is older than this webhook). */
static bool is_let_through(const struct webhook *webhook, const struct review *review)
{
    bool creates = strcmp(review->operation, "CREATE") == 0, updates = strcmp(review->operation, "UPDATE") == 0;
    return (!creates && !updates) || !review->object || !webhook_looks_at(webhook, review->namespace) ||
           json_at(review->object, "metadata", "deletionTimestamp", NULL) ||
           (updates && json_equal(json_member(review->old, "spec"), json_member(review->object, "spec")));
}

/* The name of what is still to be named, so that its length can be judged. */
static char *make_name(const cJSON *metadata)
{
    const char *prefix = json_text(metadata, "generateName", NULL);
    return prefix && !json_text_or("", metadata, "name", NULL)[0] ? memory_format("%.200sxxxxx", prefix) : NULL;
}

/* Admits a copy; *ret is what it became (NULL: it is let through as it is). */
static int admit_copy(struct webhook *webhook, const struct review *review, cJSON **ret, struct error *error)
{
    enum engine_kind kind = KIND_COUNT;
    *ret = NULL;
    bool cron_job = ray_is_cron_job(review->group, review->kind);
    if (is_let_through(webhook, review) ||
        (!cron_job && !engine_kind_by_name(slice_of(review->group), slice_of(review->kind), &kind)))
        return 0;
    AUTO_JSON cJSON *object = json_copy(review->object);
    cJSON *metadata = json_object_in(object, "metadata");
    AUTO_FREE char *name = make_name(metadata);
    if (name)
        json_set_text(metadata, "name", name);
    int status = cron_job ? ray_cron_job_admit(webhook->engine, review->old, object, error)
                          : admit(webhook, kind, review->old, object, error);
    if (name)
        json_remove(json_object_in(object, "metadata"), "name");
    if (status < 0)
        return status;
    *ret = object;
    object = NULL;
    return 0;
}

/* What is wrong is said by the validation that follows, once all others have had their say. */
cJSON *review_mutate_workload(struct webhook *webhook, struct review *review)
{
    struct error error = {0};
    AUTO_JSON cJSON *changed = NULL;
    (void)admit_copy(webhook, review, &changed, &error);
    return review_allow(review, changed);
}

cJSON *review_validate_workload(struct webhook *webhook, struct review *review)
{
    struct error error = {0};
    AUTO_JSON cJSON *changed = NULL;
    if (admit_copy(webhook, review, &changed, &error) == 0) {
        notebook_warn(changed, review->warnings); /* of what was let through as it is, nothing is said again */
        ray_warn(changed, review->warnings);
        return review_allow(review, NULL);
    }
    if (error_status(error.code) < 500)
        return review_refuse(review, &error);
    review_warn(review, "this could not be checked now", &error);
    return review_allow(review, NULL);
}
