/*
 * What is kept of runs of Ray jobs that have ended, when their clusters are gone: the final status, events and the end
 * of the driver's log, in PostgreSQL. One entry a run (each retry is one). Bounded: see the constants in rayruns.c.
 *
 * Threads: any; all block.
 */
#ifndef ATELIER_ENGINE_RAYRUNS_H
#define ATELIER_ENGINE_RAYRUNS_H

#include "engine/engine.h"
#include "store/store.h"

/* A run that is there already keeps its time, and its log unless this one is longer. */
int rayruns_keep(struct store *store, const struct engine_run *run, struct error *error);
/* Those that ended after <since_ms>, newest first, as engine_job_history returns them. <name> NULL: of every job. */
int rayruns_list(struct store *store, const char *namespace, const char *name, int64_t since_ms, cJSON **ret,
                 struct error *error);
/* The log of one of these, <job_id> NULL: of the latest; NOT_FOUND. *ret is the caller's. */
int rayruns_log(struct store *store, const char *namespace, const char *name, const char *job_id, int64_t since_ms,
                char **ret, bool *ret_cut, struct error *error);
/* Everything of a namespace goes. */
int rayruns_forget(struct store *store, const char *namespace, struct error *error);
/* What is older than it may be goes. */
int rayruns_age(struct store *store, struct error *error);
/* Array of the names of the namespaces that have any. */
int rayruns_namespaces(struct store *store, cJSON **ret, struct error *error);

#endif
