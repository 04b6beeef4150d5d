/* What is kept of Ray jobs that have ended on a cluster? */
#include "base/clock.h"
#include "engine/kubernetes/internal.h"
#include "engine/rayruns.h"

/* A profile of that name that was deleted may have been somebody else's. */
static int begun_ms(struct kubernetes *kubernetes, const char *namespace, int64_t *ret, struct error *error)
{
    AUTO_JSON cJSON *object = NULL;
    int r = object_get(&kubernetes->base, KIND_NAMESPACE, NULL, namespace, &object, error);
    if (r == 0 && !clock_parse(slice_of(json_text_or("", object, "metadata", "creationTimestamp", NULL)), ret))
        r = error_set(error, ERROR_UPSTREAM, NULL, "the namespace does not say since when it is there");
    return r;
}

static int check_store(const struct kubernetes *kubernetes, struct error *error)
{
    return kubernetes->store ? 0 : error_set(error, ERROR_METHOD, NULL, "jobs that have ended are not kept here");
}

int runs_list(struct engine *engine, const char *namespace, const char *name, cJSON **ret, struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    int64_t since_ms = 0;
    int r = check_store(kubernetes, error);
    if (r == 0)
        r = begun_ms(kubernetes, namespace, &since_ms, error);
    return r < 0 ? r : rayruns_list(kubernetes->store, namespace, name, since_ms, ret, error);
}

int runs_log(struct engine *engine, const char *namespace, const char *name, const char *job_id, char **ret,
             bool *ret_cut, struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    int64_t since_ms = 0;
    int r = check_store(kubernetes, error);
    if (r == 0)
        r = begun_ms(kubernetes, namespace, &since_ms, error);
    return r < 0 ? r : rayruns_log(kubernetes->store, namespace, name, job_id, since_ms, ret, ret_cut, error);
}

int runs_keep(struct engine *engine, const struct engine_run *run, struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    int r = check_store(kubernetes, error);
    return r < 0 ? r : rayruns_keep(kubernetes->store, run, error);
}

int runs_tidy(struct engine *engine, struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    AUTO_JSON cJSON *namespaces = NULL;
    const cJSON *namespace;
    int r = check_store(kubernetes, error);
    if (r == 0)
        r = rayruns_age(kubernetes->store, error);
    if (r == 0)
        r = rayruns_namespaces(kubernetes->store, &namespaces, error);
    cJSON_ArrayForEach(namespace, namespaces)
    {
        int64_t ignored = 0;
        if (r == 0 && begun_ms(kubernetes, namespace->valuestring, &ignored, NULL) == -ERROR_NOT_FOUND)
            r = rayruns_forget(kubernetes->store, namespace->valuestring, error);
    }
    return r;
}
