/* How many of it are wanted, and how does `kubectl scale` change that? */
#include "base/clock.h"
#include "base/json_patch.h"
#include "controlplane/cluster.h"
#include "controlplane/objects.h"
#include "controlplane/wire.h"
#include "notebooks/render.h"

#define REPLICAS_MAX 100000 /* admission knows the limits that count */

/* --- as autoscaling/v1 tells it ----------------------------------------------------------------------------------- */
/* The one worker group that a number of replicas can mean. */
static int only_group(const cJSON *cluster, const cJSON **ret, struct error *error)
{
    const cJSON *groups = json_at(cluster, "spec", "workerGroupSpecs", NULL);
    int count = cJSON_IsArray(groups) ? cJSON_GetArraySize(groups) : 0;
    if (count != 1)
        return error_set(error, ERROR_BAD_REQUEST, NULL,
                         "this cluster has %d worker groups, and a number of replicas means one (kubectl patch or "
                         "edit, or atelier ray scale NAME --group GROUP --replicas N)",
                         count);
    *ret = groups->child;
    return 0;
}

/* What is wanted, what is there, and the label that leads to its pods. */
struct count {
    int64_t wanted, there;
    const char *label;
};

static int count_replicas(enum engine_kind kind, const cJSON *object, struct count *ret, struct error *error)
{
    const cJSON *group = NULL;
    if (kind == KIND_NOTEBOOK) {
        *ret = (struct count){.wanted = notebook_is_stopped(object) ? 0 : 1,
                              .there = json_i64_or(0, object, "status", "readyReplicas", NULL),
                              .label = "notebook-name"};
        return 0;
    }
    int status = only_group(object, &group, error);
    if (status < 0)
        return status;
    int64_t hosts = json_i64_or(1, group, "numOfHosts", NULL);
    int64_t pods = json_i64_or(0, object, "status", "availableWorkerReplicas", NULL);
    *ret = (struct count){.wanted = json_i64_or(json_i64_or(0, group, "minReplicas", NULL), group, "replicas", NULL),
                          .there = hosts > 1 ? pods / hosts : pods,
                          .label = "ray.io/node-type=worker,ray.io/cluster"};
    return 0;
}

static int scale_of(const struct place *place, const cJSON *object, cJSON **ret, struct error *error)
{
    static const char *const kept[] = {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"};
    struct count count;
    int status = count_replicas(place->kind, object, &count, error);
    if (status < 0)
        return status;
    AUTO_FREE char *selector = memory_format("%s=%s", count.label, place->name);
    cJSON *scale = json_object();
    json_set_text(scale, "kind", "Scale");
    json_set_text(scale, "apiVersion", "autoscaling/v1");
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        json_set_text(json_object_in(scale, "metadata"), kept[i], json_text(object, "metadata", kept[i], NULL));
    json_set_i64(json_object_in(scale, "spec"), "replicas", count.wanted);
    json_set_i64(json_object_in(scale, "status"), "replicas", count.there);
    json_set_text(json_member(scale, "status"), "selector", selector);
    *ret = scale;
    return 0;
}

/* --- what is asked for -------------------------------------------------------------------------------------------- */
struct wish {
    int64_t replicas;
    bool exactly; /* for the version that was read, and no other */
};

/* <ret>: the scale as it is to be. */
static int apply_body(const struct call *call, const cJSON *scale, cJSON **ret, bool *ret_exactly, struct error *error)
{
    AUTO_JSON cJSON *body = NULL;
    enum wire_type type;
    int status = wire_type(call->request, &type, error);
    if (status == 0 && (type == WIRE_STRATEGIC_PATCH || type == WIRE_APPLY_PATCH))
        status = error_set(error, ERROR_MEDIA_TYPE, NULL,
                           "scale is patched with application/merge-patch+json or application/json-patch+json");
    if (status == 0)
        status = wire_read(call->request, type, &body, error);
    if (status < 0)
        return status;
    *ret_exactly = wire_names_version(type, body);
    if (type == WIRE_JSON_PATCH)
        return json_patch(scale, body, ret, error);
    if (!cJSON_IsObject(body))
        return error_set(error, ERROR_BAD_REQUEST, NULL, "the body must be an object");
    *ret = json_merge_patch(json_copy(scale), body); /* a PUT of a scale has nothing that would have to go */
    return 0;
}

static int read_wish(const struct call *call, const struct place *place, const cJSON *scale, struct wish *ret,
                     struct error *error)
{
    AUTO_JSON cJSON *wanted = NULL;
    bool notebook = place->kind == KIND_NOTEBOOK;
    int64_t most = notebook ? 1 : REPLICAS_MAX;
    int status = apply_body(call, scale, &wanted, &ret->exactly, error);
    if (status < 0)
        return status;
    if (!json_i64(json_at(wanted, "spec", "replicas", NULL), &ret->replicas) || ret->replicas < 0 ||
        ret->replicas > most)
        return error_set(error, ERROR_INVALID, "spec.replicas", "spec.replicas must be a whole number from 0 to %lld%s",
                         (long long)most, notebook ? ": a notebook runs or is stopped" : "");
    if (strcmp(json_text_or("", wanted, "metadata", "resourceVersion", NULL),
               json_text_or("", scale, "metadata", "resourceVersion", NULL)) != 0)
        return error_set(error, ERROR_CONFLICT, "metadata.resourceVersion", "the object has another version by now");
    return 0;
}

/* --- changing the object ------------------------------------------------------------------------------------------ */
static cJSON *notebook_patch(const struct wish *wish, const char *version)
{
    char now[CLOCK_TEXT_SIZE];
    cJSON *patch = json_object(), *metadata = json_object_in(patch, "metadata");
    clock_format(clock_wall_ms(), now);
    json_set(json_object_in(metadata, "annotations"), NOTEBOOK_STOPPED,
             wish->replicas ? cJSON_CreateNull() : cJSON_CreateString(now));
    if (wish->exactly)
        json_set_text(metadata, "resourceVersion", version);
    return patch;
}

static cJSON *step(cJSON *patch, const char *op, const char *path)
{
    cJSON *operation = json_push(patch, json_object());
    json_set_text(operation, "op", op);
    json_set_text(operation, "path", path);
    return operation;
}

/* By index and checked by name, so that a concurrent edit cannot change another group. */
static cJSON *cluster_patch(const struct wish *wish, const cJSON *cluster, const char *version)
{
    const cJSON *group = json_at(cluster, "spec", "workerGroupSpecs", NULL)->child;
    cJSON *patch = json_array();
    if (wish->exactly)
        json_set_text(step(patch, "test", "/metadata/resourceVersion"), "value", version);
    json_set(step(patch, "test", "/spec/workerGroupSpecs/0/groupName"), "value",
             json_copy(json_member(group, "groupName")));
    json_set_i64(step(patch, "add", "/spec/workerGroupSpecs/0/replicas"), "value", wish->replicas);
    return patch;
}

/* The request with another body: a patch of the object itself, answered as JSON. Its headers are the arena's. */
static struct request as_patch(const struct request *request, const cJSON *patch)
{
    static const char *const replaced[] = {"Content-Type", "Accept", "Content-Length"};
    struct request other = *request;
    AUTO_FREE char *text = json_print(patch);
    struct header *headers = arena_get(request->arena, (request->header_count + 2) * sizeof(*headers));
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        bool kept = true;
        for (size_t k = 0; k < COUNT_OF(replaced); k++)
            kept = kept && !slice_is_nocase(request->headers[i].name, replaced[k]);
        if (kept)
            headers[count++] = request->headers[i];
    }
    headers[count++] = (struct header){slice_of("Accept"), slice_of("application/json")};
    headers[count++] =
        (struct header){slice_of("Content-Type"), slice_of(cJSON_IsArray(patch) ? "application/json-patch+json"
                                                                                : "application/merge-patch+json")};
    other.method = slice_of("PATCH");
    other.headers = headers;
    other.header_count = count;
    other.body = slice_of(arena_text(request->arena, text));
    return other;
}

