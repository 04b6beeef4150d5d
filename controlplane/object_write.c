/* What becomes of a write to an object? */
#include "auth/auth.h"
#include "base/clock.h"
#include "base/json_patch.h"
#include "controlplane/admission.h"
#include "controlplane/kinds.h"
#include "controlplane/managed.h"
#include "controlplane/metadata.h"
#include "controlplane/objects.h"
#include "controlplane/wire.h"
#include "tenancy/tenancy.h"

static int check_writable(const struct place *place, unsigned write, struct error *error)
{
    if (kind_rules[place->kind].writes & write)
        return 0;
    return error_set(error, ERROR_METHOD, NULL, "%s are written by Atelier only", place->info->plural);
}

/* dryRun=All checks everything and stores nothing; any other value is a mistake that must not write. */
static int read_dry_run(struct call *call, bool *ret, struct error *error)
{
    const char *value = request_query(call->request, "dryRun");
    if (value && *value && strcmp(value, "All") != 0)
        return error_set(error, ERROR_BAD_REQUEST, "dryRun", "dryRun must be \"All\"");
    *ret = value && *value;
    call->silent = *ret;
    return 0;
}

static int read_body(struct call *call, cJSON **ret, struct error *error)
{
    enum wire_type type;
    int status = wire_check_accept(call->request, error);
    if (status == 0)
        status = wire_type(call->request, &type, error);
    if (status == 0)
        status = wire_read(call->request, type, ret, error);
    return status;
}

/* --- create ------------------------------------------------------------------------------------------------------- */
static int store_new_object(struct call *call, const struct place *place, const cJSON *object, cJSON **ret,
                            struct error *error)
{
    struct server *server = call->server;
    if (place->kind == KIND_PROFILE)
        return tenancy_create_profile(server->tenancy, call->request->identity, object, ret, error);
    int status = engine_create(server->engine, place->kind, place->namespace, object, ret, error);
    if (status == 0)
        admission_remark(server->engine, place->kind, *ret);
    return status;
}

/* A dry run: whether the name is still to be had, as the engine would say. */
static int try_new_object(struct call *call, const struct place *place, const cJSON *object, struct error *error)
{
    const char *name = json_text_or("", object, "metadata", "name", NULL);
    AUTO_VIEW struct engine_view there = {0};
    struct error absent = {0};
    if (place->kind == KIND_PROFILE)
        return tenancy_try_profile(call->server->tenancy, call->request->identity, object, error);
    if (!*name || engine_view(call->server->engine, place->kind, place->namespace, name, &there, &absent) < 0)
        return 0;
    return error_set(error, ERROR_EXISTS, "metadata.name", "%s \"%s\" already exists", place->info->plural, name);
}

int place_create(struct call *call, const struct place *place, struct error *error)
{
    AUTO_JSON cJSON *object = NULL, *stored = NULL;
    bool dry_run = false;
    call->action = "create";
    if (place->info->namespaced && !place->namespace)
        return error_set(error, ERROR_METHOD, NULL, "create %s in a namespace", place->info->plural);
    struct decision decision = call_decide(call, place->namespace, place->info->kind, NULL, VERB_CREATE);
    int status = call_refuse(&decision, error);
    if (status == 0)
        status = check_writable(place, KIND_CREATE, error);
    if (status == 0)
        status = read_dry_run(call, &dry_run, error);
    if (status == 0)
        status = read_body(call, &object, error);
    call_note_name(call, object);
    if (status == 0)
        status = metadata_admit(place->kind, place->namespace, NULL, NULL, object, error);
    if (status < 0)
        return status;
    call->name = arena_text(call->request->arena, json_text(object, "metadata", "name", NULL));
    if (place->kind == KIND_PROFILE)
        call->namespace = call->name;
    status = admission_check_reserved(place->kind, call->name, NULL, error);
    if (status == 0)
        status = admission_admit(call, place->kind, NULL, object, error);
    if (status == 0)
        status = dry_run ? try_new_object(call, place, object, error)
                         : store_new_object(call, place, object, &stored, error);
    if (status == 0) {
        admission_warn(call, object);
        wire_answer(call, 201, dry_run ? object : stored);
    }
    return status;
}

/* --- change ------------------------------------------------------------------------------------------------------- */
int change_begin(struct call *call, const struct place *place, struct object_change *ret, struct error *error)
{
    int status = place_read(call, place, VERB_UPDATE, &ret->old, error);
    if (status == 0)
        status = check_writable(place, KIND_CHANGE, error);
    if (status == 0)
        status = read_dry_run(call, &ret->dry_run, error);
    return status;
}

int change_begin_new(struct call *call, const struct place *place, struct object_change *ret, struct error *error)
{
    int status = check_writable(place, KIND_CREATE, error);
    return status == 0 ? read_dry_run(call, &ret->dry_run, error) : status;
}

int change_admit(struct call *call, const struct place *place, const cJSON *old, cJSON *object, struct error *error)
{
    int status = metadata_admit(place->kind, place->namespace, place->name, old, object, error);
    if (status == 0)
        status = admission_check_reserved(place->kind, place->name, old, error);
    if (status == 0)
        status = admission_admit(call, place->kind, old, object, error);
    return status;
}

