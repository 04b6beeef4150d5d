/* What does server-side apply make of an object? */
#include "auth/auth.h"
#include "base/clock.h"
#include "controlplane/admission.h"
#include "controlplane/kinds.h"
#include "controlplane/managed.h"
#include "controlplane/metadata.h"
#include "controlplane/objects.h"
#include "controlplane/wire.h"

/* What is there, or (with none as change->old) leave to make it: apply is both. */
static int begin(struct call *call, const struct place *place, struct object_change *ret, struct error *error)
{
    int status = change_begin(call, place, ret, error);
    if (status != -ERROR_NOT_FOUND)
        return status;
    struct error refused = {0};
    struct decision decision = call_decide(call, place->namespace, place->info->kind, NULL, VERB_CREATE);
    if (call_refuse(&decision, &refused) < 0)
        return status; /* to who may not make it either, it is absent */
    *error = (struct error){0};
    return change_begin_new(call, place, ret, error);
}

static int admit_new(struct call *call, const struct place *place, cJSON *object, struct error *error)
{
    call->name = arena_text(call->request->arena, place->name);
    if (place->kind == KIND_PROFILE)
        call->namespace = call->name;
    return change_admit(call, place, NULL, object, error);
}

static int apply_once(struct call *call, const struct place *place, const cJSON *applied, struct error *error)
{
    struct object_change change = {0};
    char now[CLOCK_TEXT_SIZE];
    AUTO_JSON cJSON *object = NULL;
    AUTO_JSON cJSON *managed = NULL;
    clock_format(clock_wall_ms(), now);
    int status = begin(call, place, &change, error);
    struct managed_apply apply = {.live = change.old.object,
                                  .applied = applied,
                                  .manager = request_query(call->request, "fieldManager"),
                                  .api_version = engine_api_version(place->kind),
                                  .now = now,
                                  .force = call_query_true(call, "force")};
    if (status == 0)
        status = managed_apply(&apply, &object, &managed, &call->causes, error);
    if (status == 0)
        status = change.old.object ? change_admit(call, place, change.old.object, object, error)
                                   : admit_new(call, place, object, error);
    if (status == 0) {
        json_set(json_object_in(object, "metadata"), "managedFields", TAKE_POINTER(managed));
        status = change_finish(call, place, &change, object, error);
    }
    engine_view_end(&change.old);
    return status;
}

int place_apply(struct call *call, const struct place *place, struct error *error)
{
    struct object_change seen = {0};
    AUTO_JSON cJSON *applied = NULL;
    call->action = "apply";
    if (place->info->namespaced && !place->namespace)
        return error_set(error, ERROR_METHOD, NULL, "apply %s in a namespace", place->info->plural);
    /* Nothing about the body is told to who may not change the object. */
    int status = begin(call, place, &seen, error);
    engine_view_end(&seen.old);
    if (status == 0)
        status = wire_check_accept(call->request, error);
    if (status == 0)
        status = wire_read(call->request, WIRE_APPLY_PATCH, &applied, error);
    if (status < 0)
        return status;
    unsigned retries = wire_names_version(WIRE_APPLY_PATCH, applied) ? 0 : LIMIT_PATCH_RETRIES;
    do {
        *error = (struct error){0};
        status = apply_once(call, place, applied, error);
        /* Somebody else was faster: once more on what is there now. A conflict of owners stays one. */
    } while ((status == -ERROR_CONFLICT || status == -ERROR_EXISTS) && !call->causes && retries-- > 0);
    return status;
}
