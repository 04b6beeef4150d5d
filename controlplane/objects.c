/* What does a request for objects get to read? */
#include "controlplane/objects.h"

#include "base/clock.h"
#include "controlplane/cluster.h"
#include "controlplane/computed.h"
#include "controlplane/handlers.h"
#include "controlplane/kinds.h"
#include "controlplane/metadata.h"
#include "controlplane/wire.h"
#include "controlplane/visible.h"

/* --- the path ----------------------------------------------------------------------------------------------------- */
static const char *or_null(const char *text)
{
    return *text ? text : NULL;
}

/* A kind that only the cluster knows: namespaced, by the names in the path. */
static const struct engine_kind_info *unknown_kind(struct call *call, const char *group, const char *version)
{
    const char *plural = call_parameter(call, "plural");
    /* /api/v1/namespaces/{ns}/finalize is the namespace's own, and no kind in it. */
    if (!*group && (strcmp(plural, "finalize") == 0 || strcmp(plural, "status") == 0))
        return NULL;
    if (!engine_forwards(call->server->engine) || !*call_parameter(call, "ns") || !name_is_label(slice_of(plural)) ||
        !name_is_label(slice_of(*group ? version : "v1")) || (*group && !name_is_subdomain(slice_of(group))))
        return NULL;
    if (*group && !discovery_cluster_has(call, group, version))
        return NULL;
    struct engine_kind_info *info = arena_get(call->request->arena, sizeof(*info));
    *info = (struct engine_kind_info){.group = group,
                                      .version = *group ? version : "v1",
                                      .kind = plural,
                                      .plural = plural,
                                      .singular = plural,
                                      .short_name = "",
                                      .namespaced = true};
    return info;
}

/* There is nothing of that name, and never will be: server-side apply, which would make it, is told what is wrong. */
static int refuse_name(struct call *call, const struct place *place, struct error *error)
{
    enum wire_type type;
    bool apply = wire_type(call->request, &type, NULL) == 0 && type == WIRE_APPLY_PATCH;
    if (apply && place->kind != KIND_COUNT && (kind_rules[place->kind].writes & KIND_CREATE)) {
        struct decision decision = call_decide(call, place->namespace, place->info->kind, NULL, VERB_CREATE);
        call->action = "apply";
        call->namespace = place->info->namespaced ? place->namespace : place->name;
        call->kind = place->info->kind;
        call->name = place->name;
        int status = call_refuse(&decision, error);
        return status < 0 ? status : metadata_refuse_name(error);
    }
    return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
}

