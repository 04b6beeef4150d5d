/* How is an object's state written down, and to whom does an object belong? */
#include "tenancy/status.h"

#include "base/clock.h"

void status_condition(cJSON *status, const cJSON *old_status, const char *type, bool truth, const char *reason,
                      const char *message, int64_t now_ms)
{
    const char *value = truth ? "True" : "False";
    const cJSON *old = json_keyed(json_member(old_status, "conditions"), "type", type);
    const char *since = json_text(old, "lastTransitionTime", NULL);
    char now[CLOCK_TEXT_SIZE];
    if (!since || strcmp(json_text_or("", old, "status", NULL), value) != 0) {
        clock_format(now_ms, now);
        since = now;
    }
    cJSON *conditions = json_member(status, "conditions");
    if (!conditions)
        conditions = json_set(status, "conditions", json_array());
    cJSON *condition = json_push(conditions, json_object());
    json_set_text(condition, "type", type);
    json_set_text(condition, "status", value);
    json_set_text(condition, "reason", reason);
    json_set_text(condition, "message", message);
    json_set_text(condition, "lastTransitionTime", since);
}

int status_write(struct engine *engine, enum engine_kind kind, const cJSON *object, cJSON *status, struct error *error)
{
    const cJSON *old = json_member(object, "status");
    if (old && json_equal(old, status)) {
        cJSON_Delete(status);
        return 0;
    }
    AUTO_JSON cJSON *wanted = json_copy(object);
    AUTO_JSON cJSON *written = NULL;
    json_set(wanted, "status", status);
    int r = engine_update(engine, kind, json_text(object, "metadata", "namespace", NULL),
                          json_text_or("", object, "metadata", "name", NULL), ENGINE_STATUS, wanted, &written, error);
    return r < 0 ? r : 1;
}

cJSON *status_owner_reference(enum engine_kind kind, const cJSON *owner)
{
    cJSON *array = json_array();
    cJSON *reference = json_push(array, json_object());
    json_set_text(reference, "apiVersion", engine_api_version(kind));
    json_set_text(reference, "kind", engine_kinds[kind].kind);
    json_set_text(reference, "name", json_text_or("", owner, "metadata", "name", NULL));
    json_set_text(reference, "uid", json_text_or("", owner, "metadata", "uid", NULL));
    json_set_bool(reference, "controller", true);
    json_set_bool(reference, "blockOwnerDeletion", true);
    return array;
}

bool status_is_owned(const cJSON *object, const cJSON *owner)
{
    const char *uid = json_text_or("", owner, "metadata", "uid", NULL);
    const cJSON *references = json_at(object, "metadata", "ownerReferences", NULL);
    for (const cJSON *r = references ? references->child : NULL; r; r = r->next) {
        if (*uid && json_true(r, "controller", NULL) && strcmp(json_text_or("", r, "uid", NULL), uid) == 0)
            return true;
    }
    return false;
}
