/*
 * What workloads have used: rows of usage_samples, written by the sampler (controlplane/sampler.h), read by people.
 *
 * A reading is added to the mean of its workload's minute; minutes become quarters of an hour; old rows are deleted.
 * Threads: any. Calls block, as everything that asks the store does.
 */
#ifndef ATELIER_CONTROLPLANE_SAMPLES_H
#define ATELIER_CONTROLPLANE_SAMPLES_H

#include "base/json.h"

struct store;

#define SAMPLE_MINUTE_S 60
#define SAMPLE_QUARTER_S 900
#define SAMPLE_MINUTES_KEPT_S 86400
#define SAMPLE_QUARTERS_KEPT_S (30 * 86400)

/* <readings>: [{"profile","kind","name","cpu","memory","cpu_limit","memory_limit","nodes"}], all of one moment. Those
 * of what is no profile are left out. */
int samples_add(struct store *store, int64_t now_ms, const cJSON *readings, struct error *error);
/* Sums up the quarters that are over and deletes what is too old. */
int samples_condense(struct store *store, int64_t now_ms, struct error *error);

struct samples_query {
    const char *profile, *kind, *name; /* kind and name may be "": all workloads of the profile */
    int64_t since_ms, now_ms, step_s;  /* step_s: a multiple of SAMPLE_MINUTE_S */
    int64_t limit;                     /* BAD_REQUEST if there are more */
};
/* *ret: the items of docs/api.md, by time. */
int samples_read(struct store *store, const struct samples_query *query, cJSON **ret, struct error *error);

#endif
