/* Which clusters of a RayService are as it wants them, and when do the others go? */
#include "base/clock.h"
#include "engine/local/rayowned.h"
#include "engine/local/rayservice.h"

enum { DELETION_DELAY_S = 60 }; /* KubeRay's default */

#define ANNOTATION_SERVED "atelier.dev/ray-service-served" /* its service's names have led to it */
#define ANNOTATION_LEFT "atelier.dev/ray-service-left"     /* since when they do no more, RFC 3339 */

/* --- the same or another ------------------------------------------------------------------------------------------ */

/* What may change without another cluster. */
static cJSON *without_sizes(const cJSON *spec)
{
    static const char *const loose[] = {"replicas", "minReplicas", "maxReplicas", "scaleStrategy"};
    cJSON *kept = json_copy(spec), *group;
    cJSON_ArrayForEach(group, json_member(kept, "workerGroupSpecs"))
    {
        for (size_t i = 0; i < COUNT_OF(loose); i++)
            json_remove(group, loose[i]);
    }
    return kept;
}

bool rayservice_is_current(const struct object *service, const struct object *cluster)
{
    AUTO_JSON cJSON *wanted = without_sizes(json_at(service->body, "spec", "rayClusterConfig", NULL));
    AUTO_JSON cJSON *there = without_sizes(json_member(cluster->body, "spec"));
    return json_equal(wanted, there);
}

static const cJSON *group_named(const cJSON *spec, const char *name)
{
    const cJSON *group;
    cJSON_ArrayForEach(group, json_member(spec, "workerGroupSpecs"))
    {
        if (strcmp(json_text_or("", group, "groupName", NULL), name) == 0)
            return group;
    }
    return NULL;
}

static int put_sizes(void *context, const cJSON *current, cJSON **ret, struct error *error)
{
    static const char *const sizes[] = {"minReplicas", "maxReplicas", "replicas"};
    const cJSON *wanted = context;
    size_t count = COUNT_OF(sizes) - (json_true(wanted, "enableInTreeAutoscaling", NULL) ? 1 : 0);
    cJSON *group;
    (void)error;
    *ret = json_copy(current);
    cJSON_ArrayForEach(group, json_at(*ret, "spec", "workerGroupSpecs", NULL))
    {
        const cJSON *other = group_named(wanted, json_text_or("", group, "groupName", NULL));
        for (size_t i = 0; other && i < count; i++) {
            const cJSON *value = json_member(other, sizes[i]);
            json_set(group, sizes[i], value ? json_copy(value) : NULL);
        }
    }
    return 0;
}

int rayservice_resize(struct local *local, const struct object *service, const struct object *cluster,
                      struct error *error)
{
    cJSON *wanted = json_at(service->body, "spec", "rayClusterConfig", NULL);
    return objects_change_seen(local->objects, cluster, ENGINE_SPEC, put_sizes, wanted, NULL, error);
}

/* --- serving, and not any more ------------------------------------------------------------------------------------ */

/* <context>: NULL for one that serves from now on, or since when it does no more. */
static int put_marks(void *context, const cJSON *current, cJSON **ret, struct error *error)
{
    (void)error;
    *ret = json_copy(current);
    cJSON *annotations = json_object_in(json_object_in(*ret, "metadata"), "annotations");
    json_set_text(annotations, ANNOTATION_SERVED, "true");
    json_set_text(annotations, ANNOTATION_LEFT, context);
    return 0;
}

static int mark(struct local *local, const struct object *cluster, char *left, struct error *error)
{
    return objects_change_seen(local->objects, cluster, ENGINE_SPEC, put_marks, left, NULL, error);
}

int rayservice_mark_served(struct local *local, const struct object *cluster, struct error *error)
{
    return mark(local, cluster, NULL, error);
}

static int leave(struct local *local, const struct object *service, const struct object *cluster, int64_t *ret_left_ms,
                 struct error *error)
{
    char now[CLOCK_TEXT_SIZE];
    int64_t since = 0, delay_s = DELETION_DELAY_S;
    bool gone;
    const cJSON *annotations = json_at(cluster->body, "metadata", "annotations", NULL);
    bool served = json_text_or("", annotations, ANNOTATION_SERVED, NULL)[0];
    bool marked = clock_parse(slice_of(json_text_or("", annotations, ANNOTATION_LEFT, NULL)), &since);
    int r = 0;
    (void)json_i64(json_at(service->body, "spec", "rayClusterDeletionDelaySeconds", NULL), &delay_s);
    if (served && !marked) {
        since = clock_wall_ms();
        clock_format(since, now);
        r = mark(local, cluster, now, error);
    }
    *ret_left_ms = served ? since + delay_s * 1000 - clock_wall_ms() : 0;
    if (r < 0 || *ret_left_ms > 0)
        return r;
    *ret_left_ms = 0;
    return ray_owned_remove(local, service, cluster->name, "another cluster serves", &gone, error);
}

int rayservice_leave_others(struct local *local, const struct object *service, const char *active, const char *pending,
                            int64_t *ret_again_ms, struct error *error)
{
    AUTO_OBJECT_LIST struct object_list all = {0};
    *ret_again_ms = 0;
    objects_select(local->objects, KIND_RAYCLUSTER, service->namespace, NULL, &all);
    for (size_t i = 0; i < all.count; i++) {
        const struct object *cluster = all.items[i];
        int64_t left_ms = 0;
        if (!object_controlled_by(cluster, service->uid) || object_terminating(cluster) ||
            strcmp(cluster->name, active) == 0 || strcmp(cluster->name, pending) == 0)
            continue;
        int r = leave(local, service, cluster, &left_ms, error);
        if (r < 0 && r != -ERROR_NOT_FOUND)
            return r;
        if (left_ms > 0 && (*ret_again_ms == 0 || left_ms < *ret_again_ms))
            *ret_again_ms = left_ms;
    }
    return 0;
}
