/* Points in time as people write them on a command line. */
#ifndef ATELIER_CLI_DURATION_H
#define ATELIER_CLI_DURATION_H

#include "base/duration.h"

/* A duration from now, a date ("2026-12-31": its end in UTC), or RFC 3339; milliseconds since 1970. */
bool duration_parse_until(struct slice text, int64_t now_ms, int64_t *ret_ms);
/* What --until takes, for whoever gave it something else. */
#define DURATION_UNTIL_EXPECTED                                                                                        \
    "--until: expected a date (2026-12-31), a time (2026-12-31T18:00:00Z) or a duration (30d)"

#endif
