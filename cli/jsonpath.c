/* What does a JSONPath template ask for? */
#include "cli/jsonpath_tree.h"

struct reader {
    struct jsonpath *jsonpath;
    const char *at, *end, *start;
    unsigned depth;
    struct error *error;
};

static int refuse(const struct reader *reader, const char *expected)
{
    return error_set(reader->error, ERROR_INVALID, "jsonpath", "expected %s at character %zd, before \"%.*s\"",
                     expected, reader->at - reader->start + 1,
                     (int)(reader->end - reader->at < 20 ? reader->end - reader->at : 20), reader->at);
}

static bool take(struct reader *reader, const char *text)
{
    size_t length = strlen(text);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, text, length) != 0)
        return false;
    reader->at += length;
    return true;
}

static bool next_is(const struct reader *reader, char c)
{
    return reader->at < reader->end && *reader->at == c;
}

static void skip_spaces(struct reader *reader)
{
    while (next_is(reader, ' '))
        reader->at++;
}

static struct arena *arena_of(const struct reader *reader)
{
    return reader->jsonpath->arena;
}

/* --- words -------------------------------------------------------------------------------------------------------- */

/* 'text' or "text" with \n \t \r \\ \' \" as people type them in a shell. */
static int read_quoted(struct reader *reader, char **ret)
{
    AUTO_BUFFER struct buffer text = {0};
    char quote = *reader->at++;
    while (reader->at < reader->end && *reader->at != quote) {
        char c = *reader->at++;
        if (c == '\\' && reader->at < reader->end) {
            c = *reader->at++;
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
        buffer_add(&text, &c, 1);
    }
    if (reader->at == reader->end)
        return refuse(reader, "the closing quote");
    reader->at++;
    *ret = arena_text_n(arena_of(reader), text.p ? text.p : "", text.n);
    return 0;
}

/* The name of a member after a dot; a backslash keeps what would end it. */
static int read_name(struct reader *reader, const char **ret)
{
    AUTO_BUFFER struct buffer name = {0};
    while (reader->at < reader->end && !strchr(".[]{}()'\" ,=<>!|&", *reader->at)) {
        if (*reader->at == '\\' && reader->end - reader->at > 1)
            reader->at++;
        buffer_add(&name, reader->at++, 1);
    }
    if (name.n == 0)
        return refuse(reader, "a name, '*' or '['");
    *ret = arena_text_n(arena_of(reader), name.p, name.n);
    return 0;
}

static int read_integer(struct reader *reader, int64_t *ret)
{
    const char *from = reader->at;
    if (next_is(reader, '-'))
        reader->at++;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
        reader->at++;
    if (text_parse_i64((struct slice){from, (size_t)(reader->at - from)}, -1000000000, 1000000000, ret))
        return 0;
    reader->at = from;
    return refuse(reader, "a whole number");
}

/* --- filters ------------------------------------------------------------------------------------------------------ */

static int read_path(struct reader *reader, const struct jsonpath_path **ret);

/* <value> is consumed. */
static int keep_literal(struct reader *reader, cJSON *value, struct jsonpath_operand *ret)
{
    ret->value = json_push(reader->jsonpath->literals, value);
    return 0;
}

static int read_operand(struct reader *reader, struct jsonpath_operand *ret)
{
    char *text = NULL;
    if (next_is(reader, '@') || next_is(reader, '$'))
        return read_path(reader, &ret->path);
    if (next_is(reader, '\'') || next_is(reader, '"')) {
        int failed = read_quoted(reader, &text);
        return failed ? failed : keep_literal(reader, cJSON_CreateString(text), ret);
    }
    if (take(reader, "true"))
        return keep_literal(reader, cJSON_CreateTrue(), ret);
    if (take(reader, "false"))
        return keep_literal(reader, cJSON_CreateFalse(), ret);
    const char *from = reader->at;
    while (reader->at < reader->end && strchr("-+.0123456789eE", *reader->at))
        reader->at++;
    AUTO_JSON cJSON *number = NULL;
    if (reader->at > from &&
        json_parse((struct slice){from, (size_t)(reader->at - from)}, &json_limits_default, &number, NULL) == 0)
        return keep_literal(reader, TAKE_POINTER(number), ret);
    reader->at = from;
    return refuse(reader, "a path that begins with '@', a quoted text, a number, true or false");
}

static enum comparison read_comparison(struct reader *reader)
{
    static const struct {
        const char *text;
        enum comparison comparison;
    } known[] = {{"==", COMPARE_EQ}, {"!=", COMPARE_NE}, {"<=", COMPARE_LE},
                 {">=", COMPARE_GE}, {"<", COMPARE_LT},  {">", COMPARE_GT}};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (take(reader, known[i].text))
            return known[i].comparison;
    return COMPARE_EXISTS;
}

/* After "?(". */
static int read_filter(struct reader *reader, struct jsonpath_step *ret)
{
    ret->kind = STEP_FILTER;
    if (++reader->depth > JSONPATH_DEPTH_MAX)
        return refuse(reader, "filters that are not nested so deep");
    skip_spaces(reader);
    int failed = read_operand(reader, &ret->left);
    if (failed)
        return failed;
    skip_spaces(reader);
    ret->comparison = read_comparison(reader);
    skip_spaces(reader);
    if (ret->comparison != COMPARE_EXISTS)
        failed = read_operand(reader, &ret->right);
    else if (!ret->left.path)
        failed = refuse(reader, "a path to look for, or a comparison");
    if (failed)
        return failed;
    skip_spaces(reader);
    reader->depth--;
    return take(reader, ")") ? 0 : refuse(reader, "one of == != < <= > >=, or ')'");
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

static int read_names(struct reader *reader, struct jsonpath_step *ret)
{
    ret->kind = STEP_NAMES;
    ret->names = arena_get(arena_of(reader), JSONPATH_UNION_MAX * sizeof(*ret->names));
    do {
        char *name;
        skip_spaces(reader);
        if (ret->count == JSONPATH_UNION_MAX || (!next_is(reader, '\'') && !next_is(reader, '"')))
            return refuse(reader, "a quoted name, and not so many of them");
        int failed = read_quoted(reader, &name);
        if (failed)
            return failed;
        ret->names[ret->count++] = name;
        skip_spaces(reader);
    } while (take(reader, ","));
    return 0;
}

/* "start:end:step", each of which may be left out. */
static int read_slice(struct reader *reader, struct jsonpath_step *ret)
{
    ret->kind = STEP_SLICE;
    ret->count = 3;
    ret->has_start = !next_is(reader, ':');
    int failed = ret->has_start ? read_integer(reader, &ret->indexes[0]) : 0;
    if (failed)
        return failed;
    reader->at++; /* the colon: the caller has seen it */
    ret->has_end = !next_is(reader, ':') && !next_is(reader, ']');
    if (ret->has_end)
        failed = read_integer(reader, &ret->indexes[1]);
    ret->indexes[2] = 1;
    if (!failed && take(reader, ":"))
        failed = read_integer(reader, &ret->indexes[2]);
    if (!failed && ret->indexes[2] < 1)
        failed = refuse(reader, "a step of at least 1");
    return failed;
}

static int read_numbers(struct reader *reader, struct jsonpath_step *ret)
{
    const char *from = reader->at;
    ret->kind = STEP_INDEXES;
    ret->indexes = arena_get(arena_of(reader), JSONPATH_UNION_MAX * sizeof(*ret->indexes));
    do {
        skip_spaces(reader);
        if (ret->count == JSONPATH_UNION_MAX)
            return refuse(reader, "not so many indexes");
        int failed = next_is(reader, ':') ? 0 : read_integer(reader, &ret->indexes[ret->count]);
        if (failed)
            return failed;
        if (next_is(reader, ':')) {
            if (ret->count)
                return refuse(reader, "',' or ']'");
            reader->at = from;
            return read_slice(reader, ret);
        }
        ret->count++;
        skip_spaces(reader);
    } while (take(reader, ","));
    return 0;
}

/* After "[". */
static int read_subscript(struct reader *reader, struct jsonpath_step *ret)
{
    int failed = 0;
    skip_spaces(reader);
    if (take(reader, "*"))
        ret->kind = STEP_ALL;
    else if (take(reader, "?("))
        failed = read_filter(reader, ret);
    else if (next_is(reader, '\'') || next_is(reader, '"'))
        failed = read_names(reader, ret);
    else
        failed = read_numbers(reader, ret);
    if (failed)
        return failed;
    skip_spaces(reader);
    return take(reader, "]") ? 0 : refuse(reader, "']'");
}

static struct jsonpath_step *add_step(struct reader *reader, struct jsonpath_step ***end)
{
    struct jsonpath_step *step = arena_get(arena_of(reader), sizeof(*step));
    **end = step;
    *end = &step->next;
    return step;
}

/* After a dot. */
static int read_member(struct reader *reader, struct jsonpath_step ***end)
{
    struct jsonpath_step *step = add_step(reader, end);
    if (take(reader, ".")) {
        step->kind = STEP_DESCEND;
        if (next_is(reader, '['))
            return 0;
        step = add_step(reader, end);
    }
    if (take(reader, "*")) {
        step->kind = STEP_ALL;
        return 0;
    }
    if (take(reader, "["))
        return read_subscript(reader, step);
    step->kind = STEP_NAMES;
    step->count = 1;
    step->names = arena_get(arena_of(reader), sizeof(*step->names));
    return read_name(reader, &step->names[0]);
}

static int read_path(struct reader *reader, const struct jsonpath_path **ret)
{
    struct jsonpath_path *path = arena_get(arena_of(reader), sizeof(*path));
    struct jsonpath_step **end = &path->first;
    path->from_root = take(reader, "$");
    bool named = path->from_root || take(reader, "@");
    if (!named && !next_is(reader, '.') && !next_is(reader, '['))
        return refuse(reader, "a path that begins with '.', '$', '@' or '['; a quoted text; range PATH; or end");
    *ret = path;
    bool alone = reader->end - reader->at < 2 || reader->at[1] == '}' || reader->at[1] == ' ';
    if (!named && alone && take(reader, ".")) /* what there is */
        return 0;
    int failed = 0;
    while (!failed && reader->at < reader->end) {
        if (take(reader, "."))
            failed = read_member(reader, &end);
        else if (take(reader, "["))
            failed = read_subscript(reader, add_step(reader, &end));
        else
            break;
    }
    return failed;
}

/* --- the template ------------------------------------------------------------------------------------------------- */

static struct jsonpath_part *add_part(struct reader *reader, struct jsonpath_part ***end, enum part_kind kind)
{
    struct jsonpath_part *part = arena_get(arena_of(reader), sizeof(*part));
    part->kind = kind;
    **end = part;
    *end = &part->next;
    return part;
}

static int read_parts(struct reader *reader, struct jsonpath_part **ret, bool inside);

static int read_action(struct reader *reader, struct jsonpath_part ***end)
{
    struct jsonpath_part *part;
    int failed;
    char *text = NULL;
    skip_spaces(reader);
    if (next_is(reader, '\'') || next_is(reader, '"')) {
        failed = read_quoted(reader, &text);
        if (!failed)
            add_part(reader, end, PART_TEXT)->text = slice_of(text);
    } else if (take(reader, "range ")) {
        part = add_part(reader, end, PART_RANGE);
        skip_spaces(reader);
        failed = read_path(reader, &part->path);
        skip_spaces(reader);
        if (!failed && !take(reader, "}"))
            failed = refuse(reader, "'}'");
        return failed ? failed : read_parts(reader, &part->inner, true);
    } else if (next_is(reader, '}')) {
        return refuse(reader, "a path");
    } else {
        failed = read_path(reader, &add_part(reader, end, PART_PATH)->path);
    }
    if (failed)
        return failed;
    skip_spaces(reader);
    return take(reader, "}") ? 0 : refuse(reader, "'}'");
}

/* Up to the end of the template, or of the range that this is inside of. */
static int read_parts(struct reader *reader, struct jsonpath_part **ret, bool inside)
{
    struct jsonpath_part **end = ret;
    if (reader->depth++ > JSONPATH_DEPTH_MAX)
        return refuse(reader, "ranges that are not nested so deep");
    while (reader->at < reader->end) {
        const char *brace = memchr(reader->at, '{', (size_t)(reader->end - reader->at));
        const char *until = brace ? brace : reader->end;
        if (until > reader->at)
            add_part(reader, &end, PART_TEXT)->text = (struct slice){reader->at, (size_t)(until - reader->at)};
        reader->at = brace ? brace + 1 : until;
        if (!brace)
            break;
        if (take(reader, "end}")) {
            if (!inside)
                return refuse(reader, "a {range PATH} before {end}");
            reader->depth--;
            return 0;
        }
        int failed = read_action(reader, &end);
        if (failed)
            return failed;
    }
    reader->depth--;
    return inside ? refuse(reader, "{end}, which a {range PATH} needs") : 0;
}

static int read_template(struct reader *reader)
{
    struct jsonpath_part **end = &reader->jsonpath->first;
    size_t size = (size_t)(reader->end - reader->start);
    if (memchr(reader->start, '{', size) || size == 0 || (*reader->start != '.' && *reader->start != '$'))
        return size ? read_parts(reader, end, false) : refuse(reader, "a template such as {.metadata.name}");
    int failed = read_path(reader, &add_part(reader, &end, PART_PATH)->path);
    return failed || reader->at == reader->end ? failed : refuse(reader, "'.', '[' or the end of the path");
}

int jsonpath_parse(struct slice template, struct jsonpath **ret, struct error *error)
{
    if (template.n > JSONPATH_BYTES_MAX || memchr(template.n ? template.p : "", '\0', template.n))
        return error_set(error, ERROR_INVALID, "jsonpath", "expected a template of at most %d characters",
                         JSONPATH_BYTES_MAX);
    struct jsonpath *jsonpath = memory_get(sizeof(*jsonpath));
    *jsonpath = (struct jsonpath){.arena = arena_new(1024), .literals = json_array()};
    const char *own = arena_text_n(jsonpath->arena, template.n ? template.p : "", template.n); /* texts stay there */
    struct reader reader = {jsonpath, own, own + template.n, own, 0, error};
    int failed = read_template(&reader);
    if (failed)
        jsonpath_free(jsonpath);
    else
        *ret = jsonpath;
    return failed;
}

void jsonpath_free(struct jsonpath *jsonpath)
{
    if (!jsonpath)
        return;
    cJSON_Delete(jsonpath->literals);
    arena_free(jsonpath->arena);
    free(jsonpath);
}