const char *change_manager(const struct call *call)
{
    struct slice rest;
    const char *given = request_query(call->request, "fieldManager");
    struct slice agent = slice_split(request_header(call->request, "User-Agent"), '/', &rest);
    if (given && *given)
        return given;
    return agent.n ? arena_format(call->request->arena, "%.*s",
                                  (int)(agent.n < MANAGED_NAME_MAX ? agent.n : MANAGED_NAME_MAX), agent.p)
                   : "unknown";
}

/* As above, with who owns what of it now. */
static int admit_change(struct call *call, const struct place *place, const cJSON *old, cJSON *object,
                        struct error *error)
{
    char now[CLOCK_TEXT_SIZE];
    AUTO_JSON cJSON *given = json_copy(json_at(object, "metadata", "managedFields", NULL));
    bool replaced =
        given && !cJSON_IsNull(given) && !json_equal(given, json_at(old, "metadata", "managedFields", NULL));
    int status = replaced ? managed_check(given, error) : 0;
    if (status == 0)
        status = change_admit(call, place, old, object, error);
    if (status < 0)
        return status;
    cJSON *metadata = json_member(object, "metadata");
    if (replaced)
        json_set(metadata, "managedFields", given->child ? TAKE_POINTER(given) : NULL);
    clock_format(clock_wall_ms(), now);
    cJSON *managed = managed_update(old, object, change_manager(call), now);
    if (managed)
        json_set(metadata, "managedFields", managed);
    return 0;
}

static int store_change(struct call *call, const struct place *place, const cJSON *object, cJSON **ret,
                        struct error *error)
{
    struct server *server = call->server;
    int status =
        engine_update(server->engine, place->kind, place->namespace, place->name, ENGINE_SPEC, object, ret, error);
    if (status == 0)
        admission_remark(server->engine, place->kind, *ret);
    return status;
}

/* What a dry run of a change answers: of the version that is still there. */
static cJSON *rehearsed(const struct object_change *change, const cJSON *object)
{
    cJSON *copy = json_copy(object);
    const char *version = json_text(change->old.object, "metadata", "resourceVersion", NULL);
    if (version)
        json_set_text(json_object_in(copy, "metadata"), "resourceVersion", version);
    return copy;
}

int change_finish(struct call *call, const struct place *place, const struct object_change *change, const cJSON *object,
                  struct error *error)
{
    AUTO_JSON cJSON *answer = change->dry_run ? rehearsed(change, object) : NULL;
    int status = 0;
    if (change->dry_run && !change->old.object)
        status = try_new_object(call, place, object, error);
    else if (!change->dry_run)
        status = change->old.object ? store_change(call, place, object, &answer, error)
                                    : store_new_object(call, place, object, &answer, error);
    if (status == 0) {
        admission_warn(call, object);
        wire_answer(call, change->old.object ? 200 : 201, answer);
    }
    return status;
}

int place_replace(struct call *call, const struct place *place, struct error *error)
{
    struct object_change change = {0};
    AUTO_JSON cJSON *object = NULL;
    call->action = "replace";
    int status = change_begin(call, place, &change, error);
    if (status == 0)
        status = read_body(call, &object, error);
    if (status == 0)
        status = admit_change(call, place, change.old.object, object, error);
    if (status == 0)
        status = change_finish(call, place, &change, object, error);
    engine_view_end(&change.old);
    return status;
}

/* Lists of the core kinds that are written here are replaced as a whole, so that a strategic merge patch without
 * directives is a merge patch. */
static int check_directives(const cJSON *patch, struct error *error)
{
    const cJSON *member;
    cJSON_ArrayForEach(member, patch)
    {
        char name[64];
        text_printable(slice_of(member->string ? member->string : ""), name, sizeof(name));
        if (name[0] == '$')
            return error_set(error, ERROR_BAD_REQUEST, NULL,
                             "the directive \"%s\" is not offered here; use a merge patch", name);
        int status = check_directives(member, error);
        if (status < 0)
            return status;
    }
    return 0;
}

static int check_strategic(const struct place *place, const cJSON *patch, struct error *error)
{
    if (*place->info->group && place->kind != KIND_STATEFULSET)
        return error_set(error, ERROR_MEDIA_TYPE, NULL,
                         "%s are patched with application/merge-patch+json or application/json-patch+json",
                         place->info->plural);
    int status = check_directives(patch, error);
    if (status < 0 && place->kind == KIND_STATEFULSET) { /* directives are about lists, and no list is to be changed */
        *error = (struct error){0};
        return admission_refuse_statefulset(error);
    }
    return status;
}

static int apply_patch(enum wire_type type, const cJSON *old, const cJSON *patch, cJSON **ret, struct error *error)
{
    if (type == WIRE_JSON_PATCH)
        return json_patch(old, patch, ret, error);
    if (!cJSON_IsObject(patch))
        return error_set(error, ERROR_BAD_REQUEST, NULL, "a merge patch must be an object");
    *ret = json_merge_patch(json_copy(old), patch);
    return 0;
}