/* What came of the object, as its scale. A refusal stays as it is. */
static int answer_changed(struct call *call, const struct place *place, struct error *error)
{
    AUTO_JSON cJSON *object = NULL, *scale = NULL;
    struct slice body;
    int code = response_so_far(call->response, &body);
    if (code < 200 || code >= 300)
        return 0;
    int status = json_parse(body, &json_limits_default, &object, error);
    if (status == 0)
        status = scale_of(place, object, &scale, error);
    if (status < 0)
        return status;
    AUTO_FREE char *text = json_print(scale);
    response_body(call->response, "application/json", slice_of(text));
    return 0;
}

static int change_object(struct call *call, const struct place *place, const cJSON *patch, struct error *error)
{
    const struct request *given = call->request;
    struct request request = as_patch(given, patch);
    struct place object = *place;
    object.part = "";
    call->request = &request;
    int status =
        cluster_serves(call, &object) ? cluster_change(call, &object, error) : place_patch(call, &object, error);
    call->request = given;
    call->action = "scale";
    return status < 0 ? status : answer_changed(call, place, error);
}

/* --- the handler -------------------------------------------------------------------------------------------------- */
bool scale_is_served(enum engine_kind kind)
{
    return kind == KIND_NOTEBOOK || kind == KIND_RAYCLUSTER;
}

static int change(struct call *call, const struct place *place, const cJSON *object, const cJSON *scale,
                  struct error *error)
{
    struct wish wish;
    int status = read_wish(call, place, scale, &wish, error);
    if (status < 0)
        return status;
    const char *version = json_text(object, "metadata", "resourceVersion", NULL);
    AUTO_JSON cJSON *patch =
        place->kind == KIND_NOTEBOOK ? notebook_patch(&wish, version) : cluster_patch(&wish, object, version);
    return change_object(call, place, patch, error);
}

int scale_answer(struct call *call, const struct place *place, bool reading, struct error *error)
{
    AUTO_VIEW struct engine_view object = {0};
    AUTO_JSON cJSON *scale = NULL;
    call->action = reading ? call->action : "scale";
    int status = wire_check_accept(call->request, error);
    if (status == 0)
        status = place_read(call, place, reading ? VERB_GET : VERB_UPDATE, &object, error);
    if (status == 0)
        status = scale_of(place, object.object, &scale, error);
    if (status < 0)
        return status;
    if (!reading)
        return change(call, place, object.object, scale, error);
    wire_answer(call, 200, scale);
    return 0;
}
