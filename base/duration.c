/* How long is "90d"? */
#include "base/duration.h"

#define SECONDS_MAX ((int64_t)10 * 366 * 86400) /* longer is a typing error */

static const struct {
    char letter;
    int64_t seconds;
} units[] = {{'w', 604800}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

bool duration_parse(struct slice text, int64_t *ret_seconds)
{
    int64_t sum = 0, number;
    size_t next_unit = 0;
    if (text_parse_i64(text, 0, SECONDS_MAX, ret_seconds))
        return true;
    while (text.n) {
        size_t digits = 0;
        while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
            digits++;
        if (digits == text.n || !text_parse_i64((struct slice){text.p, digits}, 0, SECONDS_MAX, &number))
            return false;
        while (next_unit < COUNT_OF(units) && units[next_unit].letter != text.p[digits])
            next_unit++;
        if (next_unit == COUNT_OF(units) || number > SECONDS_MAX / units[next_unit].seconds)
            return false;
        sum += number * units[next_unit++].seconds;
        text = slice_skip(text, digits + 1);
        if (!text.n && sum <= SECONDS_MAX) {
            *ret_seconds = sum;
            return true;
        }
    }
    return false;
}
