/* Which figures does the dashboard of a Ray cluster embed? */
#include "engine/raymetrics.h"

#define HOST_MAX 511

struct slice raymetrics_base(const char *url)
{
    struct slice base = slice_of(url ? url : "");
    while (slice_ends(base, "/"))
        base.n--;
    return base;
}

static int check(const char *setting, const char *url, struct error *error)
{
    struct slice base = raymetrics_base(url);
    if (base.n && !slice_starts(base, "http://") && !slice_starts(base, "https://"))
        return error_set(error, ERROR_INVALID, setting, "%s: expected a URL such as http://host:port", setting);
    if (base.n > HOST_MAX)
        return error_set(error, ERROR_INVALID, setting, "%s: longer than %d characters", setting, HOST_MAX);
    return 0;
}

int raymetrics_check(const struct raymetrics *hosts, struct error *error)
{
    bool grafana = raymetrics_base(hosts->grafana).n > 0;
    int failed = check("ray_prometheus_host", hosts->prometheus, error);
    if (!failed)
        failed = check("ray_grafana_host", hosts->grafana, error);
    if (!failed)
        failed = check("ray_grafana_iframe_host", hosts->grafana_iframe, error);
    if (!failed && grafana && !raymetrics_base(hosts->prometheus).n)
        failed = error_set(error, ERROR_INVALID, "ray_grafana_host",
                           "ray_grafana_host needs ray_prometheus_host: a dashboard asks both");
    if (!failed && raymetrics_base(hosts->grafana_iframe).n && !grafana)
        failed = error_set(error, ERROR_INVALID, "ray_grafana_iframe_host",
                           "ray_grafana_iframe_host is another address of ray_grafana_host, which is not set");
    return failed;
}
