/* What does a document look like after an RFC 6902 patch? */
#include "base/json_patch.h"

/* A patch is data from a client: without these, a chain of `copy` operations doubles a document, or its depth, at every
 * step. */
enum { PATCH_OPERATIONS_MAX = 1000, PATCH_VALUES_MAX = 100000, PATCH_DEPTH_MAX = 64 };
enum { TEXT_BYTES_A_VALUE = 32 }; /* so that copying one long text again and again ends at about 3 MB */
enum { POINTER_BYTES_MAX = 1024, POINTER_DEPTH_MAX = 32 };

struct place {
    cJSON *parent;               /* NULL: the whole document */
    char key[POINTER_BYTES_MAX]; /* last token, unescaped */
};

static int bad(struct error *error, int index, const char *expected)
{
    return error_set(error, ERROR_BAD_REQUEST, NULL, "operation %d of the JSON patch: %s", index, expected);
}

static int inapplicable(struct error *error, int index, const char *what, const char *pointer)
{
    return error_set(error, ERROR_INVALID, NULL, "operation %d of the JSON patch does not apply: %s at \"%.200s\"",
                     index, what, pointer);
}

/* RFC 6901: "~1" is '/', "~0" is '~'; any other '~' is an error. */
static bool unescape(struct slice token, char ret[POINTER_BYTES_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < token.n; i++) {
        char c = token.p[i];
        if (c == '~') {
            if (++i == token.n || (token.p[i] != '0' && token.p[i] != '1'))
                return false;
            c = token.p[i] == '0' ? '~' : '/';
        }
        ret[n++] = c;
    }
    ret[n] = '\0';
    return true;
}

/* An array index without leading zeros; -1 if it is none. */
static int array_index(const char *key)
{
    int64_t index;
    if ((key[0] == '0' && key[1]) || !text_parse_i64(slice_of(key), 0, PATCH_VALUES_MAX, &index))
        return -1;
    return (int)index;
}

static cJSON *child_of(cJSON *parent, const char *key)
{
    if (cJSON_IsObject(parent))
        return json_member(parent, key);
    int index = cJSON_IsArray(parent) ? array_index(key) : -1;
    return index < 0 ? NULL : cJSON_GetArrayItem(parent, index);
}

static int find_place(cJSON *root, const char *pointer, int index, struct place *ret, struct error *error)
{
    struct slice rest = slice_of(pointer);
    if (rest.n >= POINTER_BYTES_MAX || (rest.n && rest.p[0] != '/'))
        return bad(error, index, "path must be a JSON pointer of at most 1023 bytes");
    ret->parent = NULL;
    if (rest.n == 0)
        return 0;
    ret->parent = root;
    rest = slice_skip(rest, 1);
    for (int depth = 0;; depth++) {
        const char *slash = rest.n ? memchr(rest.p, '/', rest.n) : NULL;
        struct slice token = {rest.p, slash ? (size_t)(slash - rest.p) : rest.n};
        if (depth == POINTER_DEPTH_MAX || !unescape(token, ret->key))
            return bad(error, index, "path must be a JSON pointer (RFC 6901) of at most 32 tokens");
        if (!slash)
            break;
        ret->parent = child_of(ret->parent, ret->key);
        if (!ret->parent)
            return inapplicable(error, index, "nothing is there", pointer);
        rest = slice_skip(rest, token.n + 1);
    }
    if (!cJSON_IsObject(ret->parent) && !cJSON_IsArray(ret->parent))
        return inapplicable(error, index, "no object or array is there", pointer);
    return 0;
}

static cJSON *place_value(cJSON *root, const struct place *place)
{
    return place->parent ? child_of(place->parent, place->key) : root;
}

/* Takes the value out of the document. */
static cJSON *place_detach(cJSON **root, const struct place *place)
{
    if (!place->parent)
        return TAKE_POINTER(*root);
    cJSON *value = child_of(place->parent, place->key);
    return value ? cJSON_DetachItemViaPointer(place->parent, value) : NULL;
}

/* Puts <value> before the item at <at>, which exists. Debian's cJSON 1.7.15 refuses every new item here (a check meant
 * for damaged ones looks at the wrong item), so the list is linked by hand; the head's prev is the tail. */
static void array_insert(cJSON *array, int at, cJSON *value)
{
    cJSON *next = cJSON_GetArrayItem(array, at);
    value->next = next;
    value->prev = next->prev;
    if (next == array->child)
        array->child = value;
    else
        next->prev->next = value;
    next->prev = value;
}

/* <value> is consumed. */
static int place_add(cJSON **root, const struct place *place, cJSON *value, int index, const char *pointer,
                     struct error *error)
{
    if (!place->parent) {
        cJSON_Delete(*root);
        *root = value;
        return 0;
    }
    if (cJSON_IsObject(place->parent)) {
        json_set(place->parent, place->key, value);
        return 0;
    }
    int count = cJSON_GetArraySize(place->parent);
    int at = strcmp(place->key, "-") == 0 ? count : array_index(place->key);
    if (at < 0 || at > count) {
        cJSON_Delete(value);
        return inapplicable(error, index, "the array has no such index", pointer);
    }
    if (at == count)
        cJSON_AddItemToArray(place->parent, value);
    else
        array_insert(place->parent, at, value);
    return 0;
}

