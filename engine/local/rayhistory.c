/* What is kept of a Ray job that ends here, and what does one print that goes on? */
#include "engine/local/rayhistory.h"

#include "engine/local/rayjob.h"
#include "engine/rayruns.h"

enum { EVENTS_MAX = 100 };

/* --- keeping ------------------------------------------------------------------------------------------------------ */

static bool is_about(const struct object *event, const struct object *job, const char *cluster)
{
    const char *kind = json_text_or("", event->body, "involvedObject", "kind", NULL);
    const char *name = json_text_or("", event->body, "involvedObject", "name", NULL);
    if (strcmp(json_text_or("", event->body, "involvedObject", "uid", NULL), job->uid) == 0)
        return true;
    const char *of_pod = json_text_or("", event->body, "metadata", "labels", "ray.io/cluster", NULL);
    return cluster[0] &&
           ((strcmp(kind, "RayCluster") == 0 && strcmp(name, cluster) == 0) || strcmp(of_pod, cluster) == 0);
}

/* Those of the job and of the cluster it ran on. */
static cJSON *events_of(struct local *local, const struct object *job, const char *cluster)
{
    static const char *const kept[] = {"type", "reason", "message", "count", "firstTimestamp", "lastTimestamp"};
    AUTO_OBJECT_LIST struct object_list all = {0};
    cJSON *events = json_array();
    objects_select(local->objects, KIND_EVENT, job->namespace, NULL, &all);
    for (size_t i = 0; i < all.count && cJSON_GetArraySize(events) < EVENTS_MAX; i++) {
        if (!is_about(all.items[i], job, cluster))
            continue;
        cJSON *event = json_push(events, json_object());
        cJSON *object = json_object_in(event, "object");
        json_set_text(object, "kind", json_text(all.items[i]->body, "involvedObject", "kind", NULL));
        json_set_text(object, "name", json_text(all.items[i]->body, "involvedObject", "name", NULL));
        for (size_t k = 0; k < COUNT_OF(kept); k++)
            if (json_member(all.items[i]->body, kept[k]))
                json_set(event, kept[k], json_copy(json_member(all.items[i]->body, kept[k])));
    }
    return events;
}

int ray_history_keep(struct local *local, const struct object *job, const cJSON *status, const struct ray_log *log,
                     struct error *error)
{
    AUTO_JSON cJSON *events = events_of(local, job, json_text_or("", status, "rayClusterName", NULL));
    const struct engine_run run = {
        .job = job->body, .status = status, .events = events, .log = log->text, .log_cut = log->cut};
    return rayruns_keep(local->store, &run, error);
}

int ray_history_forget(struct local *local, const char *namespace, struct error *error)
{
    return rayruns_forget(local->store, namespace, error);
}

int64_t ray_history_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    (void)namespace;
    (void)name;
    return rayruns_age(local->store, error);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

int ray_history_list(struct engine *engine, const char *namespace, const char *name, cJSON **ret, struct error *error)
{
    return rayruns_list(local_of(engine)->store, namespace, name, 0, ret, error);
}

int ray_history_log(struct engine *engine, const char *namespace, const char *name, const char *job_id, char **ret,
                    bool *ret_cut, struct error *error)
{
    struct local *local = local_of(engine);
    AUTO_OBJECT struct object *job = objects_find(local->objects, KIND_RAYJOB, namespace, name);
    struct ray_log log = {0};
    const char *running = job ? json_text_or("", job->body, "status", "jobId", NULL) : "";
    if (!running[0] || (job_id && strcmp(running, job_id) != 0) || !rayjob_runs(job))
        return rayruns_log(local->store, namespace, name, job_id, 0, ret, ret_cut, error);
    int r = rayjob_log(local, job, &log, error);
    if (r == 0) {
        *ret = log.text;
        *ret_cut = log.cut;
    }
    return r;
}
