/* Spans of time as people write them. */
#ifndef ATELIER_BASE_DURATION_H
#define ATELIER_BASE_DURATION_H

#include "base/text.h"

/* "90d", "12h", "1h30m", "45s", or a bare number of seconds; units w d h m s, each once and in that order. At most ten
 * years. False if malformed. */
bool duration_parse(struct slice text, int64_t *ret_seconds);

#endif
