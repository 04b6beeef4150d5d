/* Could two readers disagree about what this path names? */
#include "gateway/path.h"

#include "gateway/limits.h"

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The next byte, decoded once. False on a broken escape. */
static bool next_byte(struct slice path, size_t *at, unsigned char *ret, bool *ret_encoded)
{
    *ret_encoded = path.p[*at] == '%';
    if (!*ret_encoded) {
        *ret = (unsigned char)path.p[(*at)++];
        return true;
    }
    int high = *at + 2 < path.n ? hex_value(path.p[*at + 1]) : -1;
    int low = high >= 0 ? hex_value(path.p[*at + 2]) : -1;
    if (low < 0)
        return false;
    *ret = (unsigned char)(high * 16 + low);
    *at += 3;
    return true;
}

static bool refuse(struct error *error, const char *what)
{
    error_set(error, ERROR_BAD_REQUEST, "path", "%s", what);
    return false;
}

static const char *judge_encoded(unsigned char byte)
{
    bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    if (letter || (byte >= '0' && byte <= '9') || byte == '.' || byte == '-' || byte == '_' || byte == '~')
        return "the path encodes a character that needs no encoding";
    if (byte == '/' || byte == '%')
        return "the path encodes a slash or a percent sign";
    if (byte < ' ' || byte == 0x7f)
        return "the path encodes a control character";
    return NULL;
}

static bool check(struct slice path, bool strict, struct error *error)
{
    char decoded[LIMIT_TARGET_BYTES];
    size_t decoded_count = 0;
    size_t dots = 0;          /* the segment so far is this many dots, and nothing else */
    bool only_dots = true;    /* before a ';' */
    bool after_slash = false; /* the byte before was a slash */
    if (path.n > sizeof(decoded))
        return refuse(error, "the path is longer than 8 KiB");
    for (size_t at = 0; at <= path.n;) {
        unsigned char byte = '/'; /* the end closes the last segment */
        bool encoded = false, end = at == path.n;
        if (end)
            at++;
        else if (!next_byte(path, &at, &byte, &encoded))
            return refuse(error, "the path holds a broken percent-escape");
        if (byte == '\0' || byte == '\\')
            return refuse(error, "the path holds a NUL or a backslash");
        const char *wrong = strict && encoded ? judge_encoded(byte) : NULL;
        if (wrong)
            return refuse(error, wrong);
        if (byte == '/' || byte == ';') {
            if (only_dots && (dots == 1 || dots == 2))
                return refuse(error, "the path holds a dot segment");
            if (strict && byte == '/' && after_slash && !end)
                return refuse(error, "the path holds an empty segment");
            only_dots = byte == '/';
            dots = 0;
        } else {
            only_dots = only_dots && byte == '.';
            dots += byte == '.';
        }
        after_slash = byte == '/';
        if (!end)
            decoded[decoded_count++] = (char)byte;
    }
    if (strict && !text_is_utf8((struct slice){decoded, decoded_count}))
        return refuse(error, "the path is not UTF-8 once decoded");
    return true;
}

bool path_check_strict(struct slice path, struct error *error)
{
    return check(path, true, error);
}

bool path_check_tail(struct slice tail, struct error *error)
{
    return check(tail, false, error);
}
