/* Are these header lines well-formed, and what do they say? */
#include "gateway/http1.h"

/* Bit 0: may stand in a token (RFC 9110 5.6.2). Bit 1: may stand in a field value (5.5: VCHAR, SP, HTAB, obs-text). */
enum { TOKEN = 1, VALUE = 2 };
static const unsigned char classes[256] = {
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['!'] = TOKEN | VALUE,
    ['"'] = VALUE,
    ['#' ... '\''] = TOKEN | VALUE,
    ['(' ... ')'] = VALUE,
    ['*' ... '+'] = TOKEN | VALUE,
    [','] = VALUE,
    ['-' ... '.'] = TOKEN | VALUE,
    ['/'] = VALUE,
    ['0' ... '9'] = TOKEN | VALUE,
    [':' ... '@'] = VALUE,
    ['A' ... 'Z'] = TOKEN | VALUE,
    ['[' ... ']'] = VALUE,
    ['^' ... 'z'] = TOKEN | VALUE,
    ['{'] = VALUE,
    ['|'] = TOKEN | VALUE,
    ['}'] = VALUE,
    ['~'] = TOKEN | VALUE,
    [0x80 ... 0xff] = VALUE,
};

bool http_is_token(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!(classes[(unsigned char)text.p[i]] & TOKEN))
            return false;
    return text.n > 0;
}

static bool refuse(struct http_fault *fault, int status, const char *what)
{
    *fault = (struct http_fault){status, what};
    return false;
}

static bool parse_line(struct slice line, bool underscores, struct header *ret, struct http_fault *fault)
{
    size_t colon = 0;
    while (colon < line.n && classes[(unsigned char)line.p[colon]] & TOKEN) {
        if (line.p[colon] == '_' && !underscores)
            return refuse(fault, 400, "a header name contains an underscore");
        colon++;
    }
    if (colon == line.n || line.p[colon] != ':')
        return refuse(fault, 400, "a header line is not of the form \"Name: value\"");
    if (colon == 0)
        return refuse(fault, 400, "a header has no name");
    ret->name = (struct slice){line.p, colon};
    ret->value = slice_trim(slice_skip(line, colon + 1));
    for (size_t i = 0; i < ret->value.n; i++)
        if (!(classes[(unsigned char)ret->value.p[i]] & VALUE))
            return refuse(fault, 400, "a header value contains a control character");
    return true;
}

bool http_fields_parse(struct slice block, bool underscores, struct http_fields *ret, struct http_fault *fault)
{
    ret->count = 0;
    while (block.n > 0) {
        const char *end = memchr(block.p, '\n', block.n);
        size_t length = end ? (size_t)(end - block.p) : 0;
        if (!end || length < 1 || end[-1] != '\r')
            return refuse(fault, 400, "a header line does not end in CR LF");
        if (ret->count == LIMIT_FIELDS)
            return refuse(fault, 431, "there are more than 100 headers");
        if (!parse_line((struct slice){block.p, length - 1}, underscores, &ret->at[ret->count], fault))
            return false;
        ret->count++;
        block = slice_skip(block, length + 1);
    }
    return true;
}

const struct header *http_fields_find(const struct http_fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->count; i++)
        if (slice_is_nocase(fields->at[i].name, name))
            return &fields->at[i];
    return NULL;
}

bool http_fields_has_token(const struct http_fields *fields, const char *name, const char *token)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (!slice_is_nocase(fields->at[i].name, name))
            continue;
        for (struct slice rest = fields->at[i].value, one; rest.n > 0;) {
            one = slice_trim(slice_split(rest, ',', &rest));
            if (slice_is_nocase(one, token))
                return true;
        }
    }
    return false;
}
