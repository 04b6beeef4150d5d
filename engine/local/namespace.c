/* Has a namespace its sandbox, and is it gone when its objects are? */
#include "base/log.h"
#include "engine/local/events.h"
#include "engine/local/rayhistory.h"
#include "engine/local/reconcile.h"
#include "engine/local/status.h"

/* Deletes what is still there; returns how many objects are left. */
static size_t empty_namespace(struct local *local, const char *namespace)
{
    size_t left = 0;
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        if (!engine_kinds[kind].namespaced)
            continue;
        AUTO_OBJECT_LIST struct object_list list = {0};
        objects_select(local->objects, (enum engine_kind)kind, namespace, NULL, &list);
        for (size_t i = 0; i < list.count; i++) {
            struct object *object = list.items[i];
            if (!object_terminating(object))
                (void)objects_delete(local->objects, object->kind, namespace, object->name, object->uid, NULL, NULL);
        }
        left += objects_count(local->objects, (enum engine_kind)kind, namespace);
    }
    return left;
}

static int64_t namespace_end(struct local *local, const struct object *object, struct error *error)
{
    enum { LOOK_AGAIN_MS = 1000 };
    size_t left = empty_namespace(local, object->name);
    cJSON *status = json_object();
    json_set_text(status, "phase", "Terminating");
    status_keep_conditions(status, object->body);
    char message[96];
    (void)snprintf(message, sizeof(message), "%zu objects are still there", left);
    status_set_condition(status, "Ready", false, "Terminating", left ? message : "the sandbox is being removed");
    int r = objects_set_status(local->objects, object, status, error);
    if (r < 0 || left > 0)
        return r < 0 ? r : LOOK_AGAIN_MS;
    r = sandbox_remove(local->sandbox, object->name, true, error);
    if (r < 0 && r != -ERROR_NOT_FOUND)
        return r;
    r = ray_history_forget(local, object->name, error);
    if (r == 0)
        r = objects_finish(local->objects, object, error);
    if (r == 0)
        log_line(LOG_INFO, "namespace removed", LOG_TEXT("namespace", object->name));
    return r;
}

/* What both the installation and the namespace allow. An annotation that cannot be read allows nothing. */
static int set_outbound(struct local *local, const struct object *object, struct error *error)
{
    const char *asked = json_text_or("on", object->body, "metadata", "annotations", ENGINE_OUTBOUND, NULL);
    struct outbound_policy own = {0}, both;
    AUTO_BUFFER struct buffer text = {0};
    (void)outbound_parse(slice_of(asked), ENGINE_OUTBOUND, &own, NULL);
    outbound_meet(&local->outbound, &own, &both);
    outbound_print(&both, &text);
    return sandbox_outbound(local->sandbox, object->name, text.p, error);
}

int64_t namespace_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    (void)namespace;
    AUTO_OBJECT struct object *object = objects_find(local->objects, KIND_NAMESPACE, NULL, name);
    if (!object)
        return 0;
    if (object_terminating(object))
        return namespace_end(local, object, error);
    AUTO_JSON cJSON *answer = NULL;
    int made = sandbox_ensure(local->sandbox, name, &answer, error);
    if (made == 0)
        made = set_outbound(local, object, error);
    cJSON *status = json_object();
    status_keep_conditions(status, object->body);
    json_set_text(status, "phase", "Active");
    if (made == 0)
        status_set_condition(status, "Ready", true, "SandboxReady", "the sandbox is there");
    else
        status_set_condition(status, "Ready", false, "SandboxFailed", error->message);
    int r = objects_set_status(local->objects, object, status, made < 0 ? NULL : error);
    return made < 0 ? made : r;
}
