/* What a JSONPath template is once it has been read: shared by its parser and its evaluation, and nobody else. */
#ifndef ATELIER_CLI_JSONPATH_TREE_H
#define ATELIER_CLI_JSONPATH_TREE_H

#include "cli/jsonpath.h"

#define JSONPATH_BYTES_MAX 8192     /* of a template: nobody types more */
#define JSONPATH_DEPTH_MAX 8        /* ranges, and filters in filters */
#define JSONPATH_UNION_MAX 64       /* names or indexes in one pair of brackets */
#define JSONPATH_VALUES_MAX 4000000 /* found on the way: as many as the largest answer holds */

enum step_kind { STEP_NAMES, STEP_INDEXES, STEP_ALL, STEP_DESCEND, STEP_SLICE, STEP_FILTER };
struct jsonpath_operand {
    const struct jsonpath_path *path; /* or NULL: <value> */
    const cJSON *value;               /* in the jsonpath's <literals> */
};
enum comparison { COMPARE_EXISTS, COMPARE_EQ, COMPARE_NE, COMPARE_LT, COMPARE_LE, COMPARE_GT, COMPARE_GE };
struct jsonpath_step {
    enum step_kind kind;
    size_t count; /* of names or indexes */
    const char **names;
    int64_t *indexes;             /* SLICE: start, end, step */
    bool has_start, has_end;      /* SLICE */
    struct jsonpath_operand left; /* FILTER */
    enum comparison comparison;
    struct jsonpath_operand right;
    struct jsonpath_step *next;
};
struct jsonpath_path {
    bool from_root; /* '$' */
    struct jsonpath_step *first;
};
enum part_kind { PART_TEXT, PART_PATH, PART_RANGE };
struct jsonpath_part {
    enum part_kind kind;
    struct slice text;
    const struct jsonpath_path *path;
    struct jsonpath_part *inner; /* RANGE: what is said of each */
    struct jsonpath_part *next;
};
struct jsonpath {
    struct arena *arena;
    cJSON *literals; /* an array that owns them */
    struct jsonpath_part *first;
};

#endif
