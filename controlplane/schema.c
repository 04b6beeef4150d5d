/* Has an object only the members that its kind has, each of its type? */
#include "controlplane/schema.h"

static bool is_of_type(const cJSON *value, enum schema_type type)
{
    int64_t number;
    switch (type) {
    case SCHEMA_TEXT:
    case SCHEMA_TIME:
        return cJSON_IsString(value);
    case SCHEMA_WHOLE:
        return json_i64(value, &number);
    case SCHEMA_NUMBER:
        return cJSON_IsNumber(value);
    case SCHEMA_TRUTH:
        return cJSON_IsBool(value);
    case SCHEMA_QUANTITY:
        return cJSON_IsString(value) || cJSON_IsNumber(value);
    case SCHEMA_TEXTS:
    case SCHEMA_LIST:
        return cJSON_IsArray(value);
    default:
        return cJSON_IsObject(value);
    }
}

static int check_type(const cJSON *value, enum schema_type type, const char *path, struct error *error)
{
    static const char *const expected[] = {
        [SCHEMA_TEXT] = "a text",          [SCHEMA_TIME] = "a time as RFC 3339 has it",
        [SCHEMA_WHOLE] = "a whole number", [SCHEMA_NUMBER] = "a number",
        [SCHEMA_TRUTH] = "true or false",  [SCHEMA_QUANTITY] = "a quantity such as 500m or 1Gi",
        [SCHEMA_MAP] = "an object",        [SCHEMA_AMOUNTS] = "an object",
        [SCHEMA_TEXTS] = "a list",         [SCHEMA_OBJECT] = "an object",
        [SCHEMA_OPEN] = "an object",       [SCHEMA_LIST] = "a list"};
    if (is_of_type(value, type))
        return 0;
    return error_set(error, ERROR_INVALID, path, "%s must be %s", path, expected[type]);
}

static int check_value(const cJSON *value, const struct schema_field *field, const char *path, struct error *error);

/* Members that are null are absent. */
static int check_members(const cJSON *object, const struct schema_field *fields, const char *path, struct error *error)
{
    int status = 0;
    for (const struct schema_field *field = fields; field && field->name && status == 0; field++) {
        const cJSON *value = json_member(object, field->name);
        if (!value || cJSON_IsNull(value))
            continue;
        AUTO_FREE char *at = memory_format("%s%s%s", path, *path ? "." : "", field->name);
        status = check_value(value, field, at, error);
    }
    return status;
}

static int check_known(const cJSON *object, const struct schema_field *fields, bool whole, const char *path,
                       struct error *error)
{
    const char *known[SCHEMA_FIELDS_MAX + 1] = {"apiVersion", "kind", "metadata"};
    size_t count = whole ? 3 : 0;
    for (; fields && fields->name && count < SCHEMA_FIELDS_MAX; fields++)
        known[count++] = fields->name;
    known[count] = NULL;
    return json_check_known(object, path, known, error);
}

static int check_items(const cJSON *list, const struct schema_field *field, const char *path, struct error *error)
{
    const cJSON *item;
    int index = 0, status = 0;
    cJSON_ArrayForEach(item, list)
    {
        AUTO_FREE char *at = memory_format("%s[%d]", path, index++);
        status = check_type(item, SCHEMA_OBJECT, at, error);
        if (status == 0)
            status = check_members(item, field->fields, at, error);
        if (status < 0)
            break;
    }
    return status;
}

static int check_value(const cJSON *value, const struct schema_field *field, const char *path, struct error *error)
{
    int status = check_type(value, field->type, path, error);
    if (status == 0 && field->type == SCHEMA_OBJECT)
        status = check_known(value, field->fields, false, path, error);
    if (status < 0)
        return status;
    return field->type == SCHEMA_LIST ? check_items(value, field, path, error)
                                      : check_members(value, field->fields, path, error);
}

int schema_check(enum engine_kind kind, const cJSON *object, struct error *error)
{
    const struct schema_field *fields = schema_of(kind)->fields;
    int status = check_known(object, fields, true, "", error);
    return status < 0 ? status : check_members(object, fields, "", error);
}
