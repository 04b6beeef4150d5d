/* Does an object match what a client selects? */
#include "engine/selector.h"

/* A selector is scanned for every object of a list: these keep one cheap. */
enum { SELECTOR_BYTES_MAX = 4096, SELECTOR_TERMS_MAX = 64, SELECTOR_VALUES_MAX = 64 };
enum { LABEL_NAME_MAX = 63, LABEL_PREFIX_MAX = 253 };

enum match { OP_EXISTS, OP_ABSENT, OP_IN, OP_NOT_IN };

struct term {
    enum match match;
    bool field;
    char *key;
    char **values;
    size_t value_count;
};
struct selector {
    struct term *terms;
    size_t count;
};

/* The fields that Kubernetes' own strategies index, for the kinds served here. */
static const char *const known_fields[] = {
    "metadata.name",
    "metadata.namespace",
    "involvedObject.kind",
    "involvedObject.name",
    "involvedObject.namespace",
    "involvedObject.uid",
    "reason",
    "type",
    "status.phase",
    "spec.nodeName",
    "spec.restartPolicy",
    "status.podIP",
    "involvedObject.apiVersion",
    "involvedObject.fieldPath",
    "involvedObject.resourceVersion",
    "source",
};

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool name_characters(struct slice name)
{
    if (name.n == 0 || name.n > LABEL_NAME_MAX || !is_alphanumeric(name.p[0]) || !is_alphanumeric(name.p[name.n - 1]))
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!is_alphanumeric(name.p[i]) && name.p[i] != '-' && name.p[i] != '_' && name.p[i] != '.')
            return false;
    return true;
}

bool label_key_valid(struct slice key)
{
    const char *slash = key.n ? memchr(key.p, '/', key.n) : NULL;
    if (!slash)
        return name_characters(key);
    struct slice prefix = {key.p, (size_t)(slash - key.p)};
    return prefix.n <= LABEL_PREFIX_MAX && name_is_subdomain(prefix) && name_characters(slice_skip(key, prefix.n + 1));
}

bool label_value_valid(struct slice value)
{
    return value.n == 0 || name_characters(value);
}

bool labels_contain(const cJSON *labels, const cJSON *wanted)
{
    if (!cJSON_IsObject(wanted) || !wanted->child)
        return false;
    for (const cJSON *pair = wanted->child; pair; pair = pair->next) {
        const cJSON *have = json_member(labels, pair->string);
        if (!cJSON_IsString(have) || !cJSON_IsString(pair) || strcmp(have->valuestring, pair->valuestring) != 0)
            return false;
    }
    return true;
}

void selector_free(struct selector *selector)
{
    if (!selector)
        return;
    for (size_t i = 0; i < selector->count; i++) {
        struct term *term = &selector->terms[i];
        free(term->key);
        for (size_t k = 0; k < term->value_count; k++)
            free(term->values[k]);
        free(term->values);
    }
    free(selector->terms);
    free(selector);
}

/* --- parsing ------------------------------------------------------------------------------------------------------ */

static void skip_spaces(struct slice *rest)
{
    *rest = slice_trim(*rest);
}

/* Takes the bytes up to the next byte that ends a key or a value. */
static struct slice take_word(struct slice *rest)
{
    size_t n = 0;
    while (n < rest->n && !strchr(" \t,=!()", rest->p[n]))
        n++;
    struct slice word = {rest->p, n};
    *rest = slice_skip(*rest, n);
    skip_spaces(rest);
    return word;
}

static bool take_text(struct slice *rest, const char *text)
{
    if (!slice_starts(*rest, text))
        return false;
    *rest = slice_skip(*rest, strlen(text));
    skip_spaces(rest);
    return true;
}

static struct term *term_add(struct selector *selector, enum match match, bool field, struct slice key)
{
    selector->terms = memory_resize(selector->terms, (selector->count + 1) * sizeof(*selector->terms));
    struct term *term = &selector->terms[selector->count++];
    *term = (struct term){.match = match, .field = field, .key = memory_text_n(key.p, key.n)};
    return term;
}

static void term_value(struct term *term, struct slice value)
{
    term->values = memory_resize(term->values, (term->value_count + 1) * sizeof(*term->values));
    term->values[term->value_count++] = memory_text_n(value.p, value.n);
}

static int fail(struct error *error, const char *which, const char *expected)
{
    return error_set(error, ERROR_BAD_REQUEST, which, "%s cannot be read: %s", which, expected);
}

static int check_label(struct slice key, struct slice value, struct error *error)
{
    if (!label_key_valid(key))
        return fail(error, "labelSelector", "a key must be [prefix/]name with letters, digits, '-', '_' and '.'");
    if (!label_value_valid(value))
        return fail(error, "labelSelector", "a value must be at most 63 letters, digits, '-', '_' and '.'");
    return 0;
}

/* "(x,y)" after in or notin. */
static int parse_set(struct selector *selector, struct slice *rest, enum match match, struct slice key,
                     struct error *error)
{
    if (!take_text(rest, "("))
        return fail(error, "labelSelector", "'(' expected after in or notin");
    int r = check_label(key, SLICE(""), error);
    if (r < 0)
        return r;
    struct term *term = term_add(selector, match, false, key);
    do {
        struct slice value = take_word(rest);
        r = check_label(key, value, error);
        if (r < 0)
            return r;
        if (term->value_count == SELECTOR_VALUES_MAX)
            return fail(error, "labelSelector", "at most 64 values in one set");
        term_value(term, value);
    } while (take_text(rest, ","));
    return take_text(rest, ")") ? 0 : fail(error, "labelSelector", "')' expected after a set of values");
}

