/* How is the log of a job that printed anything at all read as strict JSON? */
#include "base/json_mend.h"

#define ESCAPE_BYTES 6 /* "\\u0000" */

/* Whether the escape at <p>, with <left> bytes there, is \\uXYzz with X 'd' and Y one of <second>. */
static bool is_surrogate(const char *p, size_t left, const char *second)
{
    return left >= ESCAPE_BYTES && p[0] == '\\' && p[1] == 'u' && (p[2] == 'd' || p[2] == 'D') && p[3] &&
           strchr(second, p[3]);
}

void json_mend_escapes(struct buffer *json)
{
    static const char highs[] = "89abAB", lows[] = "cdefCDEF";
    for (size_t i = 0; i + 1 < json->n; i++) {
        char *escape = json->p + i;
        size_t left = json->n - i;
        if (*escape != '\\')
            continue;
        if (left < ESCAPE_BYTES || escape[1] != 'u') {
            i++; /* a two-byte escape: its second byte may be a backslash */
            continue;
        }
        bool high = is_surrogate(escape, left, highs);
        if (high && is_surrogate(escape + ESCAPE_BYTES, left - ESCAPE_BYTES, lows)) {
            i += 2 * ESCAPE_BYTES - 1;
            continue;
        }
        if (high || is_surrogate(escape, left, lows) || memcmp(escape + 2, "0000", 4) == 0)
            memcpy(escape, "\\ufffd", ESCAPE_BYTES);
        i += ESCAPE_BYTES - 1;
    }
}
