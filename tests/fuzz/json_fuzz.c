/* Whatever the JSON parser accepts is printed and reads back equal, compactly, indented and as YAML. */
// fuzz: base/*.c
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const cJSON *value, struct slice text)
{
    cJSON *back = NULL;
    struct error error = {0};
    struct json_limits limits = json_limits_default;
    limits.bytes = SIZE_MAX; /* escapes may make the print longer than the text was */
    if (json_parse(text, &limits, &back, &error) != 0 || !json_equal(value, back))
        abort();
    cJSON_Delete(back);
}

static void check_same_yaml(const cJSON *value)
{
    AUTO_BUFFER struct buffer text = {0};
    cJSON *back = NULL;
    struct json_limits limits = json_limits_default;
    limits.bytes = SIZE_MAX;
    yaml_print(value, &text);
    if (yaml_parse(buffer_slice(&text), &limits, &back, NULL) != 0 || !json_equal(value, back))
        abort();
    cJSON_Delete(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_JSON cJSON *value = NULL;
    struct error error = {0};
    if (json_parse((struct slice){(const char *)data, size}, NULL, &value, &error) != 0) {
        if (value || error.code == ERROR_NONE || !error.message[0] || !text_is_utf8(slice_of(error.message)))
            abort();
        return 0;
    }
    AUTO_FREE char *compact = json_print(value);
    AUTO_FREE char *pretty = json_print_pretty(value);
    check_same(value, slice_of(compact));
    check_same(value, slice_of(pretty));
    check_same_yaml(value);
    AUTO_JSON cJSON *copy = json_copy(value);
    AUTO_JSON cJSON *merged = json_merge_patch(json_copy(value), value);
    if (!json_equal(value, copy) || !merged)
        abort();
    return 0;
}