static int parse_label_term(struct selector *selector, struct slice *rest, struct error *error)
{
    bool negated = take_text(rest, "!");
    struct slice key = take_word(rest);
    int r = check_label(key, SLICE(""), error);
    if (r < 0)
        return r;
    if (negated || rest->n == 0 || rest->p[0] == ',') {
        term_add(selector, negated ? OP_ABSENT : OP_EXISTS, false, key);
        return 0;
    }
    bool differs = take_text(rest, "!=");
    if (differs || take_text(rest, "==") || take_text(rest, "=")) {
        struct slice value = take_word(rest);
        r = check_label(key, value, error);
        if (r == 0)
            term_value(term_add(selector, differs ? OP_NOT_IN : OP_IN, false, key), value);
        return r;
    }
    struct slice word = take_word(rest);
    if (slice_is(word, "in"))
        return parse_set(selector, rest, OP_IN, key, error);
    if (slice_is(word, "notin"))
        return parse_set(selector, rest, OP_NOT_IN, key, error);
    return fail(error, "labelSelector", "expected =, ==, !=, in or notin after a key");
}

static int parse_field_term(struct selector *selector, struct slice *rest, struct error *error)
{
    struct slice text = slice_split(*rest, ',', rest);
    text = slice_trim(text);
    const char *equals = text.n ? memchr(text.p, '=', text.n) : NULL;
    if (!equals || equals == text.p)
        return fail(error, "fieldSelector", "expected field=value or field!=value");
    struct slice key = {text.p, (size_t)(equals - text.p)};
    struct slice value = slice_skip(text, key.n + 1);
    bool differs = key.p[key.n - 1] == '!';
    key.n -= differs ? 1 : 0;
    if (value.n && value.p[0] == '=')
        value = slice_skip(value, 1);
    for (size_t i = 0; i < COUNT_OF(known_fields); i++)
        if (slice_is(key, known_fields[i])) {
            term_value(term_add(selector, differs ? OP_NOT_IN : OP_IN, true, key), value);
            return 0;
        }
    return error_set(error, ERROR_BAD_REQUEST, "fieldSelector", "field label not supported: %.*s",
                     (int)(key.n < 64 ? key.n : 64), key.p);
}

static int parse_labels(struct selector *selector, struct slice rest, struct error *error)
{
    skip_spaces(&rest);
    while (rest.n) {
        if (selector->count == SELECTOR_TERMS_MAX)
            return fail(error, "labelSelector", "at most 64 requirements");
        int r = parse_label_term(selector, &rest, error);
        if (r < 0)
            return r;
        if (rest.n && (!take_text(&rest, ",") || rest.n == 0))
            return fail(error, "labelSelector", "requirements are separated by single commas");
    }
    return 0;
}

static int parse_fields(struct selector *selector, struct slice rest, struct error *error)
{
    while (rest.n) {
        if (selector->count == 2 * SELECTOR_TERMS_MAX)
            return fail(error, "fieldSelector", "at most 64 requirements");
        int r = parse_field_term(selector, &rest, error);
        if (r < 0)
            return r;
    }
    return 0;
}

int selector_new(const char *labels, const char *fields, struct selector **ret, struct error *error)
{
    struct slice label_text = slice_of(labels), field_text = slice_of(fields);
    if (label_text.n > SELECTOR_BYTES_MAX)
        return fail(error, "labelSelector", "at most 4096 bytes");
    if (field_text.n > SELECTOR_BYTES_MAX)
        return fail(error, "fieldSelector", "at most 4096 bytes");
    AUTO_SELECTOR struct selector *selector = memory_get(sizeof(*selector));
    int r = parse_labels(selector, label_text, error);
    if (r == 0)
        r = parse_fields(selector, field_text, error);
    if (r < 0)
        return r;
    *ret = selector->count ? TAKE_POINTER(selector) : NULL;
    return 0;
}

/* --- matching ----------------------------------------------------------------------------------------------------- */

/* A field's value by its dotted path; "" when absent, as Kubernetes' field sets do. */
static const char *field_value(const cJSON *object, const char *path)
{
    struct slice rest = slice_of(path);
    while (object && rest.n) {
        struct slice key = slice_split(rest, '.', &rest);
        char name[64];
        if (key.n >= sizeof(name))
            return "";
        memcpy(name, key.p, key.n);
        name[key.n] = '\0';
        object = json_member(object, name);
    }
    return cJSON_IsString(object) ? object->valuestring : "";
}

static bool term_matches(const struct term *term, const cJSON *object, const cJSON *labels)
{
    const char *value = NULL;
    if (term->field) {
        value = field_value(object, term->key);
    } else {
        const cJSON *label = json_member(labels, term->key);
        value = cJSON_IsString(label) ? label->valuestring : NULL;
    }
    if (term->match == OP_EXISTS)
        return value != NULL;
    if (term->match == OP_ABSENT)
        return value == NULL;
    bool found = false;
    for (size_t i = 0; value && i < term->value_count && !found; i++)
        found = strcmp(value, term->values[i]) == 0;
    return term->match == OP_IN ? found : !found;
}

bool selector_matches(const struct selector *selector, const cJSON *object)
{
    if (!selector)
        return true;
    const cJSON *labels = json_at(object, "metadata", "labels", NULL);
    for (size_t i = 0; i < selector->count; i++)
        if (!term_matches(&selector->terms[i], object, labels))
            return false;
    return true;
}
