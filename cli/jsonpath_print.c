/* Which values of a document does a JSONPath template name, and how are they written? */
#include "cli/jsonpath_tree.h"

struct values {
    const cJSON **at;
    size_t count, capacity;
};
struct search {
    const cJSON *root;
    size_t found; /* in all, against JSONPATH_VALUES_MAX */
    struct error *error;
};

static void values_free(struct values *values)
{
    free(values->at);
    *values = (struct values){0};
}
#define AUTO_VALUES __attribute__((cleanup(values_free)))

static int add(struct search *search, struct values *values, const cJSON *value)
{
    if (!value)
        return 0;
    if (++search->found > JSONPATH_VALUES_MAX)
        return error_set(search->error, ERROR_TOO_LARGE, "jsonpath", "this template finds more than %d values",
                         JSONPATH_VALUES_MAX);
    if (values->count == values->capacity) {
        values->capacity = values->capacity ? 2 * values->capacity : 16;
        values->at = memory_resize(values->at, values->capacity * sizeof(const cJSON *));
    }
    values->at[values->count++] = value;
    return 0;
}

static int find(struct search *search, const struct jsonpath_path *path, const cJSON *from, struct values *ret);

/* --- steps -------------------------------------------------------------------------------------------------------- */

static int add_children(struct search *search, const cJSON *value, struct values *ret)
{
    const cJSON *child;
    int failed = 0;
    if (!cJSON_IsObject(value) && !cJSON_IsArray(value))
        return 0;
    for (child = value->child; child && !failed; child = child->next)
        failed = add(search, ret, child);
    return failed;
}

/* The value and all below it. Documents are at most 64 deep (the limits they were read with). */
static int add_below(struct search *search, const cJSON *value, struct values *ret)
{
    int failed = add(search, ret, value);
    if (!cJSON_IsObject(value) && !cJSON_IsArray(value))
        return failed;
    for (const cJSON *child = value->child; child && !failed; child = child->next)
        failed = add_below(search, child, ret);
    return failed;
}

static int add_slice(struct search *search, const struct jsonpath_step *step, const cJSON *value, struct values *ret)
{
    if (!cJSON_IsArray(value))
        return 0;
    int64_t length = cJSON_GetArraySize(value), index = 0;
    int64_t start = step->has_start ? step->indexes[0] : 0, end = step->has_end ? step->indexes[1] : length;
    start = start < 0 ? start + length : start;
    end = end < 0 ? end + length : end;
    start = start < 0 ? 0 : start;
    int failed = 0;
    for (const cJSON *child = value->child; child && !failed && index < end; child = child->next, index++)
        if (index >= start && (index - start) % step->indexes[2] == 0)
            failed = add(search, ret, child);
    return failed;
}

static int add_indexes(struct search *search, const struct jsonpath_step *step, const cJSON *value, struct values *ret)
{
    int failed = 0;
    int64_t length = cJSON_IsArray(value) ? cJSON_GetArraySize(value) : 0;
    for (size_t i = 0; i < step->count && !failed; i++) {
        int64_t index = step->indexes[i] < 0 ? step->indexes[i] + length : step->indexes[i];
        if (index >= 0 && index < length)
            failed = add(search, ret, cJSON_GetArrayItem(value, (int)index));
    }
    return failed;
}

/* --- filters ------------------------------------------------------------------------------------------------------ */

/* <0, 0, >0 as texts, numbers or booleans compare; false if they are of different kinds. */
static bool compare(const cJSON *a, const cJSON *b, int *ret)
{
    if (cJSON_IsString(a) && cJSON_IsString(b))
        *ret = strcmp(a->valuestring, b->valuestring);
    else if (cJSON_IsNumber(a) && cJSON_IsNumber(b))
        *ret = a->valuedouble < b->valuedouble ? -1 : a->valuedouble > b->valuedouble;
    else if (cJSON_IsBool(a) && cJSON_IsBool(b))
        *ret = cJSON_IsTrue(a) - cJSON_IsTrue(b);
    else
        return false;
    return true;
}

