/* What becomes of a write to an object of the cluster? */
#include "auth/auth.h"
#include "controlplane/admission.h"
#include "controlplane/cluster.h"
#include "controlplane/kinds.h"
#include "controlplane/metadata.h"
#include "controlplane/wire.h"
#include "ray/ray.h"

#define JSON_TYPE "application/json"

/* One write on its way: decided, in a role, as often tried as others get in between. */
struct change {
    struct call *call;
    const struct place *place;
    const char *role;
    const char *content_type; /* the client's; NULL if none */
    bool known;               /* a kind of Atelier's own */
    bool checked;             /* Atelier validates and completes it: those, and RayCronJobs */
    bool dry_run;             /* the client's own wish */
};

/* A share of one workload is none of the pods and sets that carry it. */
static unsigned writes_of(const struct call *call, const struct place *place)
{
    if (place->kind == KIND_POD && !cluster_is_member(call, place))
        return KIND_DELETE;
    if (place->kind == KIND_STATEFULSET && !cluster_is_member(call, place))
        return 0;
    if (place->kind == KIND_COUNT || place->kind == KIND_STATEFULSET || place->kind == KIND_POD)
        return KIND_WRITE;
    return kind_rules[place->kind].writes;
}

static bool is_known(const struct place *place)
{
    return place->kind != KIND_COUNT && place->kind != KIND_STATEFULSET && place->kind != KIND_POD;
}

/* Decides: for members by what the path says, for anybody else by the object. */
static int begin(struct call *call, const struct place *place, enum verb verb, unsigned write, struct change *ret,
                 struct error *error)
{
    AUTO_VIEW struct engine_view object = {0};
    const char *dry_run = request_query(call->request, "dryRun");
    int status;
    if (place->name && place->kind != KIND_COUNT && !cluster_is_member(call, place)) {
        status = place_read(call, place, verb, &object, error);
    } else {
        struct access access = cluster_access(place, verb);
        struct decision decision = policy_decide(call->request->policy, call->request->identity, &access);
        status = call_refuse(&decision, error);
    }
    if (status < 0)
        return status;
    if (!(writes_of(call, place) & write))
        return error_set(error, ERROR_METHOD, NULL, "%s are written by Atelier only", place->info->plural);
    if (dry_run && *dry_run && strcmp(dry_run, "All") != 0)
        return error_set(error, ERROR_BAD_REQUEST, "dryRun", "dryRun must be \"All\"");
    call->silent = dry_run && *dry_run;
    *ret = (struct change){.call = call,
                           .place = place,
                           .role = cluster_role(call, place->namespace, ROLE_EDITOR),
                           .content_type = cluster_header(call, "Content-Type"),
                           .known = is_known(place),
                           .checked = is_known(place) || ray_is_cron_job(place->info->group, place->info->plural),
                           .dry_run = call->silent};
    return 0;
}

/* --- asking ------------------------------------------------------------------------------------------------------- */
static int send(const struct change *change, const char *method, const char *content_type, struct slice body,
                enum cluster_query query, struct passage_result *ret, struct error *error)
{
    struct engine_request request = cluster_request(change->call, change->place, method, change->role, query);
    request.content_type = content_type;
    request.body = body;
    if (query == CLUSTER_QUERY_DRY_RUN) /* a rehearsal is for us to read */
        request.accept = JSON_TYPE;
    passage_result_free(ret);
    return passage_collect(change->call, &request, ret, error);
}

static int send_json(const struct change *change, const char *method, const cJSON *object, struct passage_result *ret,
                     struct error *error)
{
    AUTO_FREE char *text = json_print(object);
    return send(change, method, JSON_TYPE, slice_of(text), CLUSTER_QUERY_GIVEN, ret, error);
}

/* The object as it is now, with everything: what a change is checked against. */
static int fetch(const struct change *change, cJSON **ret, struct error *error)
{
    AUTO_PASSED struct passage_result result = {0};
    struct place object = *change->place;
    object.part = "";
    struct engine_request request = cluster_request(change->call, &object, "GET", change->role, CLUSTER_QUERY_NONE);
    request.accept = JSON_TYPE;
    int status = passage_collect(change->call, &request, &result, error);
    return status < 0 ? status : passage_json(&result, ret, error);
}

