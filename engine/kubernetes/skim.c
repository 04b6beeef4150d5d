/* Which object is this, in which version, and which of its fields are ours? */
#include "engine/kubernetes/skim.h"

#include "engine/apply.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    return p;
}

/* <p> is after the opening quote; returns after the closing one, or NULL. */
static const char *skip_string(const char *p, const char *end)
{
    while (p < end) {
        if (*p == '\\')
            p++;
        else if (*p == '"')
            return p + 1;
        p++;
    }
    return NULL;
}

static const char *skip_nested(const char *p, const char *end)
{
    size_t depth = 0;
    while (p && p < end) {
        char c = *p++;
        if (c == '"')
            p = skip_string(p, end);
        else if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && --depth == 0)
            return p;
    }
    return NULL;
}

static const char *skip_value(const char *p, const char *end)
{
    if (p == end)
        return NULL;
    if (*p == '"')
        return skip_string(p + 1, end);
    if (*p == '{' || *p == '[')
        return skip_nested(p, end);
    const char *start = p;
    while (p < end && *p != ',' && *p != '}' && *p != ']' && !is_space(*p))
        p++;
    return p > start ? p : NULL;
}

static bool open_with(struct slice text, char bracket, struct skim *ret)
{
    const char *end = text.p + text.n, *p = skip_space(text.p, end);
    if (p == end || *p != bracket)
        return false;
    *ret = (struct skim){.p = p + 1, .end = end};
    return true;
}

bool skim_open(struct slice object, struct skim *ret)
{
    return open_with(object, '{', ret);
}

bool skim_open_array(struct slice array, struct skim *ret)
{
    return open_with(array, '[', ret);
}

/* Stands before the next element, or is at the end. */
static bool at_element(struct skim *at, char closing)
{
    at->p = skip_space(at->p, at->end);
    if (at->p < at->end && *at->p == ',')
        at->p = skip_space(at->p + 1, at->end);
    if (at->p == at->end)
        at->broken = true;
    return !at->broken && *at->p != closing;
}

static bool take_value(struct skim *at, struct slice *ret)
{
    const char *after = skip_value(at->p, at->end);
    if (!after) {
        at->broken = true;
        return false;
    }
    *ret = (struct slice){at->p, (size_t)(after - at->p)};
    at->p = after;
    return true;
}

bool skim_next(struct skim *at, struct slice *ret_key, struct slice *ret_value)
{
    struct slice key;
    if (at->broken || !at_element(at, '}') || !take_value(at, &key))
        return false;
    at->p = skip_space(at->p, at->end);
    if (key.n < 2 || *key.p != '"' || at->p == at->end || *at->p != ':') {
        at->broken = true;
        return false;
    }
    at->p = skip_space(at->p + 1, at->end);
    *ret_key = skim_text(key);
    return take_value(at, ret_value);
}

bool skim_next_item(struct skim *at, struct slice *ret_value)
{
    return !at->broken && at_element(at, ']') && take_value(at, ret_value);
}

struct slice skim_text(struct slice value)
{
    if (value.n < 2 || value.p[0] != '"')
        return (struct slice){0};
    return (struct slice){value.p + 1, value.n - 2};
}

bool skim_member(struct slice object, const char *key, struct slice *ret)
{
    struct skim at;
    struct slice name, value;
    if (!skim_open(object, &at))
        return false;
    while (skim_next(&at, &name, &value))
        if (slice_is(name, key)) {
            *ret = value;
            return true;
        }
    return false;
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

/* fieldsV1 of the entry that server-side apply keeps for us. */
static void skim_manager(struct slice entry, struct skimmed *ret)
{
    struct slice value;
    if (!skim_member(entry, "manager", &value) || !slice_is(skim_text(value), MANAGED_BY_US) ||
        !skim_member(entry, "operation", &value) || !slice_is(skim_text(value), "Apply") ||
        skim_member(entry, "subresource", &value))
        return;
    if (skim_member(entry, "fieldsV1", &value))
        ret->fields = value;
}

static void skim_managers(struct slice list, struct skimmed *ret)
{
    struct skim at;
    struct slice entry;
    if (skim_open_array(list, &at))
        while (skim_next_item(&at, &entry))
            skim_manager(entry, ret);
}

/* With the comma after the member, or else the one before it. */
static struct slice with_comma(struct slice metadata, struct slice key, struct slice value)
{
    const char *from = key.p - 1, *to = value.p + value.n, *end = metadata.p + metadata.n;
    const char *next = skip_space(to, end);
    if (next < end && *next == ',')
        return (struct slice){from, (size_t)(next + 1 - from)};
    const char *before = from;
    while (before > metadata.p && is_space(before[-1]))
        before--;
    if (before > metadata.p && before[-1] == ',')
        from = before - 1;
    return (struct slice){from, (size_t)(to - from)};
}

static bool skim_metadata(struct slice metadata, struct skimmed *ret)
{
    struct skim at;
    struct slice key, value, member;
    if (!skim_open(metadata, &at))
        return false;
    while (skim_next(&at, &key, &value)) {
        if (slice_is(key, "name"))
            ret->name = skim_text(value);
        else if (slice_is(key, "namespace"))
            ret->namespace = skim_text(value);
        else if (slice_is(key, "uid"))
            ret->uid = skim_text(value);
        else if (slice_is(key, "resourceVersion"))
            ret->version = skim_text(value);
        else if (slice_is(key, "labels") && skim_member(value, LABEL_MANAGED_BY, &member))
            ret->ours = slice_is(skim_text(member), MANAGED_BY_US);
        else if (slice_is(key, "annotations") && skim_member(value, ANNOTATION_APPLIED, &member))
            ret->applied = skim_text(member);
        else if (slice_is(key, "managedFields")) {
            skim_managers(value, ret);
            ret->cut = with_comma(metadata, key, value);
        }
    }
    return !at.broken;
}

bool skim_object(struct slice object, struct skimmed *ret)
{
    struct skim at;
    struct slice key, value;
    *ret = (struct skimmed){0};
    if (!skim_open(object, &at))
        return false;
    while (skim_next(&at, &key, &value)) {
        if (slice_is(key, "metadata") && !skim_metadata(value, ret))
            return false;
        if (slice_is(key, "kind"))
            ret->typed = true;
    }
    return !at.broken && ret->name.n && ret->version.n;
}
