/* Which figures does the dashboard of a Ray cluster embed? */
#include "engine/raymetrics.h"

#define HOST_SIZE 512
#define PROMETHEUS "RAY_PROMETHEUS_HOST"
#define GRAFANA "RAY_GRAFANA_HOST"
#define GRAFANA_IFRAME "RAY_GRAFANA_IFRAME_HOST"
#define NOWHERE "DISABLED" /* ray/dashboard/modules/metrics/metrics_head.py, GRAFANA_HOST_DISABLED_VALUE */

static char prometheus[HOST_SIZE], grafana[HOST_SIZE], grafana_iframe[HOST_SIZE];

/* Ray adds paths to it. */
static int take(const char *setting, const char *url, char ret[HOST_SIZE], struct error *error)
{
    struct slice rest = slice_of(url ? url : "");
    if (rest.n && !slice_starts(rest, "http://") && !slice_starts(rest, "https://"))
        return error_set(error, ERROR_INVALID, setting, "%s: expected a URL such as http://host:port", setting);
    while (slice_ends(rest, "/"))
        rest.n--;
    if (rest.n >= HOST_SIZE)
        return error_set(error, ERROR_INVALID, setting, "%s: longer than %d characters", setting, HOST_SIZE - 1);
    snprintf(ret, HOST_SIZE, "%.*s", (int)rest.n, rest.n ? rest.p : "");
    return 0;
}

int raymetrics_use(const struct raymetrics *hosts, struct error *error)
{
    int failed = take("ray_prometheus_host", hosts->prometheus, prometheus, error);
    if (!failed)
        failed = take("ray_grafana_host", hosts->grafana, grafana, error);
    if (!failed)
        failed = take("ray_grafana_iframe_host", hosts->grafana_iframe, grafana_iframe, error);
    if (!failed && *grafana && !*prometheus)
        failed = error_set(error, ERROR_INVALID, "ray_grafana_host",
                           "ray_grafana_host needs ray_prometheus_host: a dashboard asks both");
    if (!failed && *grafana_iframe && !*grafana)
        failed = error_set(error, ERROR_INVALID, "ray_grafana_iframe_host",
                           "ray_grafana_iframe_host is another address of ray_grafana_host, which is not set");
    return failed;
}

static cJSON *environment(cJSON *container)
{
    cJSON *env = json_member(container, "env");
    return cJSON_IsArray(env) ? env : json_set(container, "env", json_array());
}

static void add(cJSON *env, const char *name, const char *value)
{
    if (!*value || json_named(env, name))
        return;
    cJSON *variable = json_push(env, json_object());
    json_set_text(variable, "name", name);
    json_set_text(variable, "value", value);
}

void raymetrics_complete(cJSON *container)
{
    cJSON *env = environment(container);
    add(env, PROMETHEUS, prometheus);
    add(env, GRAFANA, *grafana ? grafana : NOWHERE);
    add(env, GRAFANA_IFRAME, grafana_iframe);
}

void raymetrics_keep(const cJSON *old, cJSON *container)
{
    static const char *const names[] = {PROMETHEUS, GRAFANA, GRAFANA_IFRAME};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const cJSON *was = json_named(json_member(old, "env"), names[i]);
        if (was && !json_named(json_member(container, "env"), names[i]))
            json_push(environment(container), json_copy(was));
    }
}