/* --- admitting ---------------------------------------------------------------------------------------------------- */
static int admit(const struct change *change, const cJSON *old, cJSON *object, struct error *error)
{
    const struct place *place = change->place;
    if (!change->known) {
        int r = admission_check_unknown(old, object, error);
        return r == 0 && change->checked ? ray_cron_job_admit(change->call->server->engine, old, object, error) : r;
    }
    if (!place->name)
        call_note_name(change->call, object);
    int status = metadata_admit(place->kind, place->namespace, place->name, old, object, error);
    if (status == 0)
        status = admission_check_reserved(place->kind, json_text_or("", object, "metadata", "name", NULL), old, error);
    if (status == 0)
        status = admission_admit(change->call, place->kind, old, object, error);
    return status;
}

/* What the server sets on its own says nothing of what was asked for. */
static cJSON *wanted_part(const cJSON *object)
{
    static const char *const servers[] = {"uid",           "creationTimestamp", "generation",
                                          "managedFields", "resourceVersion",   "selfLink"};
    cJSON *copy = json_copy(object);
    for (size_t i = 0; i < COUNT_OF(servers); i++)
        json_remove(json_member(copy, "metadata"), servers[i]);
    json_remove(copy, "status");
    return copy;
}

static bool same_wish(const cJSON *a, const cJSON *b)
{
    AUTO_JSON cJSON *left = wanted_part(a), *right = wanted_part(b);
    return json_equal(left, right);
}

/* The cluster's own admission holds volumes that are in use; that is not the client's doing. */
static void drop_own_finalizers(cJSON *object)
{
    cJSON *metadata = json_member(object, "metadata"), *finalizers = json_member(metadata, "finalizers");
    for (cJSON *item = finalizers ? finalizers->child : NULL, *next; item; item = next) {
        next = item->next;
        if (cJSON_IsString(item) && strcmp(item->valuestring, "kubernetes.io/pvc-protection") == 0)
            cJSON_Delete(cJSON_DetachItemViaPointer(finalizers, item));
    }
    if (finalizers && !finalizers->child)
        json_remove(metadata, "finalizers");
}

static bool succeeded(const struct passage_result *result)
{
    return result->status >= 200 && result->status < 300;
}

/* The last word is the cluster's. */
static int finish(const struct change *change, const struct passage_result *result)
{
    const struct place *place = change->place;
    AUTO_JSON cJSON *stored = NULL;
    if (change->checked && succeeded(result) && passage_json(result, &stored, NULL) == 0 &&
        strcmp(json_text_or("", stored, "kind", NULL), change->known ? place->info->kind : "RayCronJob") == 0) {
        admission_warn(change->call, stored);
        if (change->known && !change->dry_run)
            admission_remark(change->call->server->engine, place->kind, stored);
    }
    passage_give(change->call, result);
    return 0;
}

static bool is_document(const struct change *change)
{
    struct slice rest, type = slice_trim(slice_split(slice_of(change->content_type), ';', &rest));
    return type.n == 0 || slice_is_nocase(type, JSON_TYPE) || slice_is_nocase(type, "application/yaml");
}

static int read_document(const struct change *change, cJSON **ret, struct error *error)
{
    enum wire_type type;
    int status = wire_type(change->call->request, &type, error);
    if (status == 0)
        status = wire_read(change->call->request, type, ret, error);
    if (status == 0 && !cJSON_IsObject(*ret)) {
        cJSON_Delete(TAKE_POINTER(*ret));
        status = error_set(error, ERROR_BAD_REQUEST, NULL, "the body must be an object of kind %s",
                           change->place->info->kind);
    }
    return status;
}

/*
 * For what only the cluster can read (protobuf, patches, kinds unknown here): it says what would come of it. *ret is
 * NULL if it refuses; its answer is in <result> then.
 */
