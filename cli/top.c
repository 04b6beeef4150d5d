/* What do workloads use now? The last sample of each, as the service measured it. */
#include "base/clock.h"
#include "cli/client.h"
#include "cli/object.h"
#include "cli/verbs.h"

#define LOOK_BACK_MS 300000 /* older samples are not "now" */

/* "0.31", "0.31/0.5". */
static void add_cores(const cJSON *item, struct table *table)
{
    const cJSON *used = json_member(item, "cpu"), *limit = json_member(item, "cpuLimit");
    AUTO_FREE char *text = cJSON_IsNumber(used) ? memory_format("%.2f", used->valuedouble) : NULL;
    AUTO_FREE char *both =
        text && cJSON_IsNumber(limit) ? memory_format("%s/%.4g", text, limit->valuedouble) : memory_text(text);
    table_add(table, both);
}

static void add_bytes(const cJSON *item, struct table *table)
{
    char used[32] = "", limit[32] = "";
    int64_t bytes;
    if (json_i64(json_member(item, "memory"), &bytes))
        table_bytes(bytes, used, sizeof(used));
    if (json_i64(json_member(item, "memoryLimit"), &bytes))
        table_bytes(bytes, limit, sizeof(limit));
    AUTO_FREE char *text = memory_format("%s%s%s", used, limit[0] ? "/" : "", limit);
    table_add(table, text);
}

static void use_row(const cJSON *item, struct table *table)
{
    int64_t nodes = 0, then = 0;
    char age[32] = "";
    AUTO_FREE char *kind = memory_text(json_text_or("", item, "kind", NULL));
    for (char *c = kind; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    AUTO_FREE char *name = memory_format("%s/%s", kind, json_text_or("", item, "name", NULL));
    table_add(table, name);
    add_cores(item, table);
    add_bytes(item, table);
    AUTO_FREE char *count =
        json_i64(json_member(item, "nodes"), &nodes) ? memory_format("%lld", (long long)nodes) : NULL;
    table_add(table, count);
    if (clock_parse(slice_of(json_text_or("", item, "at", NULL)), &then))
        table_age((clock_wall_ms() - then) / 1000, age, sizeof(age));
    table_add(table, age);
}

static bool same_workload(const cJSON *a, const cJSON *b)
{
    return strcmp(json_text_or("", a, "kind", NULL), json_text_or("", b, "kind", NULL)) == 0 &&
           strcmp(json_text_or("", a, "name", NULL), json_text_or("", b, "name", NULL)) == 0;
}

/* Samples come by time: the last of each workload stays. */
static void keep_last(cJSON *items)
{
    for (cJSON *item = items ? items->child : NULL, *next; item; item = next) {
        const cJSON *later = next = item->next;
        while (later && !same_workload(item, later))
            later = later->next;
        if (later)
            cJSON_Delete(cJSON_DetachItemViaPointer(items, item));
    }
}

struct asked {
    const char *namespace;
    bool troubled; /* it has been said why nothing is measured */
};

static int read_samples(struct call *call, void *of, cJSON **ret, struct error *error)
{
    struct asked *asked = of;
    char since[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms() - LOOK_BACK_MS, since);
    AUTO_FREE char *base = client_path("/api/atelier/v1/profiles", asked->namespace, "samples", NULL);
    AUTO_FREE char *path = memory_format("%s?since=%s&step=60", base, since);
    int failed = client_json(call, "GET", path, NULL, ret, error);
    if (failed)
        return failed;
    const char *trouble = json_text(*ret, "trouble", NULL);
    if (trouble && !asked->troubled)
        say("nothing is measured now: %s", trouble);
    asked->troubled = trouble != NULL;
    keep_last(json_member(*ret, "items"));
    return 0;
}

int verb_top(struct call *call, struct error *error)
{
    static const char *const headers[] = {"WORKLOAD", "CPU", "MEMORY", "NODES", "MEASURED", NULL};
    static const struct listing listing = {headers, use_row, "name", false};
    struct asked asked = {0};
    int failed = call_namespace(call, &asked.namespace, error);
    return failed ? failed : list_made(call, read_samples, &asked, &listing, error);
}
