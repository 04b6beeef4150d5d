/*
 * Who reads what workloads use, and when they are used: every `sample_s` seconds the engine is asked, each pod's
 * reading given to the workload it belongs to, and the sums are written (controlplane/samples.h). On a cluster the
 * leader does so.
 */
#ifndef ATELIER_CONTROLPLANE_SAMPLER_H
#define ATELIER_CONTROLPLANE_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

struct engine;
struct gateway;
struct store;
struct sampler;
/* Starts. Every replica writes down what its <gateway> saw (controlplane/use.h). */
struct sampler *sampler_new(struct engine *engine, struct store *store, struct gateway *gateway, int64_t every_s);
void sampler_free(struct sampler *sampler); /* before the gateway; NULL is fine */
/* False, with a sentence for people, when the last reading failed: then samples are missing. Any thread; may ask the
 * engine where this replica does not lead. */
bool sampler_works(struct sampler *sampler, struct error *error);
/* What was last read, as engine_measure tells it: *ret a copy, the caller's, and when that was (wall clock). Empty
 * before the first reading; the error of the last one if that failed. Any thread; where the engine leads only. */
int sampler_last(struct sampler *sampler, cJSON **ret, int64_t *ret_at_ms, struct error *error);

#endif
