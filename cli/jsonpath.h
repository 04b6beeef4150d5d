/*
 * kubectl's JSONPath templates (-o jsonpath=…): text, and in braces a path, a quoted text, or range … end.
 *
 *   {.metadata.name}  {.items[*].metadata.name}  {.items[0]}  {.items[-1:]}  {.a['b','c.d']}  {..name}  {.a\.b}  {$}
 *   {.items[?(@.status.phase=="Running")].metadata.name}  with == != < <= > >=, or a path alone: "has it"
 *   {range .items[*]}{.metadata.name}{"\t"}{.spec.replicas}{"\n"}{end}
 *
 * A template without braces that begins with '.' or '$' is one path. Paths in a range begin at its item; '$' is the
 * whole document. What is absent, an index past the end too, prints nothing. Several values are joined by spaces;
 * strings print as they are, objects and arrays as JSON. Not there, as in kubectl: &&, ||, regular expressions,
 * arithmetic. Threads: a parsed one may be used by many.
 */
#ifndef ATELIER_CLI_JSONPATH_H
#define ATELIER_CLI_JSONPATH_H

#include "base/json.h"

struct jsonpath;
/* INVALID saying what was expected and at which character. */
int jsonpath_parse(struct slice template, struct jsonpath **ret, struct error *error);
void jsonpath_free(struct jsonpath *jsonpath); /* NULL is fine */
/* Appends what the template says of <root>. TOO_LARGE if it finds more values than a document can hold. */
int jsonpath_print(const struct jsonpath *jsonpath, const cJSON *root, struct buffer *ret, struct error *error);

#endif
