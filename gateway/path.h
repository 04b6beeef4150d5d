/* Whether two readers of a path could disagree about what it names (attacks.md 20). The bytes are never changed. */
#ifndef ATELIER_GATEWAY_PATH_H
#define ATELIER_GATEWAY_PATH_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"

/* For what we interpret ourselves: also no empty segments, no encoded letter, digit, dot, slash or percent sign, and
 * only UTF-8. */
bool path_check_strict(struct slice path, struct error *error);
/* For what a workload interprets: no dot segments however written, no backslash, no NUL, no broken escape. */
bool path_check_tail(struct slice tail, struct error *error);

#endif
