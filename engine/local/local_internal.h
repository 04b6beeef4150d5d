/*
 * What the parts of the local engine share: one struct, and which file answers for which part of it.
 */
#ifndef ATELIER_ENGINE_LOCAL_LOCAL_INTERNAL_H
#define ATELIER_ENGINE_LOCAL_LOCAL_INTERNAL_H

#include "base/outbound.h"
#include "engine/engine_internal.h"
#include "engine/local/local.h"
#include "engine/local/objects.h"
#include "engine/local/sandbox.h"

struct reconciler;
struct scheduler;
struct prober;
struct event_sink;
struct image_store;
struct hosts;
struct ray_watcher;
struct ray_serve_memory;
struct meter;
struct disk_guard;

struct local {
    struct engine base;
    struct store *store;
    struct hub *hub;
    struct objects *objects;
    struct sandbox_client *sandbox;
    struct reconciler *reconciler;   /* reconcile.h */
    struct scheduler *scheduler;     /* schedule.h */
    struct prober *prober;           /* probe.h */
    struct event_sink *events;       /* events.h */
    struct image_store *images;      /* images.h */
    struct hosts *hosts;             /* service.h */
    struct ray_watcher *rays;        /* rayhealth.h */
    struct ray_serve_memory *serves; /* rayserve.h */
    struct meter *meter;             /* meter.h */
    struct disk_guard *disk;         /* disk.h */
    struct engine_traits traits;
    struct outbound_policy outbound; /* the installation's; a namespace's annotation narrows it */
};

static inline struct local *local_of(struct engine *engine)
{
    return (struct local *)engine;
}

/* Annotations and values that only this engine writes. */
#define ANNOTATION_HEAD "atelier.dev/ray-head" /* on worker Pods: which life of which head they joined */
#define LABEL_REVISION "controller-revision-hash"

#endif
