/* What has this service seen of a workload's use, and where is it written down that it was stopped for want of it? */
#include "controlplane/idle.h"

#include "base/log.h"
#include "controlplane/sampler.h"
#include "controlplane/server.h"
#include "controlplane/use.h"
#include "notebooks/notebooks.h"
#include "ray/ray.h"

#define ACTOR "atelier"     /* nobody's e-mail: the platform itself */
#define DELETE_WARN_S 86400 /* between the warning and the deletion of what is long suspended */

struct idle {
    struct server *server;
    struct idle_watch *notebooks, *clusters, *abandoned;
    struct ray_heads *heads; /* NULL: the engine tells of them itself */
    struct ray_runs *runs;   /* NULL: the engine keeps them itself */
};

/* What the gateways of other replicas saw is as old as a reading; what this one saw is not. */
static int see_use(void *context, const char *namespace, const char *kind, const char *name, int64_t *ret_ms,
                   struct error *error)
{
    const struct server *server = ((struct idle *)context)->server;
    if (!sampler_works(server->sampler, error)) /* something may be computing, unseen */
        return -(int)error->code;
    int r = use_last(server->store, namespace, kind, name, ret_ms, error);
    int64_t own_ms = gateway_last_activity(server->gateway, namespace, kind, name);
    if (r == 0 && own_ms > *ret_ms)
        *ret_ms = own_ms;
    return r;
}

static void write_down(const struct idle *idle, const char *action, const char *namespace, const char *kind,
                       const char *name, const char *detail)
{
    audit_add(idle->server->auth, &(struct audit_entry){.actor = ACTOR,
                                                        .action = action,
                                                        .namespace = namespace,
                                                        .kind = kind,
                                                        .name = name,
                                                        .outcome = "allowed",
                                                        .detail = detail});
}

static void on_stopped(void *context, const char *namespace, const char *kind, const char *name, const char *detail)
{
    write_down(context, "stop-idle", namespace, kind, name, detail);
}

/* Another one of that name is not shared with whom this one was. */
static void on_deleted(void *context, const char *namespace, const char *kind, const char *name, const char *detail)
{
    struct error error = {0};
    write_down(context, "delete-idle", namespace, kind, name, detail);
    if (auth_grant_forget(((struct idle *)context)->server->auth, namespace, kind, name, &error) < 0)
        log_line(LOG_WARN, "grants on a deleted cluster are left", LOG_TEXT("namespace", namespace),
                 LOG_TEXT("name", name), LOG_FAULT(&error));
}

struct idle *idle_start(struct server *server)
{
    const struct config *config = &server->config;
    struct idle *idle = memory_get(sizeof(*idle));
    idle->server = server;
    struct idle_options options = {.after_s = config->idle_notebook_s.number,
                                   .warn_s = config->idle_warn_s.number,
                                   .check_s = config->idle_check_s.number,
                                   .seen = see_use,
                                   .stopped = on_stopped,
                                   .context = idle};
    idle->notebooks = notebooks_idle_new(server->engine, &options);
    options.after_s = config->idle_cluster_s.number;
    options.in_annotations = engine_traits(server->engine)->ray_by_kuberay;
    idle->clusters = ray_idle_new(server->engine, &options);
    options.after_s = 0;
    options.warn_s = DELETE_WARN_S;
    options.seen = NULL;
    options.stopped = on_deleted;
    idle->abandoned = ray_abandoned_new(server->engine, &options);
    if (engine_traits(server->engine)->ray_by_kuberay) {
        idle->heads = ray_heads_new(server->engine);
        idle->runs = ray_runs_new(server->engine);
    }
    return idle;
}

void idle_end(struct idle *idle)
{
    if (!idle)
        return;
    ray_runs_free(idle->runs);
    ray_heads_free(idle->heads);
    idle_watch_free(idle->abandoned);
    idle_watch_free(idle->clusters);
    idle_watch_free(idle->notebooks);
    free(idle);
}
