/* As what, and in whose role, does a request go to the cluster's API? */
#include "controlplane/cluster.h"

#include "controlplane/kinds.h"

/* Query parameters that are passed on; what else a client sends means nothing to the cluster's API, or is not for
 * tenants. The first of several counts, as it does there. */
static const char *const parameters[] = {"limit",
                                         "continue",
                                         "labelSelector",
                                         "fieldSelector",
                                         "resourceVersion",
                                         "watch",
                                         "timeoutSeconds",
                                         "resourceVersionMatch",
                                         "allowWatchBookmarks",
                                         "sendInitialEvents",
                                         "pretty",
                                         "includeObject",
                                         "fieldManager",
                                         "fieldValidation",
                                         "force",
                                         "dryRun",
                                         "propagationPolicy",
                                         "gracePeriodSeconds",
                                         "orphanDependents",
                                         "container",
                                         "follow",
                                         "previous",
                                         "sinceSeconds",
                                         "sinceTime",
                                         "timestamps",
                                         "tailLines",
                                         "limitBytes",
                                         "stream",
                                         NULL};

bool cluster_serves(const struct call *call, const struct place *place)
{
    return engine_forwards(call->server->engine) && place->info->namespaced && place->namespace;
}

static void add_segment(struct buffer *target, const char *text)
{
    buffer_add_text(target, "/");
    text_percent(slice_of(text), target);
}

/* Whatever the client has asked for: of what is dropped nobody would hear. */
static bool is_strict(const struct call *call, const struct place *place)
{
    return engine_writes_strictly(place->info->group) && !slice_is(call->request->method, "GET") &&
           !slice_is(call->request->method, "DELETE");
}

static void add_query(const struct call *call, struct buffer *target, bool strict, bool dry_run)
{
    char separator = '?';
    for (size_t i = 0; parameters[i]; i++) {
        bool validation = strcmp(parameters[i], "fieldValidation") == 0;
        const char *value = strict && validation ? "Strict" : request_query(call->request, parameters[i]);
        if (!value || (dry_run && strcmp(parameters[i], "dryRun") == 0))
            continue;
        buffer_add_format(target, "%c%s=", separator, parameters[i]);
        text_percent(slice_of(value), target);
        separator = '&';
    }
    if (dry_run)
        buffer_add_format(target, "%cdryRun=All", separator);
}

const char *cluster_target(const struct call *call, const struct place *place, enum cluster_query query)
{
    AUTO_BUFFER struct buffer target = {0};
    buffer_add_text(&target, *place->info->group ? "/apis" : "/api");
    if (*place->info->group)
        add_segment(&target, place->info->group);
    add_segment(&target, place->info->version);
    buffer_add_text(&target, "/namespaces");
    add_segment(&target, place->namespace);
    add_segment(&target, place->info->plural);
    if (place->name)
        add_segment(&target, place->name);
    if (place->name && *place->part)
        add_segment(&target, place->part);
    if (query != CLUSTER_QUERY_NONE)
        add_query(call, &target, is_strict(call, place), query == CLUSTER_QUERY_DRY_RUN);
    return arena_text_n(call->request->arena, target.p, target.n);
}

const char *cluster_role(const struct call *call, const char *namespace, enum role least)
{
    enum role role = policy_role(call->request->policy, call->request->identity, namespace);
    if (role < least)
        role = least;
    return role_name(role > ROLE_ADMIN ? ROLE_ADMIN : role);
}

bool cluster_is_member(const struct call *call, const struct place *place)
{
    return policy_role(call->request->policy, call->request->identity, place->namespace) != ROLE_NONE;
}

struct access cluster_access(const struct place *place, enum verb verb)
{
    struct access access = {
        .namespace = place->namespace, .kind = place->info->kind, .name = place->name, .verb = verb};
    /* What Atelier knows nothing of is decided like a Pod of no workload: whoever may make one may run anything. */
    if (place->kind == KIND_COUNT || place->kind == KIND_STATEFULSET) {
        access.kind = "Pod";
        access.name = NULL;
    }
    return access;
}

const char *cluster_header(const struct call *call, const char *name)
{
    struct slice value = request_header(call->request, name);
    return value.n ? arena_text_n(call->request->arena, value.p, value.n) : NULL;
}

struct engine_request cluster_request(const struct call *call, const struct place *place, const char *method,
                                      const char *role, enum cluster_query query)
{
    return (struct engine_request){.method = method,
                                   .target = cluster_target(call, place, query),
                                   .accept = cluster_header(call, "Accept"),
                                   .namespace = place->namespace,
                                   .role = role,
                                   .person = call_actor(call->request)};
}
