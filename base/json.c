/* Is this text one well-formed, unambiguous JSON document within the limits, and which tree is it? */
#include "base/json.h"

#include <math.h>

#define NUMBER_BYTES_MAX 60          /* cJSON 1.7 reads at most 63 bytes of a number and drops the rest */
#define INTEGER_MAX 9007199254740992 /* 2^53: beyond, cJSON's doubles no longer hold every integer */
#define DEPTH_MAX 200                /* whatever a caller allows: this file, cJSON_Delete and others recurse */

const struct json_limits json_limits_default = {
    .bytes = (size_t)1024 * 1024, /* etcd's own limit for an object is 1.5 MiB */
    .depth = 32,                  /* a RayService nests to 17 */
    .values = 100000,             /* 10 MB of cJSON nodes at most */
    .keys = 256,                  /* look-ups are linear */
};

struct key {
    uint32_t hash;
    size_t at, n; /* in reader.names */
};

/* A cursor over the text; `keys` holds the members seen so far of every object that is open. */
struct reader {
    struct slice text;
    size_t at;
    const struct json_limits *limits;
    size_t values;
    struct key *keys;
    size_t key_count, key_capacity;
    struct buffer names; /* the keys, unescaped */
    struct error *error;
};

static int read_value(struct reader *reader, size_t depth);

static int expected(const struct reader *reader, const char *what)
{
    if (reader->at >= reader->text.n)
        return error_set(reader->error, ERROR_BAD_REQUEST, NULL, "JSON, byte %zu: expected %s, found the end",
                         reader->at, what);
    char found[16];
    size_t left = reader->text.n - reader->at;
    text_printable((struct slice){reader->text.p + reader->at, left < 1 ? left : 1}, found, sizeof(found));
    return error_set(reader->error, ERROR_BAD_REQUEST, NULL, "JSON, byte %zu: expected %s, found '%s'", reader->at,
                     what, found);
}

static int refuse(const struct reader *reader, size_t at, const char *why)
{
    return error_set(reader->error, ERROR_BAD_REQUEST, NULL, "JSON, byte %zu: %s", at, why);
}

static char peek(const struct reader *reader)
{
    return reader->at < reader->text.n ? reader->text.p[reader->at] : '\0';
}

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->text.n && strchr(" \t\r\n", reader->text.p[reader->at]) && peek(reader))
        reader->at++;
}

static bool take(struct reader *reader, char c)
{
    if (reader->at >= reader->text.n || reader->text.p[reader->at] != c)
        return false;
    reader->at++;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool read_hex4(struct reader *reader, uint32_t *ret)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++, reader->at++) {
        char c = peek(reader);
        uint32_t digit;
        if (is_digit(c))
            digit = (uint32_t)(c - '0');
        else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            digit = (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return false;
        value = value << 4 | digit;
    }
    *ret = value;
    return true;
}

static void add_utf8(struct buffer *buffer, uint32_t point)
{
    char bytes[4];
    size_t n = 0;
    if (point < 0x80) {
        bytes[n++] = (char)point;
    } else if (point < 0x800) {
        bytes[n++] = (char)(0xC0 | point >> 6);
        bytes[n++] = (char)(0x80 | (point & 63));
    } else if (point < 0x10000) {
        bytes[n++] = (char)(0xE0 | point >> 12);
        bytes[n++] = (char)(0x80 | (point >> 6 & 63));
        bytes[n++] = (char)(0x80 | (point & 63));
    } else {
        bytes[n++] = (char)(0xF0 | point >> 18);
        bytes[n++] = (char)(0x80 | (point >> 12 & 63));
        bytes[n++] = (char)(0x80 | (point >> 6 & 63));
        bytes[n++] = (char)(0x80 | (point & 63));
    }
    buffer_add(buffer, bytes, n);
}

/* After "\u". cJSON would end the string at a NUL, so what a check sees and what is used later could differ. */
static int read_unicode_escape(struct reader *reader, struct buffer *into)
{
    size_t from = reader->at - 2;
    uint32_t point, low;
    if (!read_hex4(reader, &point))
        return expected(reader, "four hexadecimal digits after \\u");
    if (point == 0)
        return refuse(reader, from, "\\u0000 is not allowed in texts");
    if (point >= 0xDC00 && point <= 0xDFFF)
        return refuse(reader, from, "a low surrogate without a high one before it");
    if (point >= 0xD800 && point <= 0xDBFF) {
        if (!take(reader, '\\') || !take(reader, 'u') || !read_hex4(reader, &low) || low < 0xDC00 || low > 0xDFFF)
            return refuse(reader, from, "a high surrogate without a low one after it");
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    }
    if (into)
        add_utf8(into, point);
    return 0;
}

