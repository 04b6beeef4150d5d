/* When is "0 3 * * 1-5"? Whether anybody can tell. */
#include "base/cron.h"

#include <ctype.h>

#define FIELDS 5
/* Longer than any time that is meant. */
#define NUMBER_MAX 1000000000

struct field {
    const char *name;
    int64_t first, last;
    const char *const *names; /* the first is of the number <first>; NULL: it has none */
};

static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                     "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const days[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};
static const struct field fields[FIELDS] = {{"minute", 0, 59, NULL},
                                            {"hour", 0, 23, NULL},
                                            {"day of the month", 1, 31, NULL},
                                            {"month", 1, 12, months},
                                            {"day of the week", 0, 6, days}};

static bool wrong(const struct field *field, struct slice text, const char *why, char *fault, size_t size)
{
    char shown[48];
    text_printable(text, shown, sizeof(shown));
    (void)snprintf(fault, size, "its %s \"%s\" %s", field->name, shown, why);
    return false;
}

/* Leading zeros are usual here: "05". */
static bool parse_number(struct slice text, int64_t *ret)
{
    while (text.n > 1 && text.p[0] == '0')
        text = slice_skip(text, 1);
    return text_parse_i64(text, 0, NUMBER_MAX, ret);
}

static bool parse_value(const struct field *field, struct slice text, int64_t *ret)
{
    for (int64_t i = 0; field->names && field->names[i]; i++) {
        if (slice_is_nocase(text, field->names[i])) {
            *ret = field->first + i;
            return true;
        }
    }
    return parse_number(text, ret);
}

/* "*", "5", "1-5", each with "/2" after it. */
static bool check_range(const struct field *field, struct slice text, char *fault, size_t size)
{
    struct slice step, high, range = slice_split(text, '/', &step), low = slice_split(range, '-', &high);
    int64_t from = field->first, to = field->last, every = 1;
    bool stepped = range.n < text.n, two = low.n < range.n;
    char limits[64];
    if (!two && (slice_is(low, "*") || slice_is(low, "?")))
        two = true;
    else if (!parse_value(field, low, &from) || (two && !parse_value(field, high, &to)))
        return wrong(field, text, field->names ? "is neither a number nor a name" : "is no number", fault, size);
    if (!two && !stepped)
        to = from;
    if (stepped && (!parse_number(step, &every) || every == 0))
        return wrong(field, text, "has a step that is no number from 1 on", fault, size);
    (void)snprintf(limits, sizeof(limits), "is not within %d to %d", (int)field->first, (int)field->last);
    if (from < field->first || to > field->last)
        return wrong(field, text, limits, fault, size);
    return from <= to || wrong(field, text, "ends before it begins", fault, size);
}

static bool check_field(const struct field *field, struct slice text, char *fault, size_t size)
{
    struct slice rest = text;
    while (rest.n) {
        struct slice range = slice_split(rest, ',', &rest);
        if (!check_range(field, range, fault, size))
            return false;
    }
    return text.p[text.n - 1] != ',' || wrong(field, text, "ends with a comma", fault, size);
}

/* As Go's time.ParseDuration, without a sign: "1h30m", "1.5h", "90s". */
static bool is_duration(struct slice text)
{
    static const char *const units[] = {"ns", "us", "ms", "s", "m", "h"};
    while (text.n) {
        size_t digits = 0, letters = 0;
        while (digits < text.n && (isdigit((unsigned char)text.p[digits]) || text.p[digits] == '.'))
            digits++;
        struct slice fraction, whole = slice_split((struct slice){text.p, digits}, '.', &fraction);
        if (digits == 0 || whole.n + fraction.n == 0 || whole.n > 9 || memchr(fraction.p, '.', fraction.n))
            return false;
        text = slice_skip(text, digits);
        while (letters < text.n && isalpha((unsigned char)text.p[letters]))
            letters++;
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(units) && !known; i++)
            known = slice_is((struct slice){text.p, letters}, units[i]);
        if (!known)
            return false;
        text = slice_skip(text, letters);
        if (!text.n)
            return true;
    }
    return false;
}

static bool check_descriptor(struct slice text, char *fault, size_t size)
{
    static const char every[] = "@every ";
    static const char *const known[] = {"@yearly", "@annually", "@monthly", "@weekly",
                                        "@daily",  "@midnight", "@hourly"};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (slice_is(text, known[i]))
            return true;
    if (slice_starts(text, every) && is_duration(slice_skip(text, sizeof(every) - 1)))
        return true;
    (void)snprintf(fault, size,
                   "after \"@\" stands hourly, daily, midnight, weekly, monthly, yearly, annually, or \"every\" and a "
                   "time such as 1h30m");
    return false;
}

static struct slice next_field(struct slice *rest)
{
    size_t length = 0;
    while (rest->n && isspace((unsigned char)rest->p[0]))
        *rest = slice_skip(*rest, 1);
    while (length < rest->n && !isspace((unsigned char)rest->p[length]))
        length++;
    struct slice field = {rest->p, length};
    *rest = slice_skip(*rest, length);
    return field;
}

bool cron_check(struct slice schedule, char *fault, size_t size)
{
    struct slice found[FIELDS], field, rest = schedule;
    size_t count = 0;
    if (slice_starts(schedule, "@"))
        return check_descriptor(schedule, fault, size);
    while ((field = next_field(&rest)).n) {
        if (count < FIELDS)
            found[count] = field;
        count++;
    }
    if (count != FIELDS)
        (void)snprintf(fault, size,
                       "expected five fields (minute, hour, day of the month, month, day of the week), it has %zu",
                       count);
    bool good = count == FIELDS;
    for (size_t i = 0; i < FIELDS && good; i++)
        good = check_field(&fields[i], found[i], fault, size);
    return good;
}
