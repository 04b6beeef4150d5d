/* A JSONPath template (first line) on a document (the rest): refused with a reason, or the same text twice. */
// fuzz: base/*.c cli/jsonpath.c cli/jsonpath_print.c
#include "cli/jsonpath.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest, template = slice_split((struct slice){(const char *)data, size}, '\n', &rest);
    struct jsonpath *jsonpath = NULL;
    struct error error = {0};
    AUTO_JSON cJSON *root = NULL;
    if (template.n > 200) /* what multiplies is bounded, and tested so; here it would only be slow */
        return 0;
    if (jsonpath_parse(template, &jsonpath, &error) != 0) {
        if (jsonpath || error.code == ERROR_NONE || !error.message[0])
            abort();
        return 0;
    }
    if (json_parse(rest, &json_limits_default, &root, NULL) == 0) {
        AUTO_BUFFER struct buffer first = {0};
        AUTO_BUFFER struct buffer second = {0};
        int failed = jsonpath_print(jsonpath, root, &first, &error);
        if (jsonpath_print(jsonpath, root, &second, &error) != failed ||
            !slice_equal(buffer_slice(&first), buffer_slice(&second)))
            abort();
    }
    jsonpath_free(jsonpath);
    return 0;
}
