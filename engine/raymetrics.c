/* Which figures does the dashboard of a Ray cluster embed? */
#include "engine/raymetrics.h"

#define HOST_MAX 511
#define PROMETHEUS "RAY_PROMETHEUS_HOST"
#define GRAFANA "RAY_GRAFANA_HOST"
#define GRAFANA_IFRAME "RAY_GRAFANA_IFRAME_HOST"
#define NOWHERE "DISABLED" /* ray/dashboard/modules/metrics/metrics_head.py, GRAFANA_HOST_DISABLED_VALUE */

/* Ray adds paths to it: "" and what ends with slashes are fine. */
static struct slice base_of(const char *url)
{
    struct slice base = slice_of(url ? url : "");
    while (slice_ends(base, "/"))
        base.n--;
    return base;
}

static int check(const char *setting, const char *url, struct error *error)
{
    struct slice base = base_of(url);
    if (base.n && !slice_starts(base, "http://") && !slice_starts(base, "https://"))
        return error_set(error, ERROR_INVALID, setting, "%s: expected a URL such as http://host:port", setting);
    if (base.n > HOST_MAX)
        return error_set(error, ERROR_INVALID, setting, "%s: longer than %d characters", setting, HOST_MAX);
    return 0;
}

int raymetrics_check(const struct raymetrics *hosts, struct error *error)
{
    bool grafana = base_of(hosts->grafana).n > 0;
    int failed = check("ray_prometheus_host", hosts->prometheus, error);
    if (!failed)
        failed = check("ray_grafana_host", hosts->grafana, error);
    if (!failed)
        failed = check("ray_grafana_iframe_host", hosts->grafana_iframe, error);
    if (!failed && grafana && !base_of(hosts->prometheus).n)
        failed = error_set(error, ERROR_INVALID, "ray_grafana_host",
                           "ray_grafana_host needs ray_prometheus_host: a dashboard asks both");
    if (!failed && base_of(hosts->grafana_iframe).n && !grafana)
        failed = error_set(error, ERROR_INVALID, "ray_grafana_iframe_host",
                           "ray_grafana_iframe_host is another address of ray_grafana_host, which is not set");
    return failed;
}

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

void raymetrics_complete(const struct raymetrics *hosts, cJSON *container)
{
    cJSON *env = environment(container);
    struct slice grafana = base_of(hosts->grafana);
    add(env, PROMETHEUS, base_of(hosts->prometheus));
    add(env, GRAFANA, grafana.n ? grafana : slice_of(NOWHERE));
    add(env, GRAFANA_IFRAME, base_of(hosts->grafana_iframe));
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
