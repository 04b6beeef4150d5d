/* What has the cluster last complained about, concerning this object? */
#include "notebooks/internal.h"

#include "base/clock.h"

/* Events come in two shapes (core/v1 counts, events.k8s.io/v1 series) and show in core/v1 with other times each. */
static int64_t event_time(const cJSON *event)
{
    const char *const times[] = {json_text(event, "series", "lastObservedTime", NULL),
                                 json_text(event, "lastTimestamp", NULL), json_text(event, "eventTime", NULL),
                                 json_text(event, "metadata", "creationTimestamp", NULL)};
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        int64_t ms = 0;
        if (times[i] && clock_parse(slice_of(times[i]), &ms))
            return ms;
    }
    return 0;
}

static bool event_is_about(const cJSON *event, const char *uid)
{
    return strcmp(json_text_or("", event, "type", NULL), "Warning") == 0 &&
           strcmp(json_text_or(uid, event, "involvedObject", "uid", NULL), uid) == 0;
}

int trouble_read(struct engine *engine, enum engine_kind kind, const cJSON *object, int64_t since_ms,
                 struct trouble *ret, struct error *error)
{
    const char *uid = json_text_or("", object, "metadata", "uid", NULL);
    AUTO_FREE char *selector = memory_format("involvedObject.kind=%s,involvedObject.name=%s", engine_kinds[kind].kind,
                                             json_text_or("", object, "metadata", "name", NULL));
    struct engine_list_options options = {.field_selector = selector};
    AUTO_JSON cJSON *list = NULL;
    int r = engine_list(engine, KIND_EVENT, json_text(object, "metadata", "namespace", NULL), &options, &list, error);
    if (r < 0)
        return r;
    const cJSON *newest = NULL;
    int64_t newest_ms = since_ms / 1000 * 1000; /* events know whole seconds only */
    const cJSON *items = json_member(list, "items");
    for (const cJSON *item = items ? items->child : NULL; item; item = item->next) {
        int64_t ms = event_time(item);
        if (event_is_about(item, uid) && ms >= newest_ms) {
            newest = item;
            newest_ms = ms;
        }
    }
    trouble_clear(ret);
    ret->reason = memory_text(json_text(newest, "reason", NULL));
    ret->message = memory_text(json_text(newest, "message", NULL));
    return 0;
}

void trouble_clear(struct trouble *trouble)
{
    free(trouble->reason);
    free(trouble->message);
    *trouble = (struct trouble){0};
}
