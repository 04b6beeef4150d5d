/* What has this service seen of a workload's use, and where is it written down that it was stopped for want of it? */
#include "controlplane/idle.h"

#include "controlplane/sampler.h"
#include "controlplane/server.h"
#include "controlplane/use.h"
#include "notebooks/notebooks.h"
#include "ray/ray.h"

#define ACTOR "atelier" /* nobody's e-mail: the platform itself */

struct idle {
    struct server *server;
    struct idle_watch *notebooks, *clusters; /* clusters NULL: KubeRay's are left alone */
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

static void write_down(void *context, const char *namespace, const char *kind, const char *name, const char *detail)
{
    audit_add(((struct idle *)context)->server->auth, &(struct audit_entry){.actor = ACTOR,
                                                                            .action = "stop-idle",
                                                                            .namespace = namespace,
                                                                            .kind = kind,
                                                                            .name = name,
                                                                            .outcome = "allowed",
                                                                            .detail = detail});
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
                                   .stopped = write_down,
                                   .context = idle};
    idle->notebooks = notebooks_idle_new(server->engine, &options);
    options.after_s = config->idle_cluster_s.number;
    if (!engine_traits(server->engine)->ray_by_kuberay)
        idle->clusters = ray_idle_new(server->engine, &options);
    return idle;
}

void idle_end(struct idle *idle)
{
    if (!idle)
        return;
    idle_watch_free(idle->clusters);
    idle_watch_free(idle->notebooks);
    free(idle);
}
