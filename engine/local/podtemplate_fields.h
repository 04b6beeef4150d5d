/* Walking a document by tables of fields: podtemplate_check.c says what, this says how. */
#ifndef ATELIER_ENGINE_LOCAL_PODTEMPLATE_FIELDS_H
#define ATELIER_ENGINE_LOCAL_PODTEMPLATE_FIELDS_H

#include "base/json.h"
#include "engine/local/images.h"

enum { CHECK_PATH_MAX = 128 }; /* as struct error's field */

struct check {
    struct image_store *images;
    struct error *error;
    const cJSON *volumes;
};
typedef int (*check_function)(struct check *check, const cJSON *value, const char *path);
/* <check> NULL: kept and ignored. A table ends with an empty name. */
struct check_field {
    const char *name;
    check_function check;
};

/* INVALID: "<path> <expected>". */
int check_fail(struct check *check, const char *path, const char *expected);
/* "<base>.<name>", or "<name>" below "". */
void check_path(char ret[CHECK_PATH_MAX], const char *base, const char *name);
/* <value> must be an object with members of <fields> only, each as its check says. Members that are null are absent. */
int check_fields(struct check *check, const cJSON *value, const char *path, const struct check_field *fields);
/* <value> must be a list of at most <max>, each as <each> says. */
int check_list(struct check *check, const cJSON *value, const char *path, int max, check_function each);
bool check_has_volume(const struct check *check, const char *name);

#endif