static int find_place(struct call *call, struct place *ret, struct error *error)
{
    const char *group = call_parameter(call, "group"), *version = call_parameter(call, "version");
    struct place place = {.namespace = or_null(call_parameter(call, "ns")),
                          .name = or_null(call_parameter(call, "name")),
                          .part = call_parameter(call, "part")};
    bool known = engine_kind_by_plural(slice_of(group), slice_of(call_parameter(call, "plural")), &place.kind);
    if (known && *group && strcmp(version, engine_kinds[place.kind].version) != 0)
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    if (known && !engine_has(call->server->engine, place.kind))
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    if (!known)
        place.kind = KIND_COUNT;
    place.info = known ? &engine_kinds[place.kind] : unknown_kind(call, group, version);
    if (!place.info)
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    bool misplaced = place.info->namespaced ? !place.namespace && place.name : place.namespace != NULL;
    if (misplaced || (place.namespace && !name_is_label(slice_of(place.namespace))))
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    if (place.name && !name_is_subdomain(slice_of(place.name)))
        return refuse_name(call, &place, error);
    call->namespace = place.info->namespaced ? place.namespace : place.name;
    call->kind = place.info->kind;
    call->name = place.name;
    *ret = place;
    return 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */
int place_read(struct call *call, const struct place *place, enum verb verb, struct engine_view *ret,
               struct error *error)
{
    AUTO_VIEW struct engine_view object = {0};
    struct decision decision;
    int status = engine_view(call->server->engine, place->kind, place->namespace, place->name, &object, error);
    if (status == -ERROR_NOT_FOUND) {
        /* Who may not even know of the namespace, or not read the kind, learns nothing from its absence. */
        decision = call_decide(call, place->info->namespaced ? place->namespace : place->name, place->info->kind,
                               place->name, verb);
        int refused = call_refuse(&decision, error);
        return refused < 0 ? refused : status;
    }
    if (status < 0)
        return status;
    decision = visible_decide(call->request->policy, call->request->identity, place->kind, object.object, verb);
    status = call_refuse(&decision, error);
    if (status == 0) {
        *ret = object;
        object = (struct engine_view){0};
    }
    return status;
}

static int answer_object(struct call *call, const struct place *place, struct error *error)
{
    AUTO_VIEW struct engine_view object = {0};
    AUTO_JSON cJSON *table = NULL;
    enum table_include include;
    bool as_table = false;
    int status = wire_check_accept(call->request, error);
    if (status == 0)
        status = wire_table(call->request, &as_table, &include, error);
    if (status == 0)
        status = place_read(call, place, VERB_GET, &object, error);
    if (status < 0)
        return status;
    if (as_table)
        table = table_of_object(place->kind, object.object, include, clock_wall_ms());
    wire_answer(call, 200, as_table ? table : object.object);
    return 0;
}

/* Members know from the policy that their namespace exists; platform admins may ask for any. */
static int check_namespace_exists(struct call *call, const char *namespace, struct error *error)
{
    AUTO_JSON cJSON *found = NULL;
    if (!namespace || !call->request->identity->platform_admin)
        return 0;
    int status = engine_get(call->server->engine, KIND_NAMESPACE, NULL, namespace, &found, error);
    if (status == -ERROR_NOT_FOUND)
        status = engine_get(call->server->engine, KIND_PROFILE, NULL, namespace, &found, error);
    return status;
}

static int list_options(struct call *call, struct engine_list_options *ret, struct error *error)
{
    *ret = (struct engine_list_options){
        .label_selector = request_query(call->request, "labelSelector"),
        .field_selector = request_query(call->request, "fieldSelector"),
        .continue_token = request_query(call->request, "continue"),
    };
    if (ret->continue_token && !*ret->continue_token)
        ret->continue_token = NULL;
    int status = call_query_i64(call, "limit", INT64_MIN, INT64_MAX, &ret->limit, error);
    if (ret->limit < 0) /* as many as there are, as kube-apiserver has it */
        ret->limit = 0;
    if (ret->limit > LIMIT_LIST)
        ret->limit = LIMIT_LIST;
    return status;
}

/* What `kubectl cluster-info` asks first: the cluster's own services, of which there are none for people. */
static bool asks_for_cluster_services(const struct call *call, const struct place *place)
{
    const char *selector = request_query(call->request, "labelSelector");
    return place->kind == KIND_SERVICE && place->namespace && strcmp(place->namespace, "kube-system") == 0 &&
           selector && strcmp(selector, "kubernetes.io/cluster-service=true") == 0 && !call_query_true(call, "watch");
}

static int answer_no_services(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *list = json_object(), *table = NULL;
    enum table_include include;
    bool as_table = false;
    int status = wire_check_accept(call->request, error);
    if (status == 0)
        status = wire_table(call->request, &as_table, &include, error);
    if (status < 0)
        return status;
    json_set_text(list, "apiVersion", "v1");
    json_set_text(list, "kind", "ServiceList");
    json_set(list, "metadata", json_object());
    json_set(list, "items", json_array());
    if (as_table)
        table = table_of_list(KIND_SERVICE, list, include, clock_wall_ms());
    wire_answer(call, 200, as_table ? table : list);
    return 0;
}

static int answer_list(struct call *call, const struct place *place, struct error *error)
{
    struct engine_list_options options;
    AUTO_JSON cJSON *list = NULL, *table = NULL;
    enum table_include include;
    bool as_table = false;
    bool watching = call_query_true(call, "watch");
    struct decision decision =
        call_decide(call, place->namespace, place->info->kind, NULL, watching ? VERB_WATCH : VERB_LIST);
    if ((!decision.allowed || !engine_forwards(call->server->engine)) && asks_for_cluster_services(call, place))
        return answer_no_services(call, error);
    int status = call_refuse(&decision, error);
    if (status == 0 && !decision.partial && cluster_serves(call, place))
        return cluster_read(call, place, error);
    if (status == 0)
        status = wire_check_accept(call->request, error);
    if (status == 0)
        status = wire_table(call->request, &as_table, &include, error);
    if (status == 0)
        status = check_namespace_exists(call, place->namespace, error);
    if (status == 0)
        status = list_options(call, &options, error);
    if (status < 0)
        return status;
    if (watching)
        return watch_answer(call, place, &options, decision.partial, error);
    status = engine_list(call->server->engine, place->kind, place->namespace, &options, &list, error);
    if (status < 0)
        return status;
    if (decision.partial) {
        visible_filter(call->request->policy, call->request->identity, place->kind, json_member(list, "items"));
        json_remove(json_member(list, "metadata"), "remainingItemCount"); /* it counts what the caller may not see */
    }
    if (as_table)
        table = table_of_list(place->kind, list, include, clock_wall_ms());
    wire_answer(call, 200, as_table ? table : list);
    return 0;
}

/* --- choosing ----------------------------------------------------------------------------------------------------- */
static int refuse_part(struct call *call, const struct place *place, struct error *error)
{
    AUTO_VIEW struct engine_view object = {0};
    int status = place_read(call, place, VERB_UPDATE, &object, error);
    if (status < 0)
        return status;
    return error_set(error, ERROR_FORBIDDEN, NULL, "%s.%s is written by Atelier only", place->info->plural,
                     place->part);
}

/* WebSockets to these are the gateway's; whatever else comes here for them. */
static bool is_upgraded(const struct place *place)
{
    static const char *const upgraded[] = {"exec", "attach", "portforward"};
    for (size_t i = 0; i < COUNT_OF(upgraded); i++) {
        if (place->kind == KIND_POD && strcmp(place->part, upgraded[i]) == 0)
            return true;
    }
    return false;
}

/* exec and its kin without the WebSocket that they take. kubectl asks so when its handshake (gateway/pod_request.h) was
 * refused, and shows this answer instead of that one. */
static int refuse_without_websocket(struct call *call, const struct place *place, struct error *error)
{
    AUTO_VIEW struct engine_view pod = {0};
    const char *container = request_query(call->request, "container");
    int status = place_read(call, place, VERB_CONNECT, &pod, error);
    if (status < 0)
        return status;
    if (container && *container && !json_named(json_at(pod.object, "spec", "containers", NULL), container))
        return error_set(error, ERROR_BAD_REQUEST, "container", "container %.63s is not valid for pod %s", container,
                         place->name);
    if (strcmp(json_text_or("", pod.object, "status", "phase", NULL), "Running") != 0)
        return error_set(error, ERROR_BAD_REQUEST, NULL, "pod %s does not run", place->name);
    return error_set(error, ERROR_BAD_REQUEST, NULL,
                     "%s is a WebSocket with the subprotocol %s; kubectl speaks it from 1.31 on", place->part,
                     strcmp(place->part, "portforward") == 0 ? "SPDY/3.1+portforward.k8s.io" : "v5.channel.k8s.io");
}

/* What the cluster's own API answers; whoever sees only a part of a list gets it from here. */
static int handle_by_cluster(struct call *call, const struct place *place, bool reading, struct error *error)
{
    struct slice method = call->request->method;
    const char *part = place->part;
    bool scaled = strcmp(part, "scale") == 0 && (place->kind == KIND_COUNT || place->kind == KIND_STATEFULSET);
    if (is_upgraded(place))
        return cluster_enter(call, place, error);
    bool known =
        !*part || scaled || strcmp(part, "status") == 0 || (strcmp(part, "log") == 0 && place->kind == KIND_POD);
    if (!known)
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    if (reading && !place->name && place->kind != KIND_COUNT)
        return answer_list(call, place, error);
    if (reading)
        return cluster_read(call, place, error);
    if (*part && !scaled) {
        call->action = "change status";
        return place->kind == KIND_COUNT
                   ? error_set(error, ERROR_METHOD, NULL, "%s.%s is not written here", place->info->plural, part)
                   : refuse_part(call, place, error);
    }
    if (slice_is(method, "POST"))
        return cluster_create(call, place, error);
    if (slice_is(method, "DELETE"))
        return cluster_delete(call, place, error);
    return cluster_change(call, place, error);
}

int objects_handle(struct call *call, struct error *error)
{
    struct slice method = call->request->method;
    struct place place;
    const struct computed_kind *computed =
        computed_find(call->server->engine, call_parameter(call, "group"), call_parameter(call, "plural"));
    if (computed)
        return computed_answer(call, computed, error);
    int status = find_place(call, &place, error);
    if (status < 0)
        return status;
    bool reading = slice_is(method, "GET") || slice_is(method, "HEAD");
    if (*place.part && slice_is(method, "POST") && !is_upgraded(&place))
        return error_set(error, ERROR_METHOD, NULL, "POST is not allowed here");
    if (strcmp(place.part, "scale") == 0 && scale_is_served(place.kind))
        return scale_answer(call, &place, reading, error);
    if (cluster_serves(call, &place))
        return handle_by_cluster(call, &place, reading, error);
    if (is_upgraded(&place) && (reading || slice_is(method, "POST")))
        return refuse_without_websocket(call, &place, error);
    if (strcmp(place.part, "log") == 0 && place.kind == KIND_POD && reading)
        return logs_answer(call, &place, error);
    if (*place.part && strcmp(place.part, "status") != 0)
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    if (reading)
        return place.name ? answer_object(call, &place, error) : answer_list(call, &place, error);
    if (*place.part) {
        call->action = "change status";
        return refuse_part(call, &place, error);
    }
    if (slice_is(method, "POST"))
        return place_create(call, &place, error);
    if (slice_is(method, "PUT"))
        return place_replace(call, &place, error);
    if (slice_is(method, "PATCH"))
        return place_patch(call, &place, error);
    return place_delete(call, &place, error);
}
