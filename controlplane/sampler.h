/*
 * Who reads what workloads use, and when: every `sample_s` seconds the engine is asked, each pod's reading given to the
 * workload it belongs to, and the sums are written (controlplane/samples.h). On a cluster the leader does so.
 */
#ifndef ATELIER_CONTROLPLANE_SAMPLER_H
#define ATELIER_CONTROLPLANE_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct engine;
struct store;
struct sampler;
struct sampler *sampler_new(struct engine *engine, struct store *store, int64_t every_s); /* starts */
void sampler_free(struct sampler *sampler);                                               /* NULL is fine */
/* False, with a sentence for people, when the last reading failed: then samples are missing. Any thread; may ask the
 * engine where this replica does not lead. */
bool sampler_works(struct sampler *sampler, struct error *error);

#endif