static bool holds(enum comparison comparison, int order)
{
    switch (comparison) {
    case COMPARE_EQ:
        return order == 0;
    case COMPARE_NE:
        return order != 0;
    case COMPARE_LT:
        return order < 0;
    case COMPARE_LE:
        return order <= 0;
    case COMPARE_GT:
        return order > 0;
    case COMPARE_GE:
        return order >= 0;
    case COMPARE_EXISTS:
        break;
    }
    return true;
}

/* The first value of an operand; NULL if it names none. */
static int value_of(struct search *search, const struct jsonpath_operand *operand, const cJSON *item, const cJSON **ret)
{
    AUTO_VALUES struct values found = {0};
    *ret = operand->value;
    if (!operand->path)
        return 0;
    int failed = find(search, operand->path, item, &found);
    *ret = found.count ? found.at[0] : NULL;
    return failed;
}

static int passes(struct search *search, const struct jsonpath_step *step, const cJSON *item, bool *ret)
{
    const cJSON *left, *right = NULL;
    int order = 0;
    int failed = value_of(search, &step->left, item, &left);
    if (!failed && step->comparison != COMPARE_EXISTS)
        failed = value_of(search, &step->right, item, &right);
    *ret = step->comparison == COMPARE_EXISTS
               ? left != NULL
               : left && right && compare(left, right, &order) && holds(step->comparison, order);
    return failed;
}

static int add_filtered(struct search *search, const struct jsonpath_step *step, const cJSON *value, struct values *ret)
{
    int failed = 0;
    if (!cJSON_IsArray(value) && !cJSON_IsObject(value))
        return 0;
    for (const cJSON *child = value->child; child && !failed; child = child->next) {
        bool wanted = false;
        failed = passes(search, step, child, &wanted);
        if (!failed && wanted)
            failed = add(search, ret, child);
    }
    return failed;
}

/* --- paths -------------------------------------------------------------------------------------------------------- */

static int take_step(struct search *search, const struct jsonpath_step *step, const cJSON *value, struct values *ret)
{
    int failed = 0;
    switch (step->kind) {
    case STEP_NAMES:
        for (size_t i = 0; i < step->count && !failed; i++)
            failed = add(search, ret, cJSON_IsObject(value) ? json_member(value, step->names[i]) : NULL);
        return failed;
    case STEP_INDEXES:
        return add_indexes(search, step, value, ret);
    case STEP_ALL:
        return add_children(search, value, ret);
    case STEP_DESCEND:
        return add_below(search, value, ret);
    case STEP_SLICE:
        return add_slice(search, step, value, ret);
    case STEP_FILTER:
        return add_filtered(search, step, value, ret);
    }
    return 0;
}

static int find(struct search *search, const struct jsonpath_path *path, const cJSON *from, struct values *ret)
{
    AUTO_VALUES struct values here = {0};
    int failed = add(search, &here, path->from_root ? search->root : from);
    for (const struct jsonpath_step *step = path->first; step && !failed; step = step->next) {
        struct values next = {0};
        for (size_t i = 0; i < here.count && !failed; i++)
            failed = take_step(search, step, here.at[i], &next);
        values_free(&here);
        here = next;
    }
    *ret = here;
    here = (struct values){0};
    return failed;
}

static void print_value(const cJSON *value, struct buffer *ret)
{
    if (cJSON_IsString(value)) {
        buffer_add_text(ret, value->valuestring);
        return;
    }
    AUTO_FREE char *text = json_print(value);
    buffer_add_text(ret, text);
}

static int print_parts(struct search *search, const struct jsonpath_part *part, const cJSON *item, struct buffer *ret)
{
    int failed = 0;
    for (; part && !failed; part = part->next) {
        AUTO_VALUES struct values found = {0};
        if (part->kind == PART_TEXT) {
            buffer_add_slice(ret, part->text);
            continue;
        }
        failed = find(search, part->path, item, &found);
        for (size_t i = 0; i < found.count && !failed; i++) {
            if (part->kind == PART_RANGE) {
                failed = print_parts(search, part->inner, found.at[i], ret);
                continue;
            }
            buffer_add_text(ret, i ? " " : "");
            print_value(found.at[i], ret);
        }
    }
    return failed;
}

int jsonpath_print(const struct jsonpath *jsonpath, const cJSON *root, struct buffer *ret, struct error *error)
{
    struct search search = {.root = root, .error = error};
    return print_parts(&search, jsonpath->first, root, ret);
}
