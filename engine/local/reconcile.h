/*
 * Which controller looks at what, and when: changes of objects and news from sandboxd become keys of three queues (one
 * for objects, one for pods, one for probes, so that a slow start never holds back a status).
 *
 * A controller is a function of the table in reconcile.c: it reads what is wanted and what is, and writes the
 * difference. It returns 0 (done), milliseconds until it wants to look again, or a negative error (backoff).
 */
#ifndef ATELIER_ENGINE_LOCAL_RECONCILE_H
#define ATELIER_ENGINE_LOCAL_RECONCILE_H

#include "engine/local/local_internal.h"

enum controller {
    CONTROL_NAMESPACE,
    CONTROL_CLAIM,
    CONTROL_STATEFULSET,
    CONTROL_RAYCLUSTER,
    CONTROL_HOSTS,   /* name is empty: a whole namespace */
    CONTROL_QUOTA,   /* as above */
    CONTROL_GARBAGE, /* as above */
    CONTROL_ORPHANS, /* namespace and name are empty: pods of sandboxd without an object */
    CONTROL_TICK,    /* as above: everything that is due by time alone */
    CONTROL_POD,
    CONTROL_PROBE,
    CONTROL_RAYHEAD,
    CONTROL_RAYJOB,
    CONTROL_RAYSERVICE,
    CONTROL_RAYSTORE,   /* name is empty */
    CONTROL_RAYHISTORY, /* namespace and name are empty */
    CONTROL_DISK,       /* as above */
    CONTROLLER_COUNT
};

struct reconciler *reconciler_new(struct local *local);
void reconciler_start(struct reconciler *reconciler); /* queues everything that exists */
void reconciler_stop(struct reconciler *reconciler);  /* waits for running controllers */
void reconciler_free(struct reconciler *reconciler);

/* objects_listener */
void reconcile_changed(void *context, struct object *before, struct object *now);
/* sandbox_changed */
void reconcile_pod_news(void *context, const char *sandbox, const char *pod);

void reconcile_now(struct local *local, enum controller controller, const char *namespace, const char *name);
void reconcile_after(struct local *local, enum controller controller, const char *namespace, const char *name,
                     int64_t delay_ms);
/* Pods that wait for room look again. */
void reconcile_waiting_pods(struct local *local, const char *namespace /* NULL: all */);

/* The controllers, one a file. */
int64_t namespace_reconcile(struct local *, const char *namespace, const char *name, struct error *);
int64_t claim_reconcile(struct local *, const char *namespace, const char *name, struct error *);
int64_t statefulset_reconcile(struct local *, const char *namespace, const char *name, struct error *);
int64_t raycluster_reconcile(struct local *, const char *namespace, const char *name, struct error *);
int64_t hosts_reconcile(struct local *, const char *namespace, const char *name, struct error *);
int64_t quota_reconcile(struct local *, const char *namespace, const char *name, struct error *);
int64_t garbage_reconcile(struct local *, const char *namespace, const char *name, struct error *);
int64_t orphans_reconcile(struct local *, const char *namespace, const char *name, struct error *);
int64_t tick_reconcile(struct local *, const char *namespace, const char *name, struct error *);
int64_t pod_reconcile(struct local *, const char *namespace, const char *name, struct error *);
int64_t probe_reconcile(struct local *, const char *namespace, const char *name, struct error *);
int64_t rayhead_reconcile(struct local *, const char *namespace, const char *name, struct error *);
int64_t raystore_reconcile(struct local *, const char *namespace, const char *name, struct error *);
int64_t rayjob_reconcile(struct local *, const char *namespace, const char *name, struct error *);
int64_t rayservice_reconcile(struct local *, const char *namespace, const char *name, struct error *);

#endif
