/* How much is "500m", "4Gi" or "1e3"? (grammar: k8s.io/apimachinery/pkg/api/resource/quantity.go) */
#include "base/text.h"

#include <inttypes.h>

__extension__ typedef unsigned __int128 wide;

/* 20 digits shifted by 60 bits (Ei) still fit 128 bits; more digits only matter for rounding up. */
#define SIGNIFICANT_DIGITS 20

struct number {
    wide mantissa;
    int exponent10, exponent2;
    bool negative, inexact; /* inexact: something above zero was dropped */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void take_digit(struct number *number, char digit, bool fraction)
{
    wide limit = 1;
    for (int i = 0; i < SIGNIFICANT_DIGITS - 1; i++)
        limit *= 10;
    if (number->mantissa < limit) {
        number->mantissa *= 10;
        number->mantissa += (unsigned)(digit - '0');
        number->exponent10 -= fraction;
        return;
    }
    number->inexact |= digit != '0';
    number->exponent10 += !fraction;
}

/* Reads [+-]digits[.digits]; returns what follows. */
static bool parse_mantissa(struct slice text, struct number *ret, struct slice *ret_rest)
{
    size_t i = 0, digits = 0;
    if (text.n && (text.p[0] == '-' || text.p[0] == '+'))
        ret->negative = text.p[i++] == '-';
    for (; i < text.n && is_digit(text.p[i]); i++, digits++)
        take_digit(ret, text.p[i], false);
    if (i < text.n && text.p[i] == '.')
        for (i++; i < text.n && is_digit(text.p[i]); i++, digits++)
            take_digit(ret, text.p[i], true);
    *ret_rest = slice_skip(text, i);
    return digits > 0;
}

static bool parse_suffix(struct slice suffix, struct number *number)
{
    static const struct {
        const char *text;
        int exponent10, exponent2;
    } suffixes[] = {{"", 0, 0},    {"n", -9, 0},  {"u", -6, 0},  {"m", -3, 0}, {"k", 3, 0},   {"M", 6, 0},
                    {"G", 9, 0},   {"T", 12, 0},  {"P", 15, 0},  {"E", 18, 0}, {"Ki", 0, 10}, {"Mi", 0, 20},
                    {"Gi", 0, 30}, {"Ti", 0, 40}, {"Pi", 0, 50}, {"Ei", 0, 60}};
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        if (slice_is(suffix, suffixes[i].text)) {
            number->exponent10 += suffixes[i].exponent10;
            number->exponent2 = suffixes[i].exponent2;
            return true;
        }
    }
    if (suffix.p[0] != 'e' && suffix.p[0] != 'E')
        return false;
    struct slice digits = slice_skip(suffix, 1);
    bool minus = digits.n && digits.p[0] == '-';
    if (minus || (digits.n && digits.p[0] == '+'))
        digits = slice_skip(digits, 1);
    if (digits.n == 0 || digits.n > 4)
        return false;
    int exponent = 0;
    for (size_t i = 0; i < digits.n; i++) {
        if (!is_digit(digits.p[i]))
            return false;
        exponent = exponent * 10 + (digits.p[i] - '0');
    }
    number->exponent10 += minus ? -exponent : exponent;
    return true;
}

/* The value times 10^scale, rounded away from zero as Quantity.ScaledValue does. False if it does not fit. */
static bool number_scaled(const struct number *number, int scale, int64_t *ret)
{
    wide value = number->mantissa << number->exponent2;
    bool inexact = number->inexact;
    int exponent = number->exponent10 + scale;
    for (; exponent < 0 && value; exponent++) {
        inexact |= value % 10 != 0;
        value /= 10;
    }
    for (; exponent > 0 && value; exponent--) {
        if (value > INT64_MAX)
            return false;
        value *= 10;
    }
    value += inexact;
    if (value > INT64_MAX)
        return false;
    *ret = number->negative ? -(int64_t)value : (int64_t)value;
    return true;
}

static bool parse_scaled(struct slice text, int scale, int64_t *ret)
{
    struct number number = {0};
    struct slice suffix;
    return text.n <= 256 && parse_mantissa(text, &number, &suffix) && parse_suffix(suffix, &number) &&
           number_scaled(&number, scale, ret);
}

bool quantity_parse_milli(struct slice text, int64_t *ret_milli)
{
    return parse_scaled(text, 3, ret_milli);
}

bool quantity_parse_bytes(struct slice text, int64_t *ret_bytes)
{
    return parse_scaled(text, 0, ret_bytes);
}

void quantity_format_bytes(int64_t bytes, char *ret, size_t size)
{
    static const char *const suffixes[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    size_t i = 0;
    while (bytes != 0 && bytes % 1024 == 0 && i + 1 < COUNT_OF(suffixes)) {
        bytes /= 1024;
        i++;
    }
    snprintf(ret, size, "%" PRId64 "%s", bytes, suffixes[i]);
}

void quantity_format_cpu(int64_t milli, char *ret, size_t size)
{
    if (milli % 1000 == 0)
        snprintf(ret, size, "%" PRId64, milli / 1000);
    else
        snprintf(ret, size, "%" PRId64 "m", milli);
}
