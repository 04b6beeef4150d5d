/*
 * Where Ray's dashboards find what their metrics pages show: one Prometheus and one Grafana for all clusters of the
 * installation. Without them a dashboard hides those pages (RAY_GRAFANA_HOST=DISABLED) instead of showing that nothing
 * answers (https://docs.ray.io/en/latest/cluster/configure-manage-dashboard.html, "Embed Grafana visualizations").
 *
 * Threads: any.
 */
#ifndef ATELIER_ENGINE_RAYMETRICS_H
#define ATELIER_ENGINE_RAYMETRICS_H

#include "base/error.h"
#include "base/json.h"

struct raymetrics {
    const char *prometheus;     /* URL, as a head reaches it; "" or NULL: none */
    const char *grafana;        /* the same; it needs <prometheus> */
    const char *grafana_iframe; /* as a person's browser reaches Grafana; "" or NULL: the same */
};
/* INVALID names the setting (ray_prometheus_host, ray_grafana_host, ray_grafana_iframe_host). */
int raymetrics_check(const struct raymetrics *hosts, struct error *error);
/* What Ray adds paths to: <url> without slashes at its end; it belongs to <url>. Empty for NULL. */
struct slice raymetrics_base(const char *url);

#endif