static int rehearse(const struct change *change, const char *method, struct passage_result *result, cJSON **ret,
                    struct error *error)
{
    *ret = NULL;
    int status =
        send(change, method, change->content_type, change->call->request->body, CLUSTER_QUERY_DRY_RUN, result, error);
    return status < 0 || !succeeded(result) ? status : passage_json(result, ret, error);
}

/* --- create ------------------------------------------------------------------------------------------------------- */
static int create_document(const struct change *change, struct error *error)
{
    AUTO_PASSED struct passage_result result = {0};
    AUTO_JSON cJSON *object = NULL;
    int status = read_document(change, &object, error);
    if (status == 0)
        status = admit(change, NULL, object, error);
    if (status < 0)
        return status;
    change->call->name = arena_text(change->call->request->arena, json_text(object, "metadata", "name", NULL));
    status = send_json(change, "POST", object, &result, error);
    return status < 0 ? status : finish(change, &result);
}

static int create_unread(const struct change *change, struct error *error)
{
    AUTO_PASSED struct passage_result result = {0};
    AUTO_JSON cJSON *expected = NULL, *object = NULL;
    int status = rehearse(change, "POST", &result, &expected, error);
    if (status < 0 || !expected)
        return status < 0 ? status : finish(change, &result);
    drop_own_finalizers(expected);
    object = json_copy(expected);
    status = admit(change, NULL, object, error);
    if (status < 0)
        return status;
    change->call->name = arena_text(change->call->request->arena, json_text(object, "metadata", "name", NULL));
    if (!change->checked || same_wish(object, expected))
        status = send(change, "POST", change->content_type, change->call->request->body, CLUSTER_QUERY_GIVEN, &result,
                      error);
    else
        status = send_json(change, "POST", object, &result, error);
    return status < 0 ? status : finish(change, &result);
}

int cluster_create(struct call *call, const struct place *place, struct error *error)
{
    struct change change;
    call->action = "create";
    int status = begin(call, place, VERB_CREATE, KIND_CREATE, &change, error);
    if (status < 0)
        return status;
    return change.known && is_document(&change) ? create_document(&change, error) : create_unread(&change, error);
}

/* --- replace ------------------------------------------------------------------------------------------------------ */
static int replace_once(const struct change *change, const cJSON *given, struct passage_result *ret,
                        struct error *error)
{
    AUTO_JSON cJSON *old = NULL, *object = json_copy(given);
    int status = fetch(change, &old, error);
    if (status == 0)
        status = admit(change, old, object, error);
    if (status < 0)
        return status;
    if (!json_at(object, "metadata", "resourceVersion", NULL)) /* what was checked is what is replaced */
        json_set_text(json_member(object, "metadata"), "resourceVersion",
                      json_text(old, "metadata", "resourceVersion", NULL));
    return send_json(change, "PUT", object, ret, error);
}

static int replace_document(const struct change *change, struct error *error)
{
    AUTO_PASSED struct passage_result result = {0};
    AUTO_JSON cJSON *given = NULL;
    int status = read_document(change, &given, error);
    const char *version = json_text(given, "metadata", "resourceVersion", NULL);
    unsigned retries = version && *version ? 0 : LIMIT_PATCH_RETRIES;
    if (status < 0)
        return status;
    do
        status = replace_once(change, given, &result, error);
    while (status == 0 && result.status == 409 && retries-- > 0);
    return status < 0 ? status : finish(change, &result);
}

static int replace_unread(const struct change *change, struct error *error)
{
    AUTO_PASSED struct passage_result result = {0};
    AUTO_JSON cJSON *old = NULL, *expected = NULL, *object = NULL;
    int status = fetch(change, &old, error);
    if (status == 0)
        status = rehearse(change, "PUT", &result, &expected, error);
    if (status < 0 || !expected)
        return status < 0 ? status : finish(change, &result);
    object = json_copy(expected);
    status = admit(change, old, object, error);
    if (status < 0)
        return status;
    if (!change->checked || same_wish(object, expected))
        status =
            send(change, "PUT", change->content_type, change->call->request->body, CLUSTER_QUERY_GIVEN, &result, error);
    else
        status = send_json(change, "PUT", object, &result, error);
    return status < 0 ? status : finish(change, &result);
}

