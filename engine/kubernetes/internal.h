/* What one kubernetes engine is made of; for the files of this room. */
#ifndef ATELIER_ENGINE_KUBERNETES_INTERNAL_H
#define ATELIER_ENGINE_KUBERNETES_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "engine/engine_internal.h"
#include "engine/kubernetes/cache.h"
#include "engine/kubernetes/client.h"
#include "engine/kubernetes/kubernetes.h"
#include "engine/kubernetes/lease.h"
#include "engine/kubernetes/reflector.h"

#define FIELD_MANAGER "atelier"

/* How a kind is kept. */
enum keeping {
    KEPT_NOT,   /* asked for each time: only people read it, or it is too large */
    KEPT_WHOLE, /* every object's text */
    KEPT_OURS,  /* the text of objects with our label */
    KEPT_DRIFT, /* the metadata of objects with our label: enough to see that they are as we left them */
    KEPT_COUNT
};

/* What differs between KubeRays, as a number: how they ask for tokens, times KUBERAY_FLAGS, and these. */
enum {
    KUBERAY_COMMAND = 1, /* ray_autoscaler_command */
    KUBERAY_GATEWAY = 2, /* ray_gateway */
    KUBERAY_FLAGS = 4,
    KUBERAY_COUNT = ENGINE_RAY_AUTH_COUNT * KUBERAY_FLAGS
};

struct kubernetes {
    struct engine base;
    struct kube_client *client;
    char *namespace, *tenant_namespace, *images;
    struct store *store;                        /* or NULL */
    bool inside;                                /* a pod of the cluster: services are reached by name */
    struct engine_traits traits[KUBERAY_COUNT]; /* one for each KubeRay there may be */
    _Atomic(unsigned) kuberay;                  /* chooses one of them */
    struct names *names;
    struct packer *packer;
    struct hub *hub;
    struct trees *trees;
    struct cache *caches[KIND_COUNT]; /* NULL: KEPT_NOT */
    struct reflector *reflectors[KIND_COUNT];
    struct lease *lease; /* NULL: always leads */
    struct events *events;

    pthread_t discoverer;
    char *ray_schema; /* the discoverer's: where the schema of KubeRay's kinds was last read; NULL: not yet */
    bool discovering;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool stop;
    bool discovered;          /* once */
    struct error unreachable; /* why the last discovery failed */
    bool has[KIND_COUNT];
    int64_t answered_ms;        /* when the API server last answered discovery; monotonic */
    struct map *shapes;         /* applying.c */
    pthread_mutex_t asking;     /* held by the one who asks for a shape; taken before <lock> */
    struct map *made;           /* namespaces that this process made: nothing of others is in them */
    pthread_mutex_t addressing; /* guards the next two, and is held while they are asked for */
    cJSON *addresses;           /* addresses.c; NULL: not known yet */
    int64_t addresses_ms;
};
struct kubernetes *kubernetes_of(struct engine *engine);
enum keeping keeping_of(enum engine_kind kind);
/* The kind's cache once it is complete, or NULL where it is not kept so. UNAVAILABLE if it stays incomplete. */
int cache_of(struct kubernetes *kubernetes, enum engine_kind kind, struct cache **ret, struct error *error);
/* UNAVAILABLE for a reconciler's write while another process leads. */
int check_leads(struct kubernetes *kubernetes, struct error *error);

/* discovery.c: which kinds there are, now and every DISCOVERY_MS. */
void *discovery_run(void *kubernetes);
bool discovery_has(void *kubernetes, enum engine_kind kind);

/* objects.c: the operations of the same names. */
int object_create(struct engine *engine, enum engine_kind kind, const char *namespace, const cJSON *object, cJSON **ret,
                  struct error *error);
int object_get(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
               struct error *error);
int object_each(struct engine *engine, enum engine_kind kind, const char *namespace,
                const struct engine_list_options *options, void (*visit)(void *context, const cJSON *object),
                void *context, char **ret_version, struct error *error);
int object_list(struct engine *engine, enum engine_kind kind, const char *namespace,
                const struct engine_list_options *options, cJSON **ret, struct error *error);
int object_update(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name,
                  enum engine_part part, const cJSON *object, cJSON **ret, struct error *error);
int object_patch(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name,
                 enum engine_part part, enum engine_patch type, const cJSON *patch, cJSON **ret, struct error *error);
int object_remove(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
                  struct error *error);
int object_remove_unchanged(struct engine *engine, enum engine_kind kind, const cJSON *object, struct error *error);
int object_watch(struct engine *engine, enum engine_kind kind, const char *namespace,
                 const struct engine_list_options *options, const char *resource_version, engine_watcher watcher,
                 void *context, struct engine_watch **ret, struct error *error);
void object_unwatch(struct engine_watch *watch);
/* Asks the API server itself, whatever is kept. */
int object_get_live(struct kubernetes *kubernetes, enum engine_kind kind, const char *namespace, const char *name,
                    cJSON **ret, struct error *error);
/* Sends a write and lets the cache see what came of it. <applied>: our own server-side apply. */
int object_send(struct kubernetes *kubernetes, enum engine_kind kind, const struct kube_request *request, bool applied,
                cJSON **ret, struct error *error);

/* applying.c */
int object_apply(struct engine *engine, enum engine_kind kind, const char *namespace, const cJSON *wanted,
                 bool *ret_written, struct error *error);
void shapes_free(struct map *shapes);

/* forwarding.c */
int forward_start(struct engine *engine, const struct engine_request *request, const struct engine_sink *sink,
                  struct engine_call **ret, struct error *error);
void forward_cancel(struct engine_call *call);
int forward_dial(struct engine *engine, const struct engine_request *as, int *ret_fd, char **ret_headers,
                 struct error *error);
/* The header line by which the API server takes a request for that of this role; the caller's to free. */
char *role_header(const struct kubernetes *kubernetes, const char *namespace, const char *role);
/* dialling.c */
int dial_service(struct engine *engine, const char *namespace, const char *service, const char *port, int *ret_fd,
                 struct error *error);

/* addresses.c */
int api_addresses(struct engine *engine, cJSON **ret, struct error *error);

/* measure.c */
int measure_pods(struct engine *engine, cJSON **ret, struct error *error);

/* events.c */
struct events;
struct events *events_new(struct kubernetes *kubernetes);
void events_free(struct events *events); /* NULL is fine */
void events_add(struct engine *engine, const cJSON *object, const char *type, const char *reason, const char *message);

/* pods.c: what a pod may be, what it wrote, and which images there are. */
int pods_check(struct engine *engine, const cJSON *template, const char *path, struct error *error);
int pods_images(struct engine *engine, cJSON **ret, struct error *error);
int pods_usage(struct engine *engine, cJSON **ret, struct error *error);
int pods_log(struct engine *engine, const char *namespace, const char *pod, const char *container, int *ret_fd,
             bool *ret_live, struct error *error);

/* runs.c: Ray jobs that have ended. */
int runs_list(struct engine *engine, const char *namespace, const char *name, cJSON **ret, struct error *error);
int runs_log(struct engine *engine, const char *namespace, const char *name, const char *job_id, char **ret,
             bool *ret_cut, struct error *error);
int runs_keep(struct engine *engine, const struct engine_run *run, struct error *error);
int runs_tidy(struct engine *engine, struct error *error);

#endif
