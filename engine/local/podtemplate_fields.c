/* Does a document have only the fields of a table, each of its kind? */
#include "engine/local/podtemplate_fields.h"

int check_fail(struct check *check, const char *path, const char *expected)
{
    return error_set(check->error, ERROR_INVALID, path, "%s %s", path, expected);
}

void check_path(char ret[CHECK_PATH_MAX], const char *base, const char *name)
{
    char clean[64];
    text_printable(slice_of(name), clean, sizeof(clean));
    (void)snprintf(ret, CHECK_PATH_MAX, "%s%s%s", base, base[0] ? "." : "", clean);
}

static int check_member(struct check *check, const cJSON *member, const char *path, const struct check_field *fields)
{
    char field[CHECK_PATH_MAX];
    check_path(field, path, member->string);
    if (cJSON_IsNull(member))
        return 0;
    for (; fields->name; fields++)
        if (strcmp(fields->name, member->string) == 0)
            return fields->check ? fields->check(check, member, field) : 0;
    return check_fail(check, field, "is not offered by this engine");
}

int check_fields(struct check *check, const cJSON *value, const char *path, const struct check_field *fields)
{
    const cJSON *member;
    if (!cJSON_IsObject(value))
        return check_fail(check, path, "must be an object");
    cJSON_ArrayForEach(member, value)
    {
        int r = check_member(check, member, path, fields);
        if (r < 0)
            return r;
    }
    return 0;
}

int check_list(struct check *check, const cJSON *value, const char *path, int max, check_function each)
{
    const cJSON *item;
    int index = 0;
    if (!cJSON_IsArray(value))
        return check_fail(check, path, "must be a list");
    if (cJSON_GetArraySize(value) > max)
        return error_set(check->error, ERROR_INVALID, path, "%s has too many entries: at most %d", path, max);
    cJSON_ArrayForEach(item, value)
    {
        char field[CHECK_PATH_MAX];
        (void)snprintf(field, sizeof(field), "%s[%d]", path, index++);
        int r = each(check, item, field);
        if (r < 0)
            return r;
    }
    return 0;
}

bool check_has_volume(const struct check *check, const char *name)
{
    return json_named(check->volumes, name) != NULL;
}
