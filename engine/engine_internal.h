/*
 * What an engine implements: the table behind the functions of engine.h. Only engine rooms include this.
 *
 * Each entry has the meaning, ownership and thread rules of the engine.h function of the same name.
 */
#ifndef ATELIER_ENGINE_ENGINE_INTERNAL_H
#define ATELIER_ENGINE_ENGINE_INTERNAL_H

#include "engine/engine.h"

struct engine_operations {
    int (*create)(struct engine *, enum engine_kind, const char *namespace, const cJSON *object, cJSON **ret,
                  struct error *);
    int (*get)(struct engine *, enum engine_kind, const char *namespace, const char *name, cJSON **ret, struct error *);
    /* NULL: a tree of its own, by get. */
    int (*view)(struct engine *, enum engine_kind, const char *namespace, const char *name, struct engine_view *,
                struct error *);
    int (*list)(struct engine *, enum engine_kind, const char *namespace, const struct engine_list_options *,
                cJSON **ret, struct error *);
    int (*update)(struct engine *, enum engine_kind, const char *namespace, const char *name, enum engine_part,
                  const cJSON *object, cJSON **ret, struct error *);
    int (*patch)(struct engine *, enum engine_kind, const char *namespace, const char *name, enum engine_part,
                 enum engine_patch, const cJSON *patch, cJSON **ret, struct error *);
    /* NULL: by get, create and patch (apply.h). */
    int (*apply)(struct engine *, enum engine_kind, const char *namespace, const cJSON *wanted, bool *ret_written,
                 struct error *);
    int (*remove)(struct engine *, enum engine_kind, const char *namespace, const char *name, cJSON **ret,
                  struct error *);
    /* NULL: METHOD. */
    int (*remove_unchanged)(struct engine *, enum engine_kind, const cJSON *object, struct error *);
    int (*watch)(struct engine *, enum engine_kind, const char *namespace, const struct engine_list_options *,
                 const char *resource_version, engine_watcher, void *context, struct engine_watch **ret,
                 struct error *);
    void (*unwatch)(struct engine_watch *);
    int (*check_pod_template)(struct engine *, const cJSON *template, const char *path, struct error *);
    /* NULL: whatever Kubernetes knows is counted. */
    int (*check_quota)(struct engine *, const cJSON *hard, const char *path, struct error *);
    int (*images)(struct engine *, cJSON **ret, struct error *);
    /* NULL: images are the cluster's, and nothing is removed. */
    int (*prune_images)(struct engine *, const char *offered, int64_t unused_s, cJSON **ret, struct error *);
    int (*usage)(struct engine *, cJSON **ret, struct error *);
    /* NULL: METHOD. */
    int (*measure)(struct engine *, cJSON **ret, struct error *);
    int (*dial)(struct engine *, const char *namespace, const char *service, const char *port, int *ret_fd,
                struct error *);
    /* NULL: as <dial>. */
    int (*dial_within)(struct engine *, const char *namespace, const char *service, const char *port, int *ret_fd,
                       struct error *);
    /* NULL: METHOD. */
    int (*dial_pod)(struct engine *, const char *namespace, const char *pod, uint16_t port, int *ret_fd,
                    struct error *);
    /* NULL: METHOD. */
    int (*exec)(struct engine *, const char *namespace, const char *pod, const struct engine_exec *, int *ret_fd,
                struct error *);
    /* NULL: METHOD. */
    int (*api_addresses)(struct engine *, cJSON **ret, struct error *);
    /* NULL: METHOD. */
    int (*listen)(struct engine *, const char *namespace, int *ret_fd, struct error *);
    int (*log_open)(struct engine *, const char *namespace, const char *pod, const char *container, int *ret_fd,
                    bool *ret_live, struct error *);
    void (*event)(struct engine *, const cJSON *object, const char *type, const char *reason, const char *message);
    /* NULL: METHOD. */
    int (*job_history)(struct engine *, const char *namespace, const char *name, cJSON **ret, struct error *);
    int (*job_log)(struct engine *, const char *namespace, const char *name, const char *job_id, char **ret,
                   bool *ret_cut, struct error *);
    int (*job_keep)(struct engine *, const struct engine_run *, struct error *);
    int (*job_tidy)(struct engine *, struct error *);
    bool (*ready)(struct engine *, struct error *);
    bool (*has)(struct engine *, enum engine_kind);
    bool (*watches)(struct engine *, enum engine_kind); /* NULL: all that it has */
    const struct engine_traits *(*traits)(struct engine *);
    /* NULL: always leads. */
    bool (*leads)(struct engine *);
    /* NULL if <leads> is. */
    void (*on_leading)(struct engine *, void (*begun)(void *context), void *context);
    void (*off_leading)(struct engine *, void *context);
    /* NULL: the engine does not forward. Both or neither. */
    int (*forward)(struct engine *, const struct engine_request *, const struct engine_sink *, struct engine_call **ret,
                   struct error *);
    void (*call_cancel)(struct engine_call *);
    int (*dial_api)(struct engine *, const struct engine_request *, int *ret_fd, char **ret_headers, struct error *);
    /* NULL: <list> is asked for all of them. */
    int (*each)(struct engine *, enum engine_kind, const char *namespace, const struct engine_list_options *,
                void (*visit)(void *context, const cJSON *object), void *context, char **ret_version, struct error *);
    /* NULL: METHOD. */
    int (*trust_webhooks)(struct engine *, struct slice ca_pem, bool *ret_written, struct error *);
};
/* Whose writes the calling thread makes; NULL: no reconciler's. */
const void *engine_reconciler(void);

/* Every implementation's engine and watch begin with these. */
struct engine {
    const struct engine_operations *operations;
};
struct engine_watch {
    struct engine *engine;
};
struct engine_call {
    struct engine *engine;
};

#endif
