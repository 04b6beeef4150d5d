/* What stands in the cell of a row? */
#include "base/clock.h"
#include "controlplane/table.h"

#include <ctype.h>

/* --- reading ------------------------------------------------------------------------------------------------------ */

static const cJSON *find(const cJSON *object, const char *path)
{
    struct slice rest = slice_of(path);
    while (object && rest.n > 0) {
        struct slice key = slice_split(rest, '.', &rest);
        char name[64];
        snprintf(name, sizeof(name), "%.*s", (int)key.n, key.p);
        object = json_member(object, name);
    }
    return object;
}

static cJSON *text_cell(const struct buffer *text)
{
    return cJSON_CreateString(text->n ? text->p : "<none>");
}

static void add_to_list(struct buffer *list, const char *text)
{
    buffer_add_format(list, "%s%s", list->n ? "," : "", text);
}

cJSON *cell_at(const cJSON *object, const char *path, int64_t now_ms)
{
    const cJSON *value = find(object, path);
    (void)now_ms;
    return cJSON_IsString(value) || cJSON_IsNumber(value) || cJSON_IsBool(value) ? json_copy(value) : NULL;
}

cJSON *cell_text(const cJSON *object, const char *path, int64_t now_ms)
{
    cJSON *value = cell_at(object, path, now_ms);
    return value ? value : cJSON_CreateString("<none>");
}

cJSON *cell_phase(const cJSON *object, const char *path, int64_t now_ms)
{
    bool goes = json_at(object, "metadata", "deletionTimestamp", NULL) != NULL;
    return goes ? cJSON_CreateString("Terminating") : cell_at(object, path, now_ms);
}

/* --- times -------------------------------------------------------------------------------------------------------- */

void age_format(int64_t span_ms, char ret[AGE_SIZE])
{
    long long s = span_ms < 0 ? 0 : span_ms / 1000, m = s / 60, h = m / 60, d = h / 24;
    if (s < 120)
        snprintf(ret, AGE_SIZE, "%llds", s);
    else if (m < 10 && s % 60)
        snprintf(ret, AGE_SIZE, "%lldm%llds", m, s % 60);
    else if (m < 180)
        snprintf(ret, AGE_SIZE, "%lldm", m);
    else if (h < 8 && m % 60)
        snprintf(ret, AGE_SIZE, "%lldh%lldm", h, m % 60);
    else if (h < 48)
        snprintf(ret, AGE_SIZE, "%lldh", h);
    else if (d < 8 && h % 24)
        snprintf(ret, AGE_SIZE, "%lldd%lldh", d, h % 24);
    else if (d < 730)
        snprintf(ret, AGE_SIZE, "%lldd", d);
    else if (d < 8 * 365 && d % 365)
        snprintf(ret, AGE_SIZE, "%lldy%lldd", d / 365, d % 365);
    else
        snprintf(ret, AGE_SIZE, "%lldy", d / 365);
}

static cJSON *age_of(const cJSON *time, int64_t now_ms)
{
    char age[AGE_SIZE];
    int64_t then;
    if (!cJSON_IsString(time) || !clock_parse(slice_of(time->valuestring), &then))
        return cJSON_CreateString("<unknown>");
    age_format(now_ms - then, age);
    return cJSON_CreateString(age);
}

cJSON *cell_age(const cJSON *object, const char *path, int64_t now_ms)
{
    return age_of(find(object, path), now_ms);
}

/* Events of the newer API have an eventTime only. */
cJSON *cell_event_age(const cJSON *object, const char *path, int64_t now_ms)
{
    const cJSON *time = find(object, path);
    return age_of(cJSON_IsString(time) ? time : json_member(object, "eventTime"), now_ms);
}

/* --- one kind's own ----------------------------------------------------------------------------------------------- */

cJSON *cell_event_object(const cJSON *object, const char *path, int64_t now_ms)
{
    (void)path, (void)now_ms;
    AUTO_FREE char *text = memory_format("%s/%s", json_text_or("", object, "involvedObject", "kind", NULL),
                                         json_text_or("", object, "involvedObject", "name", NULL));
    for (char *c = text; *c && *c != '/'; c++)
        *c = (char)tolower((unsigned char)*c);
    return cJSON_CreateString(text);
}

cJSON *cell_controller(const cJSON *object, const char *path, int64_t now_ms)
{
    (void)path, (void)now_ms;
    const cJSON *owner;
    cJSON_ArrayForEach(owner, json_at(object, "metadata", "ownerReferences", NULL))
    {
        struct slice version, group = slice_split(slice_of(json_text_or("", owner, "apiVersion", NULL)), '/', &version);
        if (!json_true(owner, "controller", NULL))
            continue;
        AUTO_FREE char *text =
            memory_format("%s%s%.*s/%s", json_text_or("", owner, "kind", NULL), version.n ? "." : "",
                          version.n ? (int)group.n : 0, group.p, json_text_or("", owner, "name", NULL));
        for (char *c = text; *c && *c != '/'; c++)
            *c = (char)tolower((unsigned char)*c);
        return cJSON_CreateString(text);
    }
    return cJSON_CreateString("<none>");
}