/* --- patch -------------------------------------------------------------------------------------------------------- */
/* The patch as it was sent, but only for the version that has been checked. */
static char *guarded(enum wire_type type, const cJSON *patch, const cJSON *old)
{
    const char *version = json_text(old, "metadata", "resourceVersion", NULL);
    AUTO_JSON cJSON *copy = json_copy(patch);
    if (version && type == WIRE_JSON_PATCH) {
        cJSON *test = json_object();
        json_set_text(test, "op", "test");
        json_set_text(test, "path", "/metadata/resourceVersion");
        json_set_text(test, "value", version);
        cJSON_InsertItemInArray(copy, 0, test);
    } else if (version && !wire_names_version(type, patch)) {
        json_set_text(json_object_in(copy, "metadata"), "resourceVersion", version);
    }
    return json_print(copy);
}

static int write_patched(const struct change *change, enum wire_type type, const cJSON *patch, const cJSON *old,
                         const cJSON *expected, cJSON *admitted, struct passage_result *ret, struct error *error)
{
    if (!change->checked || same_wish(admitted, expected)) {
        AUTO_FREE char *text = guarded(type, patch, old);
        return send(change, "PATCH", change->content_type, slice_of(text), CLUSTER_QUERY_GIVEN, ret, error);
    }
    if (old) {
        json_set_text(json_member(admitted, "metadata"), "resourceVersion",
                      json_text(old, "metadata", "resourceVersion", NULL));
        return send_json(change, "PUT", admitted, ret, error);
    }
    struct place collection = *change->place;
    struct change creation = *change;
    collection.name = NULL;
    creation.place = &collection;
    return send_json(&creation, "POST", admitted, ret, error);
}

/* A failed `test` of a JSON patch is a 422, which may also be the client's mistake: the version tells. */
static bool is_outrun(const struct change *change, enum wire_type type, const cJSON *old,
                      const struct passage_result *result)
{
    AUTO_JSON cJSON *now = NULL;
    if (result->status == 409)
        return true;
    if (result->status != 422 || type != WIRE_JSON_PATCH || fetch(change, &now, NULL) < 0)
        return false;
    return strcmp(json_text_or("", now, "metadata", "resourceVersion", NULL),
                  json_text_or("", old, "metadata", "resourceVersion", NULL)) != 0;
}

/* Rehearses the patch, admits what would come of it, and sends it for exactly that version. */
static int patch_once(const struct change *change, enum wire_type type, const cJSON *patch, struct passage_result *ret,
                      bool *ret_outrun, struct error *error)
{
    AUTO_JSON cJSON *old = NULL, *expected = NULL, *admitted = NULL;
    *ret_outrun = false;
    int status = fetch(change, &old, error);
    if (status == -ERROR_NOT_FOUND && type == WIRE_APPLY_PATCH)
        status = 0; /* an apply creates what is not there */
    if (status == 0)
        status = rehearse(change, "PATCH", ret, &expected, error);
    if (status < 0 || !expected)
        return status;
    if (!old)
        drop_own_finalizers(expected);
    admitted = json_copy(expected);
    status = admit(change, old, admitted, error);
    if (status == 0)
        status = write_patched(change, type, patch, old, expected, admitted, ret, error);
    if (status == 0)
        *ret_outrun = is_outrun(change, type, old, ret);
    return status;
}

