/* Steps that several commands share: naming an object, reading and printing one, waiting for one. */
#ifndef ATELIER_CLI_OBJECT_H
#define ATELIER_CLI_OBJECT_H

#include "cli/command.h"
#include "cli/resource.h"

enum output { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_YAML, OUTPUT_NAME };
int output_of(const struct call *call, enum output *ret, struct error *error);
/* Writes to stdout. <raw> is the answer as received: JSON is printed exactly so. */
int print_text(const char *text, struct error *error);
int print_answer(const struct call *call, const struct buffer *raw, const char *summary, struct error *error);
/* A table of <items>, one row each through <row>; or with -o, the answer itself. */
typedef void (*item_row)(const cJSON *item, struct table *table);
int print_items(const struct call *call, const struct buffer *raw, const char *const *headers, item_row row,
                struct error *error);
/* "pod.Name created" lines etc. <words> must be printable already except for the name. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2))); /* one line on stderr, made printable */

void say_quiet(bool yes); /* from now on say() says nothing */

/* The kind from "notebooks" or "notebook/nb1" (then *ret_name is "nb1", else NULL). *ret_name points into <word>. */
int object_kind(const char *word, const struct resource **ret, const char **ret_name, struct error *error);
/* The path of one object: in the call's namespace if it has one. malloc'ed. */
int object_path(struct call *call, const struct resource *resource, const char *name, char **ret, struct error *error);
int object_get(struct call *call, const struct resource *resource, const char *name, cJSON **ret, struct error *error);

#define WAIT_DEFAULT_S 300
/* Reports changes of state on stderr until it can be used. TIMEOUT, or UNAVAILABLE once it has failed. */
int object_wait(struct call *call, const struct resource *resource, const char *name, int64_t timeout_s,
                struct error *error);
/* The call's --wait and --timeout, applied after something was created. */
int object_wait_if_asked(struct call *call, const struct resource *resource, const char *name, struct error *error);
int object_wait_gone(struct call *call, const struct resource *resource, const char *name, int64_t timeout_s,
                     struct error *error);

/* Sends and reports ("notebook.kubeflow.org/nb1 created"); then waits if --wait was given. */
int create_object(struct call *call, const struct resource *resource, const cJSON *object, struct error *error);
/* Creates what <object> describes, or changes what is there into it, and reports which of both. */
int apply_object(struct call *call, const cJSON *object, struct error *error);
/* <patch>: an object is a merge patch (RFC 7386), an array a JSON Patch (RFC 6902). */
int patch_object(struct call *call, const struct resource *resource, const char *name, const cJSON *patch,
                 const char *done, struct error *error);
/* `get WORD` and `delete WORD NAME...` under another command's name. */
int list_objects(struct call *call, const char *word, struct error *error);
int delete_objects(struct call *call, const char *word, struct error *error);
/* Prints where a browser opens the object named first. */
int print_open_url(struct call *call, const char *kind, struct error *error);

#endif
