/* What does a member get to read of the cluster? */
#include "controlplane/cluster.h"
#include "controlplane/visible.h"
#include "tenancy/tenancy.h"

static enum role least_role(const struct place *place)
{
    return place->kind == KIND_SECRET ? ROLE_EDITOR : ROLE_VIEWER;
}

static int decide(struct call *call, const struct access *access, struct error *error)
{
    struct decision decision = policy_decide(call->request->policy, call->request->identity, access);
    if (decision.allowed && decision.partial) /* only a part is theirs, and nobody here can tell which */
        return error_set(error, ERROR_FORBIDDEN, NULL, "only one resource of this profile is shared with you");
    return call_refuse(&decision, error);
}

/* A pod is about the workload that it verifiably belongs to, else about itself. */
static int decide_pod(struct call *call, const struct place *place, enum verb verb, struct access *ret,
                      struct error *error)
{
    char kind[32], name[64];
    *ret = cluster_access(place, verb);
    if (tenancy_pod_owner(call->server->engine, place->namespace, place->name, kind, name)) {
        ret->kind = arena_text(call->request->arena, kind);
        ret->name = arena_text(call->request->arena, name);
    }
    return decide(call, ret, error);
}

/* A member's decision does not depend on the object; for anybody else it is about the workload it belongs to. */
static int decide_object(struct call *call, const struct place *place, enum verb verb, struct engine_view *ret_object,
                         struct access *ret, struct error *error)
{
    if (place->kind == KIND_COUNT || cluster_is_member(call, place)) {
        *ret = cluster_access(place, verb);
        return decide(call, ret, error);
    }
    if (place->kind == KIND_POD)
        return decide_pod(call, place, verb, ret, error);
    int status = place_read(call, place, verb, ret_object, error);
    if (status == 0)
        visible_access(place->kind, ret_object->object, verb, ret);
    return status;
}

int cluster_read(struct call *call, const struct place *place, struct error *error)
{
    AUTO_VIEW struct engine_view object = {0};
    struct access access;
    bool log = strcmp(place->part, "log") == 0;
    bool watching = !place->name && call_query_true(call, "watch");
    enum verb verb = log ? VERB_LOG : place->name ? VERB_GET : watching ? VERB_WATCH : VERB_LIST;
    int status = 0;
    if (place->name) {
        status = decide_object(call, place, verb, &object, &access, error);
    } else {
        access = cluster_access(place, verb);
        status = decide(call, &access, error);
    }
    if (status < 0)
        return status;
    const char *role = cluster_role(call, place->namespace, least_role(place));
    struct engine_request request = cluster_request(call, place, "GET", role, CLUSTER_QUERY_GIVEN);
    return passage_answer(call, &request, &access, watching || (log && call_query_true(call, "follow")), error);
}

int cluster_enter(struct call *call, const struct place *place, struct error *error)
{
    struct access access;
    int status = decide_pod(call, place, VERB_CONNECT, &access, error);
    if (status < 0)
        return status;
    const char *role = cluster_role(call, place->namespace, ROLE_EDITOR);
    struct engine_request request = cluster_request(call, place, "GET", role, CLUSTER_QUERY_GIVEN);
    return passage_answer(call, &request, &access, false, error);
}