static int read_escape(struct reader *reader, struct buffer *into)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = peek(reader);
    const char *found = c ? strchr(from, c) : NULL;
    if (c == 'u') {
        reader->at++;
        return read_unicode_escape(reader, into);
    }
    if (!found)
        return expected(reader, "one of \" \\ / b f n r t u after a backslash");
    reader->at++;
    if (into)
        buffer_add(into, &to[found - from], 1);
    return 0;
}

/* Reads a string whose opening quote is at the cursor; its content goes to <into> unless that is NULL. */
static int read_string(struct reader *reader, struct buffer *into)
{
    reader->at++;
    for (;;) {
        size_t from = reader->at;
        while (reader->at < reader->text.n && (unsigned char)reader->text.p[reader->at] >= 0x20 &&
               reader->text.p[reader->at] != '"' && reader->text.p[reader->at] != '\\')
            reader->at++;
        if (into)
            buffer_add(into, reader->text.p + from, reader->at - from);
        if (reader->at >= reader->text.n)
            return expected(reader, "'\"' at the end of a text");
        if (take(reader, '"'))
            return 0;
        if (!take(reader, '\\'))
            return refuse(reader, reader->at, "control characters in texts must be escaped");
        int failed = read_escape(reader, into);
        if (failed)
            return failed;
    }
}

static bool take_digits(struct reader *reader)
{
    size_t from = reader->at;
    while (is_digit(peek(reader)))
        reader->at++;
    return reader->at > from;
}

static int check_number(const struct reader *reader, size_t from, bool whole)
{
    char digits[NUMBER_BYTES_MAX + 1];
    size_t n = reader->at - from;
    if (n > NUMBER_BYTES_MAX)
        return refuse(reader, from, "a number of at most 60 characters is expected");
    memcpy(digits, reader->text.p + from, n);
    digits[n] = '\0';
    double value = strtod(digits, NULL);
    if (whole && fabs(value) >= (double)INTEGER_MAX) {
        int64_t exact;
        struct slice text = {digits, n};
        if (!text_parse_i64(text, -INTEGER_MAX, INTEGER_MAX, &exact))
            return refuse(reader, from, "an integer between -2^53 and 2^53 is expected");
    }
    if (!isfinite(value))
        return refuse(reader, from, "this number is larger than a double can hold");
    return 0;
}

static int read_number(struct reader *reader)
{
    size_t from = reader->at;
    bool whole = true;
    take(reader, '-');
    if (take(reader, '0')) {
        if (is_digit(peek(reader)))
            return refuse(reader, from, "a number must not begin with 0 unless a '.' follows");
    } else if (!take_digits(reader)) {
        return expected(reader, "a digit");
    }
    if (take(reader, '.')) {
        whole = false;
        if (!take_digits(reader))
            return expected(reader, "a digit after '.'");
    }
    if (take(reader, 'e') || take(reader, 'E')) {
        whole = false;
        if (!take(reader, '+'))
            take(reader, '-');
        if (!take_digits(reader))
            return expected(reader, "a digit in the exponent");
    }
    return check_number(reader, from, whole);
}

static uint32_t hash_of(struct slice key)
{
    uint32_t hash = 2166136261u; /* FNV-1a: only saves comparisons, which <keys> bounds anyway */
    for (size_t i = 0; i < key.n; i++)
        hash = (hash ^ (unsigned char)key.p[i]) * 16777619u;
    return hash;
}

/* Remembers the key just read (the end of `names`, from <name_at>) unless its object, whose keys begin at <first>, has
 * it. */
static int remember_key(struct reader *reader, size_t first, size_t name_at, size_t text_at)
{
    struct slice name = {reader->names.p + name_at, reader->names.n - name_at};
    struct key key = {.hash = hash_of(name), .at = name_at, .n = name.n};
    for (size_t i = first; i < reader->key_count; i++) {
        const struct key *other = &reader->keys[i];
        if (other->hash == key.hash && slice_equal(name, (struct slice){reader->names.p + other->at, other->n})) {
            char shown[96];
            text_printable(name, shown, sizeof(shown));
            return error_set(reader->error, ERROR_BAD_REQUEST, shown, "JSON, byte %zu: the key \"%s\" is given twice",
                             text_at, shown);
        }
    }
    if (reader->key_count - first >= reader->limits->keys)
        return error_set(reader->error, ERROR_BAD_REQUEST, NULL,
                         "JSON, byte %zu: an object of at most %zu keys is expected", text_at, reader->limits->keys);
    if (reader->key_count == reader->key_capacity) {
        reader->key_capacity = reader->key_capacity ? 2 * reader->key_capacity : 32;
        reader->keys = memory_resize(reader->keys, reader->key_capacity * sizeof(*reader->keys));
    }
    reader->keys[reader->key_count++] = key;
    return 0;
}

