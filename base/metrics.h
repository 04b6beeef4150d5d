/*
 * The metrics registry: counters and gauges in Prometheus text format 0.0.4. Metrics are static objects registered
 * once; adding is one atomic. Names follow Prometheus naming (atelier_<room>_<what>_<unit>[_total]).
 */
#ifndef ATELIER_BASE_METRICS_H
#define ATELIER_BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/text.h"

struct metric {
    const char *name, *help;
    const char *labels; /* "" or 'reason="idle",kind="ws"' */
    bool gauge;
    _Atomic int64_t value;
    struct metric *next; /* the registry's */
    _Atomic bool registered;
};
#define METRIC_COUNTER(n, h)                                                                                           \
    {                                                                                                                  \
        .name = (n), .help = (h), .labels = ""                                                                         \
    }
#define METRIC_GAUGE(n, h)                                                                                             \
    {                                                                                                                  \
        .name = (n), .help = (h), .labels = "", .gauge = true                                                          \
    }
void metric_add(struct metric *metric, int64_t amount); /* registers on first use; any thread */
void metric_set(struct metric *metric, int64_t value);
void metric_drop(struct metric *metric); /* takes it out of the registry before its memory goes */
void metrics_print(struct buffer *ret);  /* also process_* of this process */

#endif
