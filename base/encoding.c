/* How do bytes travel as hex, base64, percent escapes and printable text? */
#include "base/text.h"

void text_hex(const void *bytes, size_t count, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;
    for (size_t i = 0; i < count; i++) {
        ret[2 * i] = digits[from[i] >> 4];
        ret[2 * i + 1] = digits[from[i] & 15];
    }
    ret[2 * count] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool text_unhex(struct slice hex, uint8_t *ret, size_t count)
{
    if (hex.n / 2 != count || hex.n % 2)
        return false;
    for (size_t i = 0; i < hex.n; i++)
        if (hex_digit(hex.p[i]) < 0 || (hex.p[i] >= 'A' && hex.p[i] <= 'F'))
            return false;
    for (size_t i = 0; i < count; i++)
        ret[i] = (uint8_t)(hex_digit(hex.p[2 * i]) << 4 | hex_digit(hex.p[2 * i + 1]));
    return true;
}

static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static char *base64_encode(const void *bytes, size_t count, const char *alphabet, bool padded)
{
    const unsigned char *from = bytes;
    if (count > SIZE_MAX / 4)
        memory_oom(count);
    char *text = memory_resize(NULL, (count + 2) / 3 * 4 + 1);
    size_t n = 0;
    for (size_t i = 0; i < count; i += 3) {
        size_t have = count - i < 3 ? count - i : 3;
        uint32_t bits = (uint32_t)from[i] << 16 | (have > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
                        (have > 2 ? (uint32_t)from[i + 2] : 0);
        for (size_t k = 0; k < 4; k++) {
            if (k <= have)
                text[n++] = alphabet[bits >> (18 - 6 * k) & 63];
            else if (padded)
                text[n++] = '=';
        }
    }
    text[n] = '\0';
    return text;
}

char *text_base64(const void *bytes, size_t count)
{
    return base64_encode(bytes, count, base64_alphabet, true);
}

char *text_base64url(const void *bytes, size_t count)
{
    return base64_encode(bytes, count, base64url_alphabet, false);
}

/* Decodes unpadded digits. Bits that encode nothing must be zero: otherwise two texts mean the same bytes. */
static bool base64_decode(struct slice digits, const char *alphabet, struct buffer *ret)
{
    if (digits.n % 4 == 1)
        return false;
    size_t before = ret->n;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < digits.n; i++) {
        const char *at = digits.p[i] ? strchr(alphabet, digits.p[i]) : NULL;
        if (!at) {
            have = 0;
            bits = 1;
            break;
        }
        bits = bits << 6 | (uint32_t)(at - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            unsigned char byte = (unsigned char)(bits >> have);
            buffer_add(ret, &byte, 1);
            bits &= (1u << have) - 1;
        }
    }
    if (bits == 0)
        return true;
    ret->n = before;
    if (ret->p)
        ret->p[before] = '\0';
    return false;
}

bool text_unbase64(struct slice encoded, struct buffer *ret)
{
    if (encoded.n % 4)
        return false;
    if (slice_ends(encoded, "=="))
        encoded.n -= 2;
    else if (slice_ends(encoded, "="))
        encoded.n -= 1;
    return base64_decode(encoded, base64_alphabet, ret);
}

bool text_unbase64url(struct slice encoded, struct buffer *ret)
{
    return base64_decode(encoded, base64url_alphabet, ret);
}

bool text_unpercent(struct slice encoded, struct buffer *ret)
{
    size_t before = ret->n;
    for (size_t i = 0; i < encoded.n; i++) {
        char c = encoded.p[i];
        if (c == '%') {
            int high = i + 2 < encoded.n ? hex_digit(encoded.p[i + 1]) : -1;
            int low = i + 2 < encoded.n ? hex_digit(encoded.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                c = '\0';
            else
                c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0') {
            ret->n = before;
            if (ret->p)
                ret->p[before] = '\0';
            return false;
        }
        buffer_add(ret, &c, 1);
    }
    return true;
}

bool text_unform(struct slice encoded, struct buffer *ret)
{
    AUTO_BUFFER struct buffer spaced = {0};
    for (size_t i = 0; i < encoded.n; i++)
        buffer_add(&spaced, encoded.p[i] == '+' ? " " : &encoded.p[i], 1);
    return text_unpercent(buffer_slice(&spaced), ret);
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

void text_percent(struct slice raw, struct buffer *ret)
{
    for (size_t i = 0; i < raw.n; i++) {
        if (is_unreserved(raw.p[i]))
            buffer_add(ret, &raw.p[i], 1);
        else
            buffer_add_format(ret, "%%%02X", (unsigned char)raw.p[i]);
    }
}

/* Length of the well-formed character at the front (Unicode 15, table 3-7), 0 if there is none; its code point. */
static size_t utf8_character(struct slice text, uint32_t *ret_point)
{
    const unsigned char *p = (const unsigned char *)text.p;
    if (text.n == 0)
        return 0;
    if (p[0] < 0x80) {
        *ret_point = p[0];
        return 1;
    }
    size_t count = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || text.n < count)
        return 0;
    uint32_t point = p[0] & (0xFFu >> (count + 1));
    for (size_t i = 1; i < count; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        point = point << 6 | (p[i] & 0x3F);
    }
    if ((count == 3 && point < 0x800) || (count == 4 && (point < 0x10000 || point > 0x10FFFF)) ||
        (point >= 0xD800 && point <= 0xDFFF))
        return 0;
    *ret_point = point;
    return count;
}

bool text_is_utf8(struct slice text)
{
    uint32_t point;
    while (text.n) {
        size_t count = utf8_character(text, &point);
        if (!count)
            return false;
        text = slice_skip(text, count);
    }
    return true;
}

/* Characters that move a terminal's cursor, hide, or reorder what is read. */
static bool is_deceptive(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point <= 0x9F) || point == 0xAD || point == 0x61C ||
           (point >= 0x200B && point <= 0x200F) || (point >= 0x2028 && point <= 0x202E) ||
           (point >= 0x2060 && point <= 0x206F) || point == 0xFEFF || (point >= 0xE0000 && point <= 0xE0FFF);
}

void text_printable(struct slice raw, char *ret, size_t size)
{
    size_t n = 0;
    if (size == 0)
        return;
    while (raw.n) {
        uint32_t point = 0;
        size_t count = utf8_character(raw, &point);
        bool shown = count && !is_deceptive(point);
        if (!count)
            count = 1;
        size_t needed = shown ? count : 4 * count;
        if (n + needed >= size)
            break;
        for (size_t i = 0; i < count; i++) {
            if (shown)
                ret[n++] = raw.p[i];
            else
                n += (size_t)snprintf(ret + n, size - n, "\\x%02x", (unsigned char)raw.p[i]);
        }
        raw = slice_skip(raw, count);
    }
    ret[n] = '\0';
}

char *text_secret_line(const char *before, const char *base64)
{
    struct buffer secret = {0};
    bool clean = base64 && text_unbase64(slice_of(base64), &secret) && secret.n;
    for (size_t i = 0; clean && i < secret.n; i++)
        clean = secret.p[i] > ' ' && secret.p[i] < 0x7f;
    char *line = clean ? memory_format("%s%s", before, secret.p) : NULL;
    if (secret.p)
        memory_wipe(secret.p, secret.n);
    buffer_free(&secret);
    return line;
}