static int read_member(struct reader *reader, size_t first_key, size_t depth)
{
    skip_space(reader);
    size_t text_at = reader->at, name_at = reader->names.n;
    if (peek(reader) != '"')
        return expected(reader, "a key in double quotes");
    int failed = read_string(reader, &reader->names);
    if (!failed)
        buffer_add(&reader->names, NULL, 0); /* an empty first key still gives a text, not NULL */
    if (!failed)
        failed = remember_key(reader, first_key, name_at, text_at);
    if (failed)
        return failed;
    skip_space(reader);
    if (!take(reader, ':'))
        return expected(reader, "':'");
    return read_value(reader, depth);
}

static int read_object(struct reader *reader, size_t depth)
{
    size_t first_key = reader->key_count, names = reader->names.n;
    reader->at++;
    skip_space(reader);
    if (take(reader, '}'))
        return 0;
    for (;;) {
        int failed = read_member(reader, first_key, depth + 1);
        if (failed)
            return failed;
        skip_space(reader);
        if (take(reader, '}'))
            break;
        if (!take(reader, ','))
            return expected(reader, "',' or '}'");
    }
    reader->key_count = first_key;
    reader->names.n = names;
    return 0;
}

static int read_array(struct reader *reader, size_t depth)
{
    reader->at++;
    skip_space(reader);
    if (take(reader, ']'))
        return 0;
    for (;;) {
        int failed = read_value(reader, depth + 1);
        if (failed)
            return failed;
        skip_space(reader);
        if (take(reader, ']'))
            return 0;
        if (!take(reader, ','))
            return expected(reader, "',' or ']'");
    }
}

static int read_word(struct reader *reader)
{
    static const char *const words[] = {"true", "false", "null"};
    struct slice rest = slice_skip(reader->text, reader->at);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (slice_starts(rest, words[i])) {
            reader->at += strlen(words[i]);
            return 0;
        }
    }
    return expected(reader, "a value");
}

static int read_value(struct reader *reader, size_t depth)
{
    skip_space(reader);
    char c = peek(reader);
    if (++reader->values > reader->limits->values)
        return error_set(reader->error, ERROR_BAD_REQUEST, NULL, "JSON, byte %zu: at most %zu values are expected",
                         reader->at, reader->limits->values);
    if ((c == '{' || c == '[') && (depth >= reader->limits->depth || depth >= DEPTH_MAX))
        return error_set(reader->error, ERROR_BAD_REQUEST, NULL, "JSON, byte %zu: nested deeper than %zu levels",
                         reader->at, reader->limits->depth < DEPTH_MAX ? reader->limits->depth : (size_t)DEPTH_MAX);
    if (c == '{')
        return read_object(reader, depth);
    if (c == '[')
        return read_array(reader, depth);
    if (c == '"')
        return read_string(reader, NULL);
    if (c == '-' || is_digit(c))
        return read_number(reader);
    return read_word(reader);
}

/* The first byte that is not UTF-8. */
static size_t first_bad_byte(struct slice text)
{
    size_t good = 0, count = text.n; /* the longest good prefix, by halves; a cut character is bad, so step back */
    while (count > 1) {
        size_t half = count / 2, end = good + half;
        while (end > good && ((unsigned char)text.p[end] & 0xC0) == 0x80)
            end--;
        if (end > good && text_is_utf8((struct slice){text.p + good, end - good})) {
            count -= end - good;
            good = end;
        } else {
            count = half;
        }
    }
    return good;
}

static int check(struct reader *reader)
{
    if (reader->text.n > reader->limits->bytes)
        return error_set(reader->error, ERROR_TOO_LARGE, NULL, "JSON: at most %zu bytes are expected",
                         reader->limits->bytes);
    if (!text_is_utf8(reader->text))
        return refuse(reader, first_bad_byte(reader->text), "UTF-8 is expected");
    int failed = read_value(reader, 0);
    if (failed)
        return failed;
    skip_space(reader);
    return reader->at == reader->text.n ? 0 : expected(reader, "the end of the document");
}

int json_parse(struct slice text, const struct json_limits *limits, cJSON **ret, struct error *error)
{
    struct reader reader = {.text = text, .limits = limits ? limits : &json_limits_default, .error = error};
    int failed = check(&reader);
    free(reader.keys);
    buffer_free(&reader.names);
    if (failed)
        return failed;
    cJSON *tree = cJSON_ParseWithLength(text.p, text.n);
    if (!tree)
        return error_set(error, ERROR_BAD_REQUEST, NULL, "JSON: the document cannot be read");
    *ret = tree;
    return 0;
}

/* cJSON reports exhausted memory by NULL in places where nobody looks; this way it has none. */
static void *allocate(size_t size)
{
    return memory_resize(NULL, size);
}

__attribute__((constructor)) static void use_our_memory(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = allocate, .free_fn = free});
}
