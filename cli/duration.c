/* When is "2026-12-31", or "30d" from now? */
#include "cli/duration.h"

#include "base/clock.h"

bool duration_parse_until(struct slice text, int64_t now_ms, int64_t *ret_ms)
{
    int64_t seconds;
    if (duration_parse(text, &seconds)) {
        *ret_ms = now_ms + 1000 * seconds;
        return true;
    }
    if (text.n == strlen("2026-12-31")) {
        AUTO_FREE char *whole = memory_format("%.*sT23:59:59Z", (int)text.n, text.p);
        return clock_parse(slice_of(whole), ret_ms);
    }
    return clock_parse(text, ret_ms);
}
