/* What is the URL of this object? */
#include "engine/kubernetes/paths.h"

static void add_segment(struct buffer *ret, const char *text)
{
    buffer_add_text(ret, "/");
    text_percent(slice_of(text), ret);
}

void path_add(struct buffer *ret, enum engine_kind kind, const char *namespace, const char *name,
              const char *subresource)
{
    const struct engine_kind_info *info = &engine_kinds[kind];
    buffer_add_text(ret, info->group[0] ? "/apis/" : "/api/");
    buffer_add_text(ret, engine_api_version(kind));
    if (info->namespaced && namespace) {
        buffer_add_text(ret, "/namespaces");
        add_segment(ret, namespace);
    }
    add_segment(ret, info->plural);
    if (name)
        add_segment(ret, name);
    if (subresource)
        add_segment(ret, subresource);
}

void path_query(struct buffer *ret, const char *key, const char *value)
{
    if (!value || !value[0])
        return;
    buffer_add_text(ret, memchr(ret->p, '?', ret->n) ? "&" : "?");
    buffer_add_text(ret, key);
    buffer_add_text(ret, "=");
    text_percent(slice_of(value), ret);
}

static bool is_segment(const char *text)
{
    return text && text[0] && strcmp(text, ".") != 0 && strcmp(text, "..") != 0 && strlen(text) <= 253;
}

int path_check_name(enum engine_kind kind, const char *namespace, const char *name, struct error *error)
{
    if (!is_segment(name) || (engine_kinds[kind].namespaced && !is_segment(namespace)))
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s \"%.253s\" not found", engine_kinds[kind].plural,
                         name ? name : "");
    return 0;
}