/* Whether a document stays within <depth> levels and *budget values; a long text counts as several. */
static bool within(const cJSON *value, int depth, size_t *budget)
{
    size_t weight = 1 + (cJSON_IsString(value) ? strlen(value->valuestring) / TEXT_BYTES_A_VALUE : 0);
    if (depth == 0 || *budget < weight)
        return false;
    *budget -= weight;
    for (const cJSON *child = value->child; child; child = child->next)
        if (!within(child, depth - 1, budget))
            return false;
    return true;
}

/* add, replace and test: operations that carry a value. */
static int apply_value(cJSON **root, const char *name, const char *pointer, const cJSON *value, int index,
                       struct error *error)
{
    struct place place;
    if (!value)
        return bad(error, index, "value is missing");
    int r = find_place(*root, pointer, index, &place, error);
    if (r < 0)
        return r;
    if (strcmp(name, "add") == 0)
        return place_add(root, &place, json_copy(value), index, pointer, error);
    const cJSON *current = place_value(*root, &place);
    if (!current && strcmp(name, "replace") == 0 && place.parent && cJSON_IsObject(place.parent))
        return place_add(root, &place, json_copy(value), index, pointer, error); /* see json_patch.h */
    if (!current)
        return inapplicable(error, index, "nothing is there", pointer);
    if (strcmp(name, "test") == 0)
        return json_equal(current, value) ? 0 : inapplicable(error, index, "another value is there", pointer);
    cJSON_Delete(place_detach(root, &place));
    return place_add(root, &place, json_copy(value), index, pointer, error);
}

/* move and copy. */
static int apply_from(cJSON **root, bool move, const char *pointer, const char *from, int index, struct error *error)
{
    struct place source, target;
    if (!from)
        return bad(error, index, "from is missing");
    size_t n = strlen(from);
    if (move && strncmp(pointer, from, n) == 0 && pointer[n] == '/')
        return bad(error, index, "a value cannot be moved into itself");
    int r = find_place(*root, from, index, &source, error);
    if (r < 0)
        return r;
    if (!place_value(*root, &source))
        return inapplicable(error, index, "nothing is there", from);
    if (move && strcmp(pointer, from) == 0)
        return 0;
    AUTO_JSON cJSON *value = move ? place_detach(root, &source) : json_copy(place_value(*root, &source));
    if (!*root)
        return bad(error, index, "the whole document cannot be moved");
    r = find_place(*root, pointer, index, &target, error);
    if (r < 0)
        return r;
    return place_add(root, &target, TAKE_POINTER(value), index, pointer, error);
}

static int apply_one(cJSON **root, const cJSON *operation, int index, struct error *error)
{
    const char *name = json_text(operation, "op", NULL), *pointer = json_text(operation, "path", NULL);
    if (!name || !pointer)
        return bad(error, index, "op and path are required texts");
    if (strcmp(name, "add") == 0 || strcmp(name, "replace") == 0 || strcmp(name, "test") == 0)
        return apply_value(root, name, pointer, json_member(operation, "value"), index, error);
    if (strcmp(name, "move") == 0 || strcmp(name, "copy") == 0)
        return apply_from(root, name[0] == 'm', pointer, json_text(operation, "from", NULL), index, error);
    if (strcmp(name, "remove") != 0)
        return bad(error, index, "op must be add, remove, replace, move, copy or test");
    struct place place;
    int r = find_place(*root, pointer, index, &place, error);
    if (r < 0)
        return r;
    if (!place.parent)
        return bad(error, index, "the whole document cannot be removed");
    AUTO_JSON cJSON *gone = place_detach(root, &place);
    return gone ? 0 : inapplicable(error, index, "nothing is there", pointer);
}

int json_patch(const cJSON *target, const cJSON *patch, cJSON **ret, struct error *error)
{
    if (!cJSON_IsArray(patch))
        return error_set(error, ERROR_BAD_REQUEST, NULL, "a JSON patch is an array of operations (RFC 6902)");
    if (cJSON_GetArraySize(patch) > PATCH_OPERATIONS_MAX)
        return error_set(error, ERROR_BAD_REQUEST, NULL, "a JSON patch has at most %d operations",
                         PATCH_OPERATIONS_MAX);
    AUTO_JSON cJSON *root = json_copy(target);
    int index = 0;
    for (const cJSON *operation = patch->child; operation; operation = operation->next, index++) {
        int r = apply_one(&root, operation, index, error);
        if (r < 0)
            return r;
        size_t budget = PATCH_VALUES_MAX;
        if (!within(root, PATCH_DEPTH_MAX, &budget))
            return bad(error, index, "the document would become too large or too deep");
    }
    *ret = TAKE_POINTER(root);
    return 0;
}