cJSON *cell_event_source(const cJSON *object, const char *path, int64_t now_ms)
{
    (void)path, (void)now_ms;
    const char *component = json_text_or("", object, "source", "component", NULL);
    const char *host = json_text_or("", object, "source", "host", NULL);
    if (!*component)
        component = json_text_or("", object, "reportingComponent", NULL);
    AUTO_FREE char *text = memory_format("%s%s%s", component, *host ? ", " : "", host);
    return cJSON_CreateString(text);
}

cJSON *cell_count(const cJSON *object, const char *path, int64_t now_ms)
{
    (void)path, (void)now_ms;
    int count = cJSON_GetArraySize(json_member(object, "data")) + cJSON_GetArraySize(json_member(object, "binaryData"));
    return cJSON_CreateNumber(count);
}

cJSON *cell_replicas(const cJSON *object, const char *path, int64_t now_ms)
{
    (void)path, (void)now_ms;
    int64_t ready = 0, wanted = 1;
    char text[48];
    json_i64(json_at(object, "status", "readyReplicas", NULL), &ready);
    json_i64(json_at(object, "spec", "replicas", NULL), &wanted);
    snprintf(text, sizeof(text), "%lld/%lld", (long long)ready, (long long)wanted);
    return cJSON_CreateString(text);
}

cJSON *cell_ports(const cJSON *object, const char *path, int64_t now_ms)
{
    (void)path, (void)now_ms;
    AUTO_BUFFER struct buffer list = {0};
    const cJSON *port;
    cJSON_ArrayForEach(port, json_at(object, "spec", "ports", NULL))
    {
        int64_t number = 0, outside = 0;
        char text[64];
        json_i64(json_member(port, "port"), &number);
        json_i64(json_member(port, "nodePort"), &outside);
        const char *protocol = json_text_or("TCP", port, "protocol", NULL);
        if (outside)
            snprintf(text, sizeof(text), "%lld:%lld/%.8s", (long long)number, (long long)outside, protocol);
        else
            snprintf(text, sizeof(text), "%lld/%.8s", (long long)number, protocol);
        add_to_list(&list, text);
    }
    return text_cell(&list);
}

cJSON *cell_selector(const cJSON *object, const char *path, int64_t now_ms)
{
    (void)now_ms;
    AUTO_BUFFER struct buffer list = {0};
    const cJSON *label;
    cJSON_ArrayForEach(label, find(object, path))
    {
        AUTO_FREE char *text = memory_format("%s=%s", label->string, cJSON_IsString(label) ? label->valuestring : "");
        add_to_list(&list, text);
    }
    return text_cell(&list);
}

cJSON *cell_modes(const cJSON *object, const char *path, int64_t now_ms)
{
    static const char *const modes[][2] = {
        {"ReadWriteOnce", "RWO"}, {"ReadOnlyMany", "ROX"}, {"ReadWriteMany", "RWX"}, {"ReadWriteOncePod", "RWOP"}};
    (void)now_ms;
    AUTO_BUFFER struct buffer list = {0};
    const cJSON *mode;
    cJSON_ArrayForEach(mode, find(object, path))
    {
        for (size_t i = 0; i < COUNT_OF(modes); i++)
            if (cJSON_IsString(mode) && strcmp(mode->valuestring, modes[i][0]) == 0)
                add_to_list(&list, modes[i][1]);
    }
    return cJSON_CreateString(list.n ? list.p : "");
}

cJSON *cell_containers(const cJSON *object, const char *path, int64_t now_ms)
{
    (void)now_ms;
    AUTO_BUFFER struct buffer list = {0};
    const cJSON *container;
    cJSON_ArrayForEach(container, json_at(object, "spec", "template", "spec", "containers", NULL))
    {
        add_to_list(&list, json_text_or("", container, path, NULL));
    }
    return text_cell(&list);
}

/* "requests.cpu: 1/4, pods: 2/10"; what limits limits stands in a column of its own. */
cJSON *cell_quota(const cJSON *object, const char *path, int64_t now_ms)
{
    (void)now_ms;
    bool limits = strcmp(path, "limits") == 0;
    AUTO_BUFFER struct buffer list = {0};
    const cJSON *hard;
    cJSON_ArrayForEach(hard, json_at(object, "status", "hard", NULL))
    {
        if (!cJSON_IsString(hard) || (strncmp(hard->string, "limits", 6) == 0) != limits)
            continue;
        buffer_add_format(&list, "%s%s: %s/%s", list.n ? ", " : "", hard->string,
                          json_text_or("0", object, "status", "used", hard->string, NULL), hard->valuestring);
    }
    return cJSON_CreateString(list.n ? list.p : "");
}
