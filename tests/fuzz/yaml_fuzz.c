/* Whatever the YAML parser accepts is a JSON tree that both printers write and both parsers read back equal. */
// fuzz: base/*.c
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const cJSON *value)
{
    AUTO_BUFFER struct buffer yaml = {0};
    AUTO_FREE char *json = json_print(value);
    AUTO_JSON cJSON *from_yaml = NULL;
    AUTO_JSON cJSON *from_json = NULL;
    struct json_limits limits = json_limits_default;
    limits.bytes = SIZE_MAX;
    yaml_print(value, &yaml);
    if (yaml_parse(buffer_slice(&yaml), &limits, &from_yaml, NULL) != 0 || !json_equal(value, from_yaml))
        abort();
    if (json_parse(slice_of(json), &limits, &from_json, NULL) != 0 || !json_equal(value, from_json))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_JSON cJSON *documents = NULL;
    struct error error = {0};
    if (yaml_parse_all((struct slice){(const char *)data, size}, NULL, &documents, &error) != 0) {
        if (documents || error.code == ERROR_NONE || !error.message[0] || !text_is_utf8(slice_of(error.message)))
            abort();
        return 0;
    }
    const cJSON *document;
    cJSON_ArrayForEach(document, documents) check(document);
    return 0;
}
