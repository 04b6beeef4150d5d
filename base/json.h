/*
 * JSON and YAML for documents that strangers wrote. cJSON holds the tree; a strict validator stands before it, because
 * cJSON by itself accepts duplicate keys, invalid UTF-8, escaped NULs, leading zeros and trailing bytes, and looks keys
 * up without regard to case. All look-ups here are case-sensitive. YAML (libyaml) becomes the same tree; aliases,
 * anchors, tags, merge keys and duplicate keys are refused.
 *
 * Ownership: a `cJSON *` returned through ret_* is the caller's (`cJSON_Delete`); borrowed ones are `const`.
 */
#ifndef ATELIER_BASE_JSON_H
#define ATELIER_BASE_JSON_H

#include <cjson/cJSON.h>

#include "base/error.h"
#include "base/text.h"

/* Limits a parser applies; see json_limits_default for the reason beside each number. */
struct json_limits {
    size_t bytes;  /* whole document */
    size_t depth;  /* nesting of arrays and objects */
    size_t values; /* nodes in all */
    size_t keys;   /* members of one object */
};
extern const struct json_limits json_limits_default; /* 1 MiB, 32, 100000, 256 */

/* On success *ret is a tree. Errors name the byte offset, or the YAML line and column. */
int json_parse(struct slice text, const struct json_limits *limits, cJSON **ret, struct error *error);
/* Every document of a YAML stream, as a JSON array; documents without content (between two "---") are left out. Scalars
 * are YAML 1.2 core ("no" is a string, 0o17 is octal); 0644, which 1.1 and 1.2 read differently, is refused. */
int yaml_parse_all(struct slice text, const struct json_limits *limits, cJSON **ret_array, struct error *error);
/* Exactly one document. */
int yaml_parse(struct slice text, const struct json_limits *limits, cJSON **ret, struct error *error);

char *json_print(const cJSON *value);        /* compact; malloc'ed; never NULL */
char *json_print_pretty(const cJSON *value); /* two spaces; malloc'ed */
void yaml_print(const cJSON *value, struct buffer *ret);
cJSON *json_copy(const cJSON *value);
bool json_equal(const cJSON *a, const cJSON *b); /* deep; member order does not matter */
static inline void json_free_cleanup(cJSON **value)
{
    cJSON_Delete(*value);
}
#define AUTO_JSON __attribute__((cleanup(json_free_cleanup)))

/* Path look-up; the path is a list of keys ended by NULL: json_at(pod, "metadata", "labels", NULL). NULL if absent. */
cJSON *json_at(const cJSON *root, ...) __attribute__((sentinel));
cJSON *json_member(const cJSON *object, const char *key);
const char *json_text(const cJSON *root, ...) __attribute__((sentinel)); /* the string there, or NULL */
const char *json_text_or(const char *fallback, const cJSON *root, ...) __attribute__((sentinel));
/* The first object of <array> whose member <key> is the text <value>, as Kubernetes' lists are keyed; NULL if there is
 * none. json_named: by "name"; json_condition: by "type", of those in an object's status (metav1.Condition). */
cJSON *json_keyed(const cJSON *array, const char *key, const char *value);
cJSON *json_named(const cJSON *array, const char *name);
cJSON *json_condition(const cJSON *object, const char *type);
bool json_condition_true(const cJSON *object, const char *type); /* its status is "True" */
bool json_i64(const cJSON *value, int64_t *ret);                 /* true for a number that is whole and within 2^53 */
int64_t json_i64_or(int64_t fallback, const cJSON *root, ...) __attribute__((sentinel)); /* such a number there */
/* A quantity as manifests have it ("500m", 2, 0.5), read by quantity_parse_milli or quantity_parse_bytes. False for
 * anything else; *ret is then left alone. */
bool json_quantity(const cJSON *value, bool (*parse)(struct slice text, int64_t *ret), int64_t *ret);
bool json_true(const cJSON *root, ...) __attribute__((sentinel));

/* Builders. `json_set*` replace an existing member. Texts are copied. <value> is consumed. All return the new
 * value (borrowed). A NULL value removes the member; into what is no object or array, nothing goes and NULL returns. */
cJSON *json_object(void);
cJSON *json_array(void);
cJSON *json_set(cJSON *object, const char *key, cJSON *value);
cJSON *json_set_text(cJSON *object, const char *key, const char *text); /* NULL text removes the member */
cJSON *json_set_i64(cJSON *object, const char *key, int64_t value);
cJSON *json_set_bool(cJSON *object, const char *key, bool value);
cJSON *json_push(cJSON *array, cJSON *value);
cJSON *json_push_text(cJSON *array, const char *text);
void json_remove(cJSON *object, const char *key);
/* The object member <key>, made if absent (or if it is not an object). */
cJSON *json_object_in(cJSON *object, const char *key);

/* RFC 7386. Returns the patched tree; <target> is consumed, <patch> borrowed. */
cJSON *json_merge_patch(cJSON *target, const cJSON *patch);

/* Fails with INVALID naming "<path>.<key>" if <object> has a member whose name is not in the NULL-ended <known> list.
 */
int json_check_known(const cJSON *object, const char *path, const char *const *known, struct error *error);

#endif
