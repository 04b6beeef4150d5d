/* What has the machine, what is installed, and is every part of the service in order? */
#include "base/clock.h"
#include "cli/client.h"
#include "cli/duration.h"
#include "cli/object.h"
#include "cli/verbs.h"

#define API "/api/atelier/v1"

/* "22586944Ki" as people say it. */
static const char *size_text(const cJSON *item, const char *key, char ret[32])
{
    int64_t bytes = -1;
    (void)quantity_parse_bytes(slice_of(json_text_or("", item, key, NULL)), &bytes);
    if (bytes == 0)
        return "0";
    table_bytes(bytes, ret, 32);
    return ret;
}

static void amounts_row(const char *label, const cJSON *amounts, struct table *table)
{
    char memory[32];
    table_add(table, label);
    table_add(table, json_text_or("", amounts, "cpu", NULL));
    table_add(table, size_text(amounts, "memory", memory));
}

static void add_disk(const cJSON *disk, struct buffer *text)
{
    char left[32], all[32], kept[32];
    if (disk)
        buffer_add_format(text, "\ndisk: %s of %s free, %s are kept free\n", size_text(disk, "free", left),
                          size_text(disk, "total", all), size_text(disk, "reserved", kept));
}

int verb_usage(struct call *call, struct error *error)
{
    static const char *const headers[] = {"PROFILE", "CPU", "MEMORY", NULL};
    AUTO_BUFFER struct buffer raw = {0};
    AUTO_BUFFER struct buffer text = {0};
    AUTO_JSON cJSON *answer = NULL;
    const cJSON *profile;
    enum output output;
    int failed = output_of_unnamed(call, &output, error);
    if (!failed)
        failed = client_get(call, API "/usage", &raw, error);
    if (failed || !output_is_table(output))
        return failed ? failed : print_document(call, output, buffer_slice(&raw), error);
    failed = json_parse(buffer_slice(&raw), &json_limits_default, &answer, error);
    if (failed)
        return failed;
    struct table *table = output_table(output, headers);
    cJSON_ArrayForEach(profile, json_member(answer, "profiles"))
        amounts_row(json_text_or("", profile, "name", NULL), profile, table);
    static const char *const sums[] = {"requested", "allocatable"};
    for (size_t i = 0; i < COUNT_OF(sums); i++) {
        AUTO_FREE char *label = memory_format("(%s)", sums[i]);
        amounts_row(label, json_member(answer, sums[i]), table);
    }
    table_print(table, true, &text);
    table_free(table);
    add_disk(json_member(answer, "disk"), &text);
    return print_text(text.p, error);
}

static void image_row(const cJSON *item, struct table *table)
{
    AUTO_BUFFER struct buffer aliases = {0};
    const cJSON *alias;
    cJSON_ArrayForEach(alias, json_member(item, "aliases"))
        buffer_add_format(&aliases, "%s%s", aliases.n ? ", " : "", cJSON_IsString(alias) ? alias->valuestring : "?");
    table_add(table, json_text_or("", item, "name", NULL));
    table_add(table, json_text_or("", item, "rayVersion", NULL));
    table_add(table, aliases.p);
}

int verb_images(struct call *call, struct error *error)
{
    static const char *const headers[] = {"NAME", "RAY", "ALSO KNOWN AS", NULL};
    static const struct listing listing = {headers, image_row, "name", false};
    return list_items(call, API "/images", &listing, error);
}

/* --- is it in order ----------------------------------------------------------------------------------------------- */

static void add_checks(const cJSON *checks, struct table *table, struct buffer *ret_wrong)
{
    const cJSON *check;
    cJSON_ArrayForEach(check, checks)
    {
        const char *name = json_text_or("", check, "name", NULL);
        bool ok = json_true(check, "ok", NULL);
        table_add(table, name);
        table_add(table, ok ? "ok" : "wrong");
        table_add(table, json_text_or("", check, "detail", NULL));
        if (!ok)
            buffer_add_format(ret_wrong, "%s%s", ret_wrong->n ? ", " : "", name);
    }
}

int verb_health(struct call *call, struct error *error)
{
    static const char *const headers[] = {"PART", "STATE", "DETAIL", NULL};
    AUTO_BUFFER struct buffer raw = {0};
    AUTO_BUFFER struct buffer text = {0};
    AUTO_BUFFER struct buffer wrong = {0};
    AUTO_JSON cJSON *answer = NULL;
    enum output output;
    int failed = output_of_unnamed(call, &output, error);
    if (!failed)
        failed = client_get(call, API "/health", &raw, error);
    if (!failed)
        failed = json_parse(buffer_slice(&raw), &json_limits_default, &answer, error);
    if (failed)
        return failed;
    struct table *table = output_table(output, headers);
    add_checks(json_member(answer, "checks"), table, &wrong);
    table_print(table, true, &text);
    table_free(table);
    failed =
        output_is_table(output) ? print_text(text.p, error) : print_document(call, output, buffer_slice(&raw), error);
    if (!failed && wrong.n)
        failed = error_set(error, ERROR_UNAVAILABLE, NULL, "not in order: %s", wrong.p);
    return failed;
}
