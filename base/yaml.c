/* Which JSON tree does this YAML text stand for, if it stands for exactly one? */
#include "base/json.h"

#include <math.h>
#include <yaml.h>

#define DEPTH_MAX 100 /* the stack below; whatever a caller allows */

struct frame {
    cJSON *container;
    char *key; /* in a mapping: read, and waiting for its value */
    size_t keys;
};

struct loader {
    yaml_parser_t parser;
    const struct json_limits *limits;
    struct frame frames[DEPTH_MAX];
    size_t depth, values;
    cJSON *documents;
    struct error *error;
};

static int refuse(const struct loader *loader, yaml_mark_t mark, const char *why)
{
    return error_set(loader->error, ERROR_BAD_REQUEST, NULL, "YAML, line %zu, column %zu: %s", mark.line + 1,
                     mark.column + 1, why);
}

static int refuse_limit(const struct loader *loader, yaml_mark_t mark, const char *what, size_t limit)
{
    return error_set(loader->error, ERROR_BAD_REQUEST, NULL, "YAML, line %zu, column %zu: at most %zu %s are expected",
                     mark.line + 1, mark.column + 1, limit, what);
}

/* What libyaml says, with the place where it says it. Only its own fixed sentences, no document text. */
static int refuse_syntax(const struct loader *loader)
{
    const yaml_parser_t *parser = &loader->parser;
    if (parser->error == YAML_READER_ERROR)
        return error_set(loader->error, ERROR_BAD_REQUEST, NULL, "YAML, byte %zu: %s", parser->problem_offset,
                         parser->problem ? parser->problem : "cannot be read");
    return error_set(loader->error, ERROR_BAD_REQUEST, NULL, "YAML, line %zu, column %zu: %s%s%s",
                     parser->problem_mark.line + 1, parser->problem_mark.column + 1,
                     parser->context ? parser->context : "", parser->context ? ", " : "",
                     parser->problem ? parser->problem : "cannot be read");
}

static bool is_one_of(struct slice text, const char *const *words)
{
    for (; *words; words++)
        if (slice_is(text, *words))
            return true;
    return false;
}

static bool all_in(struct slice text, const char *characters)
{
    for (size_t i = 0; i < text.n; i++)
        if (!text.p[i] || !strchr(characters, text.p[i]))
            return false;
    return text.n > 0;
}

static struct slice skip_sign(struct slice text)
{
    return text.n && (text.p[0] == '-' || text.p[0] == '+') ? slice_skip(text, 1) : text;
}

static size_t count_digits(struct slice text)
{
    size_t n = 0;
    while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
        n++;
    return n;
}

enum form { FORM_TEXT, FORM_DECIMAL, FORM_OCTAL, FORM_HEXADECIMAL, FORM_FLOAT, FORM_SPECIAL };

/* The number forms of YAML 1.2.2, 10.3.2 (core schema). */
static enum form form_of(struct slice text)
{
    static const char *const specials[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL};
    if (slice_starts(text, "0o") && all_in(slice_skip(text, 2), "01234567"))
        return FORM_OCTAL;
    if (slice_starts(text, "0x") && all_in(slice_skip(text, 2), "0123456789abcdefABCDEF"))
        return FORM_HEXADECIMAL;
    struct slice rest = skip_sign(text);
    if (is_one_of(rest, specials))
        return FORM_SPECIAL;
    size_t before = count_digits(rest), after = 0;
    rest = slice_skip(rest, before);
    if (before && !rest.n)
        return FORM_DECIMAL;
    if (rest.n && rest.p[0] == '.') {
        after = count_digits(slice_skip(rest, 1));
        rest = slice_skip(rest, after + 1);
    }
    if (before + after == 0)
        return FORM_TEXT;
    if (rest.n && (rest.p[0] == 'e' || rest.p[0] == 'E')) {
        rest = skip_sign(slice_skip(rest, 1));
        return rest.n && count_digits(rest) == rest.n ? FORM_FLOAT : FORM_TEXT;
    }
    return rest.n ? FORM_TEXT : FORM_FLOAT;
}

