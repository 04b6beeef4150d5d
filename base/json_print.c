/* How is a tree written as JSON, so that every number and text comes back equal? */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>

#include "base/json_number.h"

/* cJSON's own printer compares doubles with a tolerance and so loses the last digit of integers near 2^53. */
void json_print_number(double value, struct buffer *ret)
{
    char text[40];
    if (!isfinite(value)) {
        buffer_add_text(ret, "null"); /* JSON has no such number; as JavaScript's JSON.stringify */
        return;
    }
    if (fabs(value) <= 9007199254740992.0 && value == (double)(int64_t)value) {
        buffer_add_format(ret, "%" PRId64, (int64_t)value);
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof(text), "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    if (!strpbrk(text, ".e")) /* a whole number beyond 2^53 is only read back with an exponent */
        snprintf(text, sizeof(text), "%.17e", value);
    buffer_add_text(ret, text);
}

static void add_line(struct buffer *ret, int indent)
{
    if (indent < 0)
        return;
    buffer_add_text(ret, "\n");
    for (int i = 0; i < indent; i++)
        buffer_add_text(ret, "  ");
}

/* <indent> is the depth for pretty output, or negative for compact. */
static void print_value(const cJSON *value, int indent, struct buffer *ret);

static void print_members(const cJSON *value, bool keys, int indent, struct buffer *ret)
{
    int inside = indent < 0 ? indent : indent + 1;
    buffer_add_text(ret, keys ? "{" : "[");
    for (const cJSON *item = value->child; item; item = item->next) {
        if (item != value->child)
            buffer_add_text(ret, ",");
        add_line(ret, inside);
        if (keys) {
            buffer_add_json_string(ret, slice_of(item->string));
            buffer_add_text(ret, indent < 0 ? ":" : ": ");
        }
        print_value(item, inside, ret);
    }
    if (value->child)
        add_line(ret, indent);
    buffer_add_text(ret, keys ? "}" : "]");
}

static void print_value(const cJSON *value, int indent, struct buffer *ret)
{
    if (cJSON_IsObject(value))
        print_members(value, true, indent, ret);
    else if (cJSON_IsArray(value))
        print_members(value, false, indent, ret);
    else if (cJSON_IsString(value))
        buffer_add_json_string(ret, slice_of(value->valuestring));
    else if (cJSON_IsNumber(value))
        json_print_number(value->valuedouble, ret);
    else if (cJSON_IsBool(value))
        buffer_add_text(ret, cJSON_IsTrue(value) ? "true" : "false");
    else
        buffer_add_text(ret, "null");
}

char *json_print(const cJSON *value)
{
    struct buffer text = {0};
    print_value(value, -1, &text);
    return buffer_take(&text);
}

char *json_print_pretty(const cJSON *value)
{
    struct buffer text = {0};
    print_value(value, 0, &text);
    return buffer_take(&text);
}
