/* Which JSON Patch makes one document of another? */
#include "base/json_patch.h"

/* RFC 6901: '~' and '/' inside a key. */
static void add_key(struct buffer *path, const char *key)
{
    buffer_add_text(path, "/");
    for (const char *at = key; *at; at++) {
        if (*at == '~' || *at == '/')
            buffer_add_text(path, *at == '~' ? "~0" : "~1");
        else
            buffer_add(path, at, 1);
    }
}

static void add_operation(cJSON *patch, const char *operation, const char *path, const cJSON *value)
{
    cJSON *entry = json_push(patch, json_object());
    json_set_text(entry, "op", operation);
    json_set_text(entry, "path", path);
    if (value)
        json_set(entry, "value", json_copy(value));
}

static void cut(struct buffer *path, size_t length)
{
    path->n = length;
    path->p[length] = '\0';
}

/* <path> is the way to both; it is as before when this returns. Nesting is bounded by the documents' parser. */
static void compare(const cJSON *before, const cJSON *after, struct buffer *path, cJSON *patch)
{
    const cJSON *item;
    if (!cJSON_IsObject(before) || !cJSON_IsObject(after)) {
        if (!json_equal(before, after))
            add_operation(patch, "replace", path->p, after);
        return;
    }
    size_t length = path->n;
    cJSON_ArrayForEach(item, before)
    {
        if (json_member(after, item->string))
            continue;
        add_key(path, item->string);
        add_operation(patch, "remove", path->p, NULL);
        cut(path, length);
    }
    cJSON_ArrayForEach(item, after)
    {
        const cJSON *was = json_member(before, item->string);
        add_key(path, item->string);
        if (was)
            compare(was, item, path, patch);
        else
            add_operation(patch, "add", path->p, item);
        cut(path, length);
    }
}

cJSON *json_difference(const cJSON *before, const cJSON *after)
{
    AUTO_BUFFER struct buffer path = {0};
    cJSON *patch = json_array();
    buffer_add_text(&path, "");
    compare(before, after, &path, patch);
    return patch;
}
