/* Does /openapi.json describe every row of the people API, and nothing that is not there? */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>

#include "controlplane/assets.h"
#include "controlplane/router.h"

static cJSON *document;

static int read_document(void **state)
{
    (void)state;
    for (size_t i = 0; i < asset_count; i++)
        if (strcmp(assets[i].path, "openapi.json") == 0)
            return json_parse((struct slice){(const char *)assets[i].plain, assets[i].plain_size}, &json_limits_default,
                              &document, NULL);
    return -1;
}

static int drop_document(void **state)
{
    (void)state;
    cJSON_Delete(document);
    return 0;
}

static bool is_people(const char *pattern)
{
    return slice_starts(slice_of(pattern), "/auth/") || slice_starts(slice_of(pattern), "/api/atelier/");
}

static const char *lower(const char *method, char ret[16])
{
    size_t n = 0;
    for (; method[n] && n < 15; n++)
        ret[n] = (char)tolower((unsigned char)method[n]);
    ret[n] = '\0';
    return ret;
}

static void every_row_is_described(void **state)
{
    (void)state;
    size_t described = 0;
    for (size_t i = 0; i < route_entry_count; i++) {
        const struct route_entry *entry = &route_entries[i];
        char method[16];
        if (!is_people(entry->pattern))
            continue;
        const cJSON *operation = json_at(document, "paths", entry->pattern, lower(entry->method, method), NULL);
        if (!operation)
            fail_msg("controlplane/openapi.yaml lacks %s %s", entry->method, entry->pattern);
        const cJSON *security = json_member(operation, "security");
        bool open = security && cJSON_GetArraySize(security) == 0;
        if (open != (entry->who == WHO_ANYONE))
            fail_msg("%s %s: its security is not the route table's", entry->method, entry->pattern);
        described++;
    }
    assert_true(described > 20);
}

static bool is_row(const char *pattern, const char *method)
{
    char own[16];
    for (size_t i = 0; i < route_entry_count; i++)
        if (strcmp(route_entries[i].pattern, pattern) == 0 && strcmp(lower(route_entries[i].method, own), method) == 0)
            return true;
    return false;
}

static void nothing_else_is_described(void **state)
{
    (void)state;
    const cJSON *path, *operation;
    cJSON_ArrayForEach(path, json_member(document, "paths"))
    {
        cJSON_ArrayForEach(operation, path)
        {
            if (strcmp(operation->string, "parameters") != 0 && !is_row(path->string, operation->string))
                fail_msg("no row of the route table is %s %s", operation->string, path->string);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_row_is_described),
                                       cmocka_unit_test(nothing_else_is_described)};
    return cmocka_run_group_tests(tests, read_document, drop_document);
}