static int patch_once(struct call *call, const struct place *place, enum wire_type type, const cJSON *patch,
                      struct error *error)
{
    struct object_change change = {0};
    AUTO_JSON cJSON *object = NULL;
    int status = change_begin(call, place, &change, error);
    if (status == 0)
        status = apply_patch(type, change.old.object, patch, &object, error);
    if (status == 0)
        status = admit_change(call, place, change.old.object, object, error);
    if (status == 0)
        status = change_finish(call, place, &change, object, error);
    engine_view_end(&change.old);
    return status;
}

int place_patch(struct call *call, const struct place *place, struct error *error)
{
    struct object_change seen = {0};
    AUTO_JSON cJSON *patch = NULL;
    enum wire_type type;
    if (wire_type(call->request, &type, NULL) == 0 && type == WIRE_APPLY_PATCH)
        return place_apply(call, place, error);
    call->action = "patch";
    /* Nothing about the body is told to who may not change the object. */
    int status = change_begin(call, place, &seen, error);
    engine_view_end(&seen.old);
    if (status == 0)
        status = wire_check_accept(call->request, error);
    if (status == 0)
        status = wire_type(call->request, &type, error);
    if (status == 0)
        status = wire_read(call->request, type, &patch, error);
    if (status == 0 && type == WIRE_STRATEGIC_PATCH)
        status = check_strategic(place, patch, error);
    if (status < 0)
        return status;
    unsigned retries = wire_names_version(type, patch) ? 0 : LIMIT_PATCH_RETRIES;
    do {
        *error = (struct error){0};
        status = patch_once(call, place, type, patch, error);
    } while (status == -ERROR_CONFLICT && retries-- > 0);
    return status;
}

/* --- delete ------------------------------------------------------------------------------------------------------- */
/* DeleteOptions: preconditions are honoured, the rest is accepted. */
static int check_preconditions(struct call *call, const cJSON *object, bool *ret_dry_run, struct error *error)
{
    static const char *const members[] = {"uid", "resourceVersion"};
    AUTO_JSON cJSON *options = NULL;
    int status = read_dry_run(call, ret_dry_run, error);
    if (status < 0 || call->request->body.n == 0)
        return status;
    status = read_body(call, &options, error);
    if (status < 0)
        return status;
    if (!cJSON_IsObject(options))
        return error_set(error, ERROR_BAD_REQUEST, NULL, "DeleteOptions must be an object");
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const char *wanted = json_text(options, "preconditions", members[i], NULL);
        const char *is = json_text_or("", object, "metadata", members[i], NULL);
        if (wanted && strcmp(wanted, is) != 0)
            return error_set(error, ERROR_CONFLICT, "preconditions", "the object has another %s", members[i]);
    }
    const cJSON *dry = json_member(options, "dryRun");
    if (dry && !cJSON_IsNull(dry) && (!cJSON_IsArray(dry) || dry->child)) {
        *ret_dry_run = call->silent = true;
    }
    return 0;
}

static cJSON *success(const struct place *place, const cJSON *object)
{
    cJSON *status = json_object();
    json_set_text(status, "kind", "Status");
    json_set_text(status, "apiVersion", "v1");
    json_set(status, "metadata", json_object());
    json_set_text(status, "status", "Success");
    cJSON *details = json_object_in(status, "details");
    json_set_text(details, "name", place->name);
    if (*place->info->group)
        json_set_text(details, "group", place->info->group);
    json_set_text(details, "kind", place->info->plural);
    json_set_text(details, "uid", json_text(object, "metadata", "uid", NULL));
    return status;
}

int place_delete(struct call *call, const struct place *place, struct error *error)
{
    AUTO_VIEW struct engine_view object = {0};
    AUTO_JSON cJSON *last = NULL;
    bool dry_run = false;
    call->action = "delete";
    int status = place_read(call, place, VERB_DELETE, &object, error);
    if (status == 0)
        status = check_writable(place, KIND_DELETE, error);
    if (status == 0)
        status = admission_check_reserved(place->kind, place->name, object.object, error);
    if (status == 0)
        status = check_preconditions(call, object.object, &dry_run, error);
    if (status == 0 && !dry_run)
        status = engine_delete(call->server->engine, place->kind, place->namespace, place->name, &last, error);
    if (status < 0)
        return status;
    if (!dry_run && kind_rules[place->kind].entered) {
        /* The next one of this name is another thing: nobody keeps a grant on it. */
        struct error fault = {0};
        if (auth_grant_forget(call->server->auth, place->namespace, place->info->kind, place->name, &fault) < 0)
            log_line(LOG_WARN, "grants on a deleted resource stay until it is deleted again",
                     LOG_TEXT("namespace", place->namespace), LOG_TEXT("name", place->name), LOG_FAULT(&fault));
    }
    bool pending = json_at(last, "metadata", "deletionTimestamp", NULL) != NULL &&
                   json_at(last, "metadata", "finalizers", NULL) != NULL;
    AUTO_JSON cJSON *done = pending ? NULL : success(place, object.object);
    wire_answer(call, 200, pending ? last : done);
    return 0;
}
