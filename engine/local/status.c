/* What does a condition say, and since when? */
#include "engine/local/status.h"

#include "base/clock.h"

void status_keep_conditions(cJSON *status, const cJSON *object)
{
    const cJSON *conditions = json_at(object, "status", "conditions", NULL);
    if (cJSON_IsArray(conditions))
        json_set(status, "conditions", json_copy(conditions));
}

void status_set_condition(cJSON *status, const char *type, bool value, const char *reason, const char *message)
{
    cJSON *conditions = json_member(status, "conditions");
    if (!cJSON_IsArray(conditions))
        conditions = json_set(status, "conditions", json_array());
    cJSON *condition = json_keyed(json_member(status, "conditions"), "type", type);
    if (!condition) {
        condition = json_push(conditions, json_object());
        json_set_text(condition, "type", type);
    }
    const char *text = value ? "True" : "False";
    if (strcmp(json_text_or("", condition, "status", NULL), text) != 0) {
        char now[CLOCK_TEXT_SIZE];
        clock_format(clock_wall_ms(), now);
        json_set_text(condition, "status", text);
        json_set_text(condition, "lastTransitionTime", now);
    }
    json_set_text(condition, "reason", reason);
    json_set_text(condition, "message", message && message[0] ? message : NULL);
}

void status_drop_condition(cJSON *status, const char *type)
{
    cJSON *condition = json_keyed(json_member(status, "conditions"), "type", type);
    if (condition)
        cJSON_Delete(cJSON_DetachItemViaPointer(json_member(status, "conditions"), condition));
}

void status_set_time(cJSON *status, const char *key, int64_t wall_ms)
{
    char text[CLOCK_TEXT_SIZE];
    if (wall_ms <= 0)
        return;
    clock_format(wall_ms, text);
    json_set_text(status, key, text);
}
