/* How are borrowed texts compared, cut and read as numbers? */
#include "base/text.h"

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool slice_is(struct slice a, const char *text)
{
    return slice_equal(a, slice_of(text));
}

bool slice_is_nocase(struct slice a, const char *text)
{
    if (a.n != strlen(text))
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(text[i]))
            return false;
    return true;
}

bool slice_starts(struct slice a, const char *prefix)
{
    size_t count = strlen(prefix);
    return a.n >= count && (count == 0 || memcmp(a.p, prefix, count) == 0);
}

bool slice_ends(struct slice a, const char *suffix)
{
    size_t count = strlen(suffix);
    return a.n >= count && (count == 0 || memcmp(a.p + a.n - count, suffix, count) == 0);
}

struct slice slice_skip(struct slice a, size_t count)
{
    if (count > a.n)
        count = a.n;
    return (struct slice){count ? a.p + count : a.p, a.n - count};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice a)
{
    while (a.n && is_blank(a.p[0]))
        a = slice_skip(a, 1);
    while (a.n && is_blank(a.p[a.n - 1]))
        a.n--;
    return a;
}

struct slice slice_split(struct slice a, char separator, struct slice *rest)
{
    const char *at = a.n ? memchr(a.p, separator, a.n) : NULL;
    struct slice before = {a.p, at ? (size_t)(at - a.p) : a.n};
    *rest = at ? slice_skip(a, before.n + 1) : (struct slice){NULL, 0};
    return before;
}

bool text_parse_i64(struct slice digits, int64_t minimum, int64_t maximum, int64_t *ret)
{
    bool negative = digits.n && digits.p[0] == '-';
    struct slice rest = negative ? slice_skip(digits, 1) : digits;
    if (rest.n == 0 || rest.n > 19 || (rest.p[0] == '0' && (rest.n > 1 || negative)))
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < rest.n; i++) {
        if (rest.p[i] < '0' || rest.p[i] > '9')
            return false;
        int64_t digit = rest.p[i] - '0'; /* summed with its sign, so that INT64_MIN is reachable */
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
    }
    if (value < minimum || value > maximum)
        return false;
    *ret = value;
    return true;
}
