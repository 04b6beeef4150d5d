/* What has the machine left, who holds it, and what do workloads really use? */
#include "controlplane/handlers.h"

#include "base/clock.h"
#include "controlplane/sampler.h"
#include "controlplane/samples.h"

#define SINCE_MS 3600000  /* without `since`: the last hour */
#define STEPS_WANTED 1440 /* without `step`: at most about so many a workload */

/* Others' profiles are nobody's business: only admins see all. */
static void keep_own(const struct call *call, cJSON *profiles)
{
    cJSON *item = profiles ? profiles->child : NULL, *next;
    for (; item; item = next) {
        next = item->next;
        const char *name = json_text_or("", item, "name", NULL);
        if (policy_role(call->request->policy, call->request->identity, name) == ROLE_NONE)
            cJSON_Delete(cJSON_DetachItemViaPointer(profiles, item));
    }
}

int usage_get(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *usage = NULL;
    int status = engine_usage(call->server->engine, &usage, error);
    if (status < 0)
        return status;
    if (!call->request->identity->platform_admin)
        keep_own(call, json_member(usage, "profiles"));
    call_json(call, 200, usage);
    return 0;
}

/* --- over time ---------------------------------------------------------------------------------------------------- */

static int read_query(const struct call *call, struct samples_query *ret, struct error *error)
{
    const char *since = request_query(call->request, "since");
    const char *kind = request_query(call->request, "kind"), *name = request_query(call->request, "name");
    *ret = (struct samples_query){.profile = call_parameter(call, "p"),
                                  .kind = kind ? kind : "",
                                  .name = name ? name : "",
                                  .now_ms = clock_wall_ms(),
                                  .limit = LIMIT_SAMPLES};
    ret->since_ms = ret->now_ms - SINCE_MS;
    if (kind && strcmp(kind, "Notebook") != 0 && strcmp(kind, "RayCluster") != 0)
        return error_set(error, ERROR_BAD_REQUEST, "kind", "kind must be Notebook or RayCluster");
    if (name && !kind)
        return error_set(error, ERROR_BAD_REQUEST, "kind", "a name needs its kind: Notebook or RayCluster");
    if (name && !name_is_label(slice_of(name)))
        return error_set(error, ERROR_BAD_REQUEST, "name", "name must be a workload's: lower-case letters, digits, -");
    if (since && !clock_parse(slice_of(since), &ret->since_ms))
        return error_set(error, ERROR_BAD_REQUEST, "since", "since must be a time such as 2026-11-23T03:00:00Z");
    int64_t oldest_ms = ret->now_ms - SAMPLE_QUARTERS_KEPT_S * 1000LL;
    ret->since_ms = ret->since_ms < oldest_ms ? oldest_ms : ret->since_ms;
    int64_t span_s = (ret->now_ms - ret->since_ms) / 1000;
    int64_t least = span_s > SAMPLE_MINUTES_KEPT_S ? SAMPLE_QUARTER_S : SAMPLE_MINUTE_S;
    ret->step_s = span_s > STEPS_WANTED * least ? span_s / STEPS_WANTED : least;
    int status = call_query_i64(call, "step", 1, SAMPLE_QUARTERS_KEPT_S, &ret->step_s, error);
    ret->step_s = (ret->step_s + least - 1) / least * least;
    return status;
}

int usage_samples(struct call *call, struct error *error)
{
    struct samples_query query;
    struct error trouble = {0};
    cJSON *items = NULL;
    int status = read_query(call, &query, error);
    if (status == 0)
        status = samples_read(call->server->store, &query, &items, error);
    if (status < 0)
        return status;
    call_keep_readable(call, query.profile, NULL, items);
    AUTO_JSON cJSON *answer = json_object();
    json_set_i64(answer, "step", query.step_s);
    if (!sampler_works(call->server->sampler, &trouble))
        json_set_text(answer, "trouble", trouble.message);
    json_set(answer, "items", items);
    call_json(call, 200, answer);
    return 0;
}