static int64_t whole_number(struct slice digits, int64_t base)
{
    const int64_t limit = INT64_C(9007199254740992);
    int64_t value = 0;
    for (size_t i = 0; i < digits.n && value <= limit; i++) {
        char c = digits.p[i];
        value = value * base + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value <= limit ? value : -1;
}

static int make_number(const struct loader *loader, yaml_mark_t mark, struct slice text, enum form form, cJSON **ret)
{
    struct slice digits = skip_sign(text);
    bool negative = text.n && text.p[0] == '-';
    if (form == FORM_SPECIAL)
        return refuse(loader, mark, "JSON has no infinity and no NaN; quote it if it is a text");
    /* "0644" is 644 in YAML 1.2 and octal in YAML 1.1, which all speak that read the same files: kubectl, KubeRay,
     * PyYAML. */
    bool padded = digits.n > 1 && digits.p[0] == '0' && count_digits(digits) > 1;
    bool octal = padded && form == FORM_DECIMAL && !memchr(digits.p, '8', digits.n) && !memchr(digits.p, '9', digits.n);
    if (padded && !octal && (form == FORM_DECIMAL || form == FORM_FLOAT))
        return refuse(loader, mark, "a number with leading zeros is ambiguous; leave them out, or quote a text");
    if (form == FORM_FLOAT) {
        AUTO_FREE char *copy = memory_text_n(text.p, text.n);
        double value = strtod(copy, NULL);
        if (!isfinite(value))
            return refuse(loader, mark, "this number is larger than a double can hold");
        *ret = cJSON_CreateNumber(value);
        return 0;
    }
    int64_t value = form == FORM_DECIMAL ? whole_number(digits, octal ? 8 : 10)
                                         : whole_number(slice_skip(digits, 2), form == FORM_OCTAL ? 8 : 16);
    if (value < 0)
        return refuse(loader, mark, "an integer between -2^53 and 2^53 is expected; quote it if it is a text");
    *ret = cJSON_CreateNumber((double)(negative ? -value : value));
    return 0;
}

static int make_plain(const struct loader *loader, yaml_mark_t mark, struct slice text, cJSON **ret)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    enum form form = form_of(text);
    if (form != FORM_TEXT)
        return make_number(loader, mark, text, form, ret);
    if (is_one_of(text, nulls))
        *ret = cJSON_CreateNull();
    else if (is_one_of(text, trues) || is_one_of(text, falses))
        *ret = cJSON_CreateBool(is_one_of(text, trues));
    else
        *ret = cJSON_CreateString(text.p);
    return 0;
}

/* Puts a finished key or value where the innermost open container expects it. */
static int place(struct loader *loader, yaml_mark_t mark, cJSON *value)
{
    if (loader->depth == 0) {
        json_push(loader->documents, value);
        return 0;
    }
    struct frame *frame = &loader->frames[loader->depth - 1];
    if (cJSON_IsArray(frame->container)) {
        json_push(frame->container, value);
        return 0;
    }
    if (frame->key) {
        cJSON_AddItemToObject(frame->container, frame->key, value);
        free(TAKE_POINTER(frame->key));
        return 0;
    }
    cJSON_Delete(value);
    return refuse(loader, mark, "a key must be a text");
}

static int place_key(struct loader *loader, struct frame *frame, yaml_mark_t mark, struct slice text, bool plain)
{
    if (plain && slice_is(text, "<<"))
        return refuse(loader, mark, "merge keys (<<) are not accepted; write the members out");
    if (plain && text.n == 0)
        return refuse(loader, mark, "a key is expected");
    if (json_member(frame->container, text.p)) {
        char shown[96];
        text_printable(text, shown, sizeof(shown));
        return error_set(loader->error, ERROR_BAD_REQUEST, shown,
                         "YAML, line %zu, column %zu: the key \"%s\" is given twice", mark.line + 1, mark.column + 1,
                         shown);
    }
    if (frame->keys++ >= loader->limits->keys)
        return refuse_limit(loader, mark, "keys in one mapping", loader->limits->keys);
    frame->key = memory_text_n(text.p, text.n);
    return 0;
}

static int count_value(struct loader *loader, yaml_mark_t mark)
{
    if (++loader->values > loader->limits->values)
        return refuse_limit(loader, mark, "values", loader->limits->values);
    return 0;
}

static int on_scalar(struct loader *loader, const yaml_event_t *event)
{
    struct slice text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    struct frame *frame = loader->depth ? &loader->frames[loader->depth - 1] : NULL;
    cJSON *value = NULL;
    if (event->data.scalar.anchor || event->data.scalar.tag)
        return refuse(loader, event->start_mark, "anchors and tags are not accepted");
    if (memchr(text.p, '\0', text.n) || !text_is_utf8(text))
        return refuse(loader, event->start_mark, "NUL is not allowed in texts");
    if (frame && cJSON_IsObject(frame->container) && !frame->key)
        return place_key(loader, frame, event->start_mark, text, plain);
    int failed = count_value(loader, event->start_mark);
    if (failed)
        return failed;
    if (loader->depth == 0 && plain && text.n == 0)
        return 0; /* a document without content, as between two "---", is no document */
    if (plain)
        failed = make_plain(loader, event->start_mark, text, &value);
    else
        value = cJSON_CreateString(text.p);
    return failed ? failed : place(loader, event->start_mark, value);
}

