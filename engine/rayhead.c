/* Which variables has the head of a Ray cluster from the platform? */
#include "engine/rayhead.h"

#define PROMETHEUS "RAY_PROMETHEUS_HOST"
#define GRAFANA "RAY_GRAFANA_HOST"
#define GRAFANA_IFRAME "RAY_GRAFANA_IFRAME_HOST"
#define NOWHERE "DISABLED" /* ray/dashboard/modules/metrics/metrics_head.py, GRAFANA_HOST_DISABLED_VALUE */
#define FORK_HANDLERS "GRPC_ENABLE_FORK_SUPPORT"

static cJSON *environment(cJSON *container)
{
    cJSON *env = json_member(container, "env");
    return cJSON_IsArray(env) ? env : json_set(container, "env", json_array());
}

static void add(cJSON *env, const char *name, struct slice value)
{
    if (!value.n || json_named(env, name))
        return;
    AUTO_FREE char *text = memory_text_n(value.p, value.n);
    cJSON *variable = json_push(env, json_object());
    json_set_text(variable, "name", name);
    json_set_text(variable, "value", text);
}

void rayhead_complete(const struct raymetrics *hosts, cJSON *container)
{
    cJSON *env = environment(container);
    struct slice grafana = raymetrics_base(hosts->grafana);
    add(env, PROMETHEUS, raymetrics_base(hosts->prometheus));
    add(env, GRAFANA, grafana.n ? grafana : slice_of(NOWHERE));
    add(env, GRAFANA_IFRAME, raymetrics_base(hosts->grafana_iframe));
    add(env, FORK_HANDLERS, slice_of("0"));
}

void rayhead_keep(const cJSON *old, cJSON *container)
{
    static const char *const names[] = {PROMETHEUS, GRAFANA, GRAFANA_IFRAME, FORK_HANDLERS};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const cJSON *was = json_named(json_member(old, "env"), names[i]);
        if (was && !json_named(json_member(container, "env"), names[i]))
            json_push(environment(container), json_copy(was));
    }
}
