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
/* Adds the variables that a head's container has not got itself. <hosts>: checked ones. */
void raymetrics_complete(const struct raymetrics *hosts, cJSON *container);
/* Instead, for a head that runs: only those that it has in <old>, as they are there. */
void raymetrics_keep(const cJSON *old, cJSON *container);

#endif