static int patch_object(const struct change *change, struct error *error)
{
    AUTO_PASSED struct passage_result result = {0};
    AUTO_JSON cJSON *patch = NULL;
    enum wire_type type;
    bool outrun = false;
    int status = wire_type(change->call->request, &type, error);
    if (status == 0)
        status = wire_read(change->call->request, type, &patch, error);
    if (status < 0)
        return status;
    if (type == WIRE_JSON_PATCH ? !cJSON_IsArray(patch) : !cJSON_IsObject(patch))
        return error_set(error, ERROR_BAD_REQUEST, NULL, "the patch must be %s",
                         type == WIRE_JSON_PATCH ? "a list of operations" : "an object");
    unsigned retries = wire_names_version(type, patch) ? 0 : LIMIT_PATCH_RETRIES;
    do
        status = patch_once(change, type, patch, &result, &outrun, error);
    while (status == 0 && outrun && retries-- > 0);
    return status < 0 ? status : finish(change, &result);
}

/* Only the number of replicas: nothing to admit, but what Atelier made is scaled by its owner. */
static int change_scale(const struct change *change, const char *method, struct error *error)
{
    AUTO_PASSED struct passage_result result = {0};
    AUTO_JSON cJSON *object = NULL;
    int status = fetch(change, &object, error);
    if (status == 0)
        status = admission_check_unknown(object, object, error);
    if (status == 0)
        status = send(change, method, change->content_type, change->call->request->body, CLUSTER_QUERY_GIVEN, &result,
                      error);
    return status < 0 ? status : finish(change, &result);
}

int cluster_change(struct call *call, const struct place *place, struct error *error)
{
    struct change change;
    bool patching = slice_is(call->request->method, "PATCH"), scaling = strcmp(place->part, "scale") == 0;
    call->action = scaling ? "scale" : patching ? "patch" : "replace";
    int status = begin(call, place, VERB_UPDATE, KIND_CHANGE, &change, error);
    if (status < 0)
        return status;
    if (scaling)
        return change_scale(&change, patching ? "PATCH" : "PUT", error);
    if (patching)
        return patch_object(&change, error);
    return change.known && is_document(&change) ? replace_document(&change, error) : replace_unread(&change, error);
}

/* --- delete ------------------------------------------------------------------------------------------------------- */
static int check_deletable(const struct change *change, struct error *error)
{
    AUTO_JSON cJSON *object = NULL;
    const struct place *place = change->place;
    int status = fetch(change, &object, error);
    if (status < 0)
        return status;
    if (change->known)
        return admission_check_reserved(place->kind, place->name, object, error);
    return place->kind == KIND_POD ? 0 : admission_check_unknown(object, object, error); /* a pod is made anew */
}

/* The next one of this name is another thing: nobody keeps a grant on it. */
static void forget_grants(const struct change *change)
{
    const struct place *place = change->place;
    struct error fault = {0};
    if (!kind_rules[place->kind].entered)
        return;
    if (auth_grant_forget(change->call->server->auth, place->namespace, place->info->kind, place->name, &fault) < 0)
        log_line(LOG_WARN, "grants on a deleted resource stay until it is deleted again",
                 LOG_TEXT("namespace", place->namespace), LOG_TEXT("name", place->name), LOG_FAULT(&fault));
}

/* DeleteOptions may ask for a dry run too. */
static bool is_rehearsal(const struct change *change)
{
    AUTO_JSON cJSON *options = NULL;
    if (change->dry_run || change->call->request->body.n == 0)
        return change->dry_run;
    if (!is_document(change) || read_document(change, &options, NULL) < 0)
        return false;
    const cJSON *dry = json_member(options, "dryRun");
    return dry && dry->child;
}

int cluster_delete(struct call *call, const struct place *place, struct error *error)
{
    AUTO_PASSED struct passage_result result = {0};
    struct change change;
    call->action = "delete";
    int status = begin(call, place, VERB_DELETE, KIND_DELETE, &change, error);
    if (status == 0)
        status = check_deletable(&change, error);
    if (status < 0)
        return status;
    call->silent = change.dry_run = is_rehearsal(&change);
    status = send(&change, "DELETE", change.content_type, call->request->body, CLUSTER_QUERY_GIVEN, &result, error);
    if (status < 0)
        return status;
    if (succeeded(&result) && !change.dry_run)
        forget_grants(&change);
    return finish(&change, &result);
}