static int on_start(struct loader *loader, yaml_mark_t mark, bool mapping, const void *anchor, const void *tag)
{
    size_t limit = loader->limits->depth < DEPTH_MAX ? loader->limits->depth : DEPTH_MAX;
    if (anchor || tag)
        return refuse(loader, mark, "anchors and tags are not accepted");
    if (loader->depth >= limit)
        return refuse_limit(loader, mark, "levels of nesting", limit);
    int failed = count_value(loader, mark);
    if (failed)
        return failed;
    cJSON *container = mapping ? json_object() : json_array();
    failed = place(loader, mark, container);
    if (failed)
        return failed;
    loader->frames[loader->depth++] = (struct frame){.container = container};
    return 0;
}

static int on_document(const struct loader *loader, const yaml_event_t *event)
{
    const yaml_version_directive_t *version = event->data.document_start.version_directive;
    if (version && (version->major != 1 || version->minor != 2))
        return refuse(loader, event->start_mark, "%YAML 1.2 is expected");
    return 0;
}

static int on_event(struct loader *loader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return on_document(loader, event);
    case YAML_ALIAS_EVENT: /* a kilobyte of them expands to gigabytes */
        return refuse(loader, event->start_mark, "aliases are not accepted; write the value out");
    case YAML_SCALAR_EVENT:
        return on_scalar(loader, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_start(loader, event->start_mark, false, event->data.sequence_start.anchor,
                        event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return on_start(loader, event->start_mark, true, event->data.mapping_start.anchor,
                        event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        loader->depth--;
        return 0;
    default:
        return 0;
    }
}

static int load(struct loader *loader)
{
    for (bool more = true; more;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&loader->parser, &event))
            return refuse_syntax(loader);
        more = event.type != YAML_STREAM_END_EVENT;
        int failed = on_event(loader, &event);
        yaml_event_delete(&event);
        if (failed)
            return failed;
    }
    return 0;
}

/* Does a line end right before <at>? YAML's breaks are \n, \r, U+0085, U+2028 and U+2029; a byte order mark may stand
 * there too. Whole characters are compared: the last byte alone is also that of others (U+1F605 ends in 85). */
static bool line_starts(const char *text, const char *at)
{
    static const char *const before[] = {"\n", "\r", "\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xEF\xBB\xBF"};
    for (size_t i = 0; i < COUNT_OF(before); i++) {
        size_t length = strlen(before[i]);
        if ((size_t)(at - text) >= length && memcmp(at - length, before[i], length) == 0)
            return true;
    }
    return at == text;
}

/* libyaml compares every %TAG with all before it: 740 kB of them take it 5 s. They are refused anyway, so before it
 * starts. */
static bool has_tag_directive(struct slice text)
{
    const char *at = text.p, *end = text.p + text.n;
    for (; text.n && (at = memmem(at, (size_t)(end - at), "%TAG", 4)); at += 4)
        if (line_starts(text.p, at))
            return true;
    return false;
}

int yaml_parse_all(struct slice text, const struct json_limits *limits, cJSON **ret_array, struct error *error)
{
    struct loader loader = {.limits = limits ? limits : &json_limits_default, .error = error};
    if (text.n > loader.limits->bytes)
        return error_set(error, ERROR_TOO_LARGE, NULL, "YAML: at most %zu bytes are expected", loader.limits->bytes);
    if (!text_is_utf8(text))
        return error_set(error, ERROR_BAD_REQUEST, NULL, "YAML: UTF-8 is expected");
    if (has_tag_directive(text))
        return error_set(error, ERROR_BAD_REQUEST, NULL, "YAML: %%TAG is not accepted");
    if (!yaml_parser_initialize(&loader.parser))
        memory_oom(sizeof(loader.parser));
    yaml_parser_set_encoding(&loader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&loader.parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    AUTO_JSON cJSON *documents = json_array();
    loader.documents = documents;
    int failed = load(&loader);
    for (size_t i = 0; i < loader.depth; i++)
        free(loader.frames[i].key);
    yaml_parser_delete(&loader.parser);
    if (!failed)
        *ret_array = TAKE_POINTER(documents);
    return failed;
}

int yaml_parse(struct slice text, const struct json_limits *limits, cJSON **ret, struct error *error)
{
    AUTO_JSON cJSON *documents = NULL;
    int failed = yaml_parse_all(text, limits, &documents, error);
    if (failed)
        return failed;
    int count = cJSON_GetArraySize(documents);
    if (count != 1)
        return error_set(error, ERROR_BAD_REQUEST, NULL, "YAML: one document is expected, found %d", count);
    *ret = cJSON_DetachItemFromArray(documents, 0);
    return 0;
}
