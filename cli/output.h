/* How what was found is shown: -o, tables and lists, --watch on lists, --quiet, and lines for people on stderr. */
#ifndef ATELIER_CLI_OUTPUT_H
#define ATELIER_CLI_OUTPUT_H

#include "base/json.h"
#include "cli/command.h"
#include "cli/table.h"

#define LIST_BYTES_MAX ((size_t)64 * 1024 * 1024)
extern const struct json_limits output_limits; /* of lists of everything */

enum output { OUTPUT_TABLE, OUTPUT_WIDE, OUTPUT_NAME, OUTPUT_JSON, OUTPUT_YAML, OUTPUT_JSONPATH };
/* What -o says. A wrong format, or a wrong JSONPath template, is EXIT_USAGE. */
int output_of(const struct call *call, enum output *ret, struct error *error);
/* The same for what has no name: -o name is EXIT_USAGE. */
int output_of_unnamed(const struct call *call, enum output *ret, struct error *error);
bool output_is_table(enum output output); /* TABLE, WIDE */
/* A table of these headers as -o and the terminal want it. */
struct table *output_table(enum output output, const char *const *headers);

/* One line on stderr, made printable; nothing once say_quiet(true). */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What went wrong, in one line on stderr, whatever the server put into it; also when quiet. */
void say_failure(const struct error *error);
void say_quiet(bool yes);
bool say_is_quiet(void);

int print_text(const char *text, struct error *error); /* to stdout */
/* JSON (as received, to the byte), YAML or what the JSONPath template says of it. */
int print_document(const struct call *call, enum output output, struct slice raw, struct error *error);
/* The same of a tree. */
int print_tree(const struct call *call, enum output output, const cJSON *tree, struct error *error);
/* A manifest that could be applied: YAML (a document of its own, begun by ---) unless -o says otherwise;
 * "notebook.kubeflow.org/nb1" with -o name. */
int print_manifest(const struct call *call, const cJSON *object, struct error *error);
/* An answer: as a document, or <summary>, made printable; with -o name "notebook.kubeflow.org/nb1" if it is an object.
 */
int print_answer(const struct call *call, const struct buffer *raw, const char *summary, struct error *error);
/* What was done and has no answer to show: <line>, or with -o a Status (<raw>, if the service sent one). */
int print_done(const struct call *call, const struct buffer *raw, const char *line, struct error *error);

/* A list of the people API. */
typedef void (*item_row)(const cJSON *item, struct table *table);
struct listing {
    const char *const *headers;
    item_row row;
    const char *name; /* the member that -o name prints */
    bool bare;        /* the answer is the array itself, written by a job (Ray's Jobs API) */
};
/* Gets <path> and shows its items; with --watch, what has changed every two seconds, until Ctrl-C. */
int list_items(struct call *call, const char *path, const struct listing *listing, struct error *error);
/* The same of what a command makes of one or several answers. */
typedef int (*list_source)(struct call *call, void *of, cJSON **ret, struct error *error);
int list_made(struct call *call, list_source source, void *of, const struct listing *listing, struct error *error);
/* Shows what was read already. */
int print_items(const struct call *call, const cJSON *document, const struct listing *listing, struct error *error);

#endif
