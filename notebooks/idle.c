/* When was a notebook last used, and how is one stopped that nobody uses? */
#include "notebooks/notebooks.h"

#include "base/clock.h"
#include "notebooks/render.h"
#include "tenancy/ask.h"

static const char *namespace_of(const cJSON *notebook)
{
    return json_text_or("", notebook, "metadata", "namespace", NULL);
}

static const char *name_of(const cJSON *notebook)
{
    return json_text_or("", notebook, "metadata", "name", NULL);
}

static bool idle_runs(const cJSON *notebook, int64_t *ret_since_ms)
{
    const char *since = json_text_or("", notebook, "status", "containerState", "running", "startedAt", NULL);
    return !notebook_is_stopped(notebook) && !json_text(notebook, "metadata", "deletionTimestamp", NULL) &&
           strcmp(json_text_or("", notebook, "status", "phase", NULL), "Running") == 0 &&
           clock_parse(slice_of(since), ret_since_ms);
}

/* --- what its server says ----------------------------------------------------------------------------------------- */

/* Asking is no use: no_track_activity keeps it out of Jupyter's own account of that. */
static int ask_one(struct engine *engine, const cJSON *notebook, const char *what, int *ret_status, cJSON **ret,
                   struct error *error)
{
    const char *namespace = namespace_of(notebook), *name = name_of(notebook);
    AUTO_FREE char *secret = notebook_secret_name(name);
    AUTO_FREE char *path = memory_format("/notebook/%s/%s/api/%s?no_track_activity=1", namespace, name, what);
    const struct ask ask = {.engine = engine,
                            .namespace = namespace,
                            .service = name,
                            .port = "80",
                            .secret = secret,
                            .key = "token",
                            .header = "Authorization: token "};
    return ask_json(&ask, path, ret_status, ret, error);
}

/* Kernels and terminals alike: the latest last_activity; now, if a kernel is computing. One that is "starting" may be
 * so for ever: nobody connected to it. */
static int take_activity(const cJSON *list, int64_t now_ms, int64_t *last_ms, struct error *error)
{
    const cJSON *item;
    if (!cJSON_IsArray(list))
        return error_set(error, ERROR_UPSTREAM, NULL, "the notebook's server does not list its kernels");
    cJSON_ArrayForEach(item, list)
    {
        int64_t at_ms = 0;
        (void)clock_parse(slice_of(json_text_or("", item, "last_activity", NULL)), &at_ms);
        if (strcmp(json_text_or("", item, "execution_state", NULL), "busy") == 0)
            at_ms = now_ms;
        *last_ms = at_ms > *last_ms ? at_ms : *last_ms;
    }
    return 0;
}

static int idle_ask(struct engine *engine, const cJSON *notebook, int64_t now_ms, int64_t *ret_ms, struct error *error)
{
    AUTO_JSON cJSON *kernels = NULL;
    AUTO_JSON cJSON *terminals = NULL;
    int status = 0;
    int r = ask_one(engine, notebook, "kernels", &status, &kernels, error);
    if (r == 0)
        r = take_activity(kernels, now_ms, ret_ms, error);
    if (r < 0)
        return r;
    r = ask_one(engine, notebook, "terminals", &status, &terminals, error);
    if (r < 0)
        return status == 404 ? 0 : r; /* 404: a server without terminals */
    return take_activity(terminals, now_ms, ret_ms, error);
}

/* --- stopping ----------------------------------------------------------------------------------------------------- */

/* What was read is what is stopped: a click on "keep" that crosses this wins. */
static int idle_stop(struct engine *engine, const cJSON *notebook, const char *now, struct error *error)
{
    AUTO_JSON cJSON *patch = json_object();
    cJSON *metadata = json_object_in(patch, "metadata");
    cJSON *annotations = json_object_in(metadata, "annotations");
    json_set_text(metadata, "resourceVersion", json_text(notebook, "metadata", "resourceVersion", NULL));
    json_set_text(annotations, NOTEBOOK_STOPPED, now);
    json_set_text(annotations, NOTEBOOK_STOPPED_IDLE, now);
    return engine_patch(engine, KIND_NOTEBOOK, namespace_of(notebook), name_of(notebook), ENGINE_SPEC,
                        ENGINE_PATCH_MERGE, patch, NULL, error);
}

struct idle_watch *notebooks_idle_new(struct engine *engine, const struct idle_options *options)
{
    static const struct idle_keeper keeper = {
        .kind = KIND_NOTEBOOK, .runs = idle_runs, .ask = idle_ask, .stop = idle_stop};
    return idle_watch_new(engine, "notebooks-idle", options, &keeper);
}
