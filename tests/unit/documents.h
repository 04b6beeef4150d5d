/* What a test has written down as text, read: a malformed one fails it. For the programs that include cmocka before. */
#ifndef ATELIER_TESTS_UNIT_DOCUMENTS_H
#define ATELIER_TESTS_UNIT_DOCUMENTS_H

#include "base/json.h"

static inline cJSON *from_json(const char *text)
{
    cJSON *value = NULL;
    struct error error = {0};
    if (json_parse(slice_of(text), &json_limits_default, &value, &error) < 0)
        fail_msg("%s: %s", text, error.message);
    return value;
}

static inline cJSON *from_yaml(const char *text)
{
    cJSON *value = NULL;
    struct error error = {0};
    if (yaml_parse(slice_of(text), &json_limits_default, &value, &error) < 0)
        fail_msg("%s: %s", text, error.message);
    return value;
}

#endif
