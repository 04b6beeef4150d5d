/* What time is it, and how is it written down? */
#include "base/clock.h"

#include <errno.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void clock_sleep_ms(int64_t ms)
{
    if (ms <= 0)
        return;
    int64_t end_ms = clock_monotonic_ms() + ms;
    struct timespec end = {.tv_sec = (time_t)(end_ms / 1000), .tv_nsec = (long)(end_ms % 1000) * 1000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
        ;
}

int64_t clock_rest_ms(int64_t began_ms, int64_t share, int64_t least_ms)
{
    int64_t rest_ms = (clock_monotonic_ms() - began_ms) * share;
    return rest_ms > least_ms ? rest_ms : least_ms;
}

void clock_condition(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* Years 0000 to 9999: what RFC 3339 can write. */
#define SECONDS_MIN (-INT64_C(62167219200))
#define SECONDS_MAX INT64_C(253402300799)

static void format(int64_t wall_ms, bool micro, char ret[CLOCK_TEXT_SIZE])
{
    int64_t ms = wall_ms % 1000, seconds = wall_ms / 1000;
    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    if (seconds < SECONDS_MIN)
        seconds = SECONDS_MIN;
    if (seconds > SECONDS_MAX)
        seconds = SECONDS_MAX;
    time_t time = (time_t)seconds;
    struct tm tm;
    gmtime_r(&time, &tm);
    char fraction[8] = "";
    if (micro)
        snprintf(fraction, sizeof(fraction), ".%03u000", (unsigned)ms % 1000);
    snprintf(ret, CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u%sZ", (unsigned)(tm.tm_year + 1900) % 10000,
             (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
             (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100, fraction);
}

void clock_format(int64_t wall_ms, char ret[CLOCK_TEXT_SIZE])
{
    format(wall_ms, false, ret);
}

void clock_format_micro(int64_t wall_ms, char ret[CLOCK_TEXT_SIZE])
{
    format(wall_ms, true, ret);
}

/* Takes <count> digits and the one character after them (unless 0) off the front. */
static bool take_number(struct slice *text, size_t count, char after, int64_t maximum, int64_t *ret)
{
    int64_t value = 0;
    if (text->n < count + (after != 0) || (after && text->p[count] != after))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (text->p[i] < '0' || text->p[i] > '9')
            return false;
        value = value * 10 + (text->p[i] - '0');
    }
    *text = slice_skip(*text, count + (after != 0));
    *ret = value;
    return value <= maximum;
}

/* Takes ".digits" if it is there; only its milliseconds are kept. */
static bool take_fraction(struct slice *text, int64_t *ret_ms)
{
    int64_t ms = 0, scale = 100;
    size_t digits = 0;
    *ret_ms = 0;
    if (!text->n || text->p[0] != '.')
        return true;
    *text = slice_skip(*text, 1);
    for (; text->n && text->p[0] >= '0' && text->p[0] <= '9'; digits++) {
        ms += (text->p[0] - '0') * scale;
        scale /= 10;
        *text = slice_skip(*text, 1);
    }
    *ret_ms = ms;
    return digits >= 1 && digits <= 9;
}

static bool take_zone(struct slice *text, int64_t *ret_offset_s)
{
    int64_t hours, minutes;
    if (slice_is(*text, "Z")) {
        *ret_offset_s = 0;
        return true;
    }
    char sign = text->n ? text->p[0] : 0;
    if (sign != '+' && sign != '-')
        return false;
    *text = slice_skip(*text, 1);
    if (!take_number(text, 2, ':', 23, &hours) || !take_number(text, 2, 0, 59, &minutes) || text->n)
        return false;
    *ret_offset_s = (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

bool clock_parse(struct slice text, int64_t *ret_wall_ms)
{
    int64_t year, month, day, hour, minute, second, ms, offset_s;
    if (!take_number(&text, 4, '-', 9999, &year) || !take_number(&text, 2, '-', 12, &month) ||
        !take_number(&text, 2, 'T', 31, &day) || !take_number(&text, 2, ':', 23, &hour) ||
        !take_number(&text, 2, ':', 59, &minute) || !take_number(&text, 2, 0, 59, &second) ||
        !take_fraction(&text, &ms) || !take_zone(&text, &offset_s) || month < 1 || day < 1)
        return false;
    struct tm tm = {.tm_year = (int)year - 1900,
                    .tm_mon = (int)month - 1,
                    .tm_mday = (int)day,
                    .tm_hour = (int)hour,
                    .tm_min = (int)minute,
                    .tm_sec = (int)second};
    int64_t seconds = timegm(&tm);
    if (tm.tm_mday != day) /* normalized: there is no such day in that month */
        return false;
    *ret_wall_ms = (seconds - offset_s) * 1000 + ms;
    return true;
}

void clock_after(int64_t ms, struct timespec *ret)
{
    clock_gettime(CLOCK_MONOTONIC, ret);
    ret->tv_sec += ms / 1000;
    ret->tv_nsec += ms % 1000 * 1000000;
    if (ret->tv_nsec >= 1000000000) {
        ret->tv_sec++;
        ret->tv_nsec -= 1000000000;
    }
}
