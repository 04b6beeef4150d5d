/* Which options of a file's own `ray start` still mean something where the platform starts Ray? */
#include "cli/launcher_start.h"

/* --- words of a shell line ---------------------------------------------------------------------------------------- */

static bool is_blank(const char *p)
{
    return *p == ' ' || *p == '\t' || *p == '\n' || (p[0] == '\\' && p[1] == '\n');
}

/* The next word of this command, without its quotes; false at its end. */
static bool next_word(const char **at, struct buffer *ret)
{
    const char *p = *at;
    char quote = '\0';
    while (*p && is_blank(p))
        p += *p == '\\' ? 2 : 1;
    buffer_free(ret);
    *ret = (struct buffer){0};
    bool any = *p && !strchr(";&|", *p);
    for (; any && *p && (quote || (!is_blank(p) && !strchr(";&|", *p))); p++) {
        if (*p == quote) {
            quote = '\0';
        } else if (!quote && (*p == '\'' || *p == '"')) {
            quote = *p;
        } else {
            if (*p == '\\' && quote != '\'' && p[1])
                p++;
            buffer_add(ret, p, 1);
        }
    }
    *at = p;
    return any;
}

/* --- options ------------------------------------------------------------------------------------------------------ */

/* Where a node is, and how it finds the others: the platform's own business. */
static bool is_about_the_place(const char *name)
{
    static const char *const names[] = {"head",
                                        "block",
                                        "port",
                                        "address",
                                        "redis-address",
                                        "redis-port",
                                        "object-manager-port",
                                        "node-manager-port",
                                        "autoscaling-config",
                                        "node-ip-address",
                                        "dashboard-host",
                                        "dashboard-port",
                                        "include-dashboard",
                                        "ray-client-server-port",
                                        "metrics-export-port",
                                        "min-worker-port",
                                        "max-worker-port",
                                        "disable-usage-stats",
                                        NULL};
    for (const char *const *known = names; *known; known++)
        if (strcmp(*known, name) == 0)
            return true;
    return false;
}

static int take_resources(struct launcher *launcher, const char *field, const char *value, cJSON *params)
{
    AUTO_JSON cJSON *amounts = NULL;
    if (json_parse(slice_of(value), &json_limits_default, &amounts, NULL) < 0 || !cJSON_IsObject(amounts))
        return launcher_refuse(launcher, field, "--resources: expected JSON of amounts such as '{\"special\": 1}'");
    if (!json_member(params, "resources") && amounts->child)
        launcher_set_resources(params, amounts);
    return 0;
}

static int take_option(struct launcher *launcher, const char *field, const char *name, const char *value, cJSON *group)
{
    cJSON *params = json_object_in(group, "rayStartParams");
    bool counted = strcmp(name, "num-cpus") == 0 || strcmp(name, "object-store-memory") == 0;
    int64_t number;
    if (is_about_the_place(name))
        return 0;
    if (strcmp(name, "resources") == 0 && !strchr(value, '$'))
        return take_resources(launcher, field, value, params);
    if (!counted || strchr(value, '$')) {
        launcher_note(launcher, "%s: --%.40s: not taken over: the platform starts Ray itself", field, name);
        return 0;
    }
    if (!text_parse_i64(slice_of(value), 0, (int64_t)1 << 50, &number))
        return launcher_refuse(launcher, field, "--%s: expected a whole number", name);
    if (!json_member(params, name)) {
        AUTO_FREE char *text = memory_format("%lld", (long long)number);
        json_set_text(params, name, text);
    }
    return 0;
}

/* "--name=value", or "--name value" where what follows is no option. */
static int take_options(struct launcher *launcher, const char *field, const char *line, cJSON *group)
{
    AUTO_BUFFER struct buffer word = {0};
    AUTO_BUFFER struct buffer next = {0};
    bool more = next_word(&line, &word);
    while (more) {
        more = next_word(&line, &next);
        if (word.n > 2 && slice_starts(buffer_slice(&word), "--")) {
            struct slice value, name = slice_split(slice_skip(buffer_slice(&word), 2), '=', &value);
            bool apart = !memchr(word.p, '=', word.n) && more && next.p && next.p[0] != '-';
            AUTO_FREE char *name_text = memory_text_n(name.p, name.n);
            AUTO_FREE char *value_text =
                apart ? memory_text_n(next.p, next.n) : memory_text_n(value.n ? value.p : "", value.n);
            int failed = take_option(launcher, field, name_text, value_text, group);
            if (failed)
                return failed;
        }
        struct buffer spare = word;
        word = next;
        next = spare;
    }
    return 0;
}

int launcher_add_start(struct launcher *launcher, bool head, cJSON *group)
{
    const char *key = head ? "head_start_ray_commands" : "worker_start_ray_commands";
    const cJSON *item;
    int index = 0;
    cJSON_ArrayForEach(item, json_member(launcher->file, key))
    {
        char field[LAUNCHER_PATH_MAX];
        launcher_path_at(field, "", key, index++);
        const char *start = cJSON_IsString(item) ? strstr(item->valuestring, "ray start") : NULL;
        int failed = start ? take_options(launcher, field, start + strlen("ray start"), group) : 0;
        if (failed)
            return failed;
    }
    return 0;
}
