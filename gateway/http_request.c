/* What does this request say, if it says exactly one thing? */
#include "gateway/http1.h"

static bool refuse(struct http_fault *fault, int status, const char *what)
{
    *fault = (struct http_fault){status, what};
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool parse_method(struct slice method, struct http_request *ret, struct http_fault *fault)
{
    if (method.n == 0 || method.n > LIMIT_METHOD_BYTES)
        return refuse(fault, 400, "the method is empty or too long");
    for (size_t i = 0; i < method.n; i++)
        if ((method.p[i] < 'A' || method.p[i] > 'Z') && method.p[i] != '-')
            return refuse(fault, 400, "the method is not in upper-case letters");
    if (slice_is(method, "CONNECT") || slice_is(method, "TRACE"))
        return refuse(fault, 405, "CONNECT and TRACE are not allowed");
    ret->method = method;
    ret->get = slice_is(method, "GET");
    ret->head = slice_is(method, "HEAD");
    ret->safe = ret->get || ret->head || slice_is(method, "OPTIONS");
    return true;
}

static bool parse_version(struct slice version, struct http_request *ret, struct http_fault *fault)
{
    if (version.n != 8 || memcmp(version.p, "HTTP/", 5) != 0 || !is_digit(version.p[5]) || version.p[6] != '.' ||
        !is_digit(version.p[7]))
        return refuse(fault, 400, "the request line does not end in an HTTP version");
    if (version.p[5] != '1' || version.p[7] > '1')
        return refuse(fault, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    ret->minor = (unsigned)(version.p[7] - '0');
    return true;
}

/* origin-form, or absolute-form (RFC 9112 3.2.2) whose authority is checked against Host once that is known. */
static bool parse_target(struct slice target, struct http_request *ret, struct slice *ret_authority,
                         struct http_fault *fault)
{
    if (target.n == 0)
        return refuse(fault, 400, "the request target is empty");
    if (target.n > LIMIT_TARGET_BYTES)
        return refuse(fault, 414, "the request target is longer than 8 KiB");
    for (size_t i = 0; i < target.n; i++)
        if (target.p[i] <= ' ' || target.p[i] >= 0x7f || target.p[i] == '#')
            return refuse(fault, 400, "the request target contains a character that must be percent-encoded");
    ret->target = target;
    struct slice rest = target;
    *ret_authority = (struct slice){NULL, 0};
    if (target.p[0] != '/') {
        if (slice_starts(target, "http://"))
            rest = slice_skip(target, 7);
        else if (slice_starts(target, "https://"))
            rest = slice_skip(target, 8);
        else
            return refuse(fault, 400, "the request target does not begin with a slash");
        size_t length = 0;
        while (length < rest.n && rest.p[length] != '/' && rest.p[length] != '?')
            length++;
        *ret_authority = (struct slice){rest.p, length};
        rest = slice_skip(rest, length);
        if (length == 0 || rest.n == 0 || rest.p[0] != '/')
            return refuse(fault, 400, "the request target has no host or no path");
    }
    const char *question = memchr(rest.p, '?', rest.n);
    ret->has_query = question != NULL;
    ret->path = question ? (struct slice){rest.p, (size_t)(question - rest.p)} : rest;
    ret->query = question ? slice_skip(rest, ret->path.n + 1) : (struct slice){rest.p + rest.n, 0};
    return true;
}

static bool parse_request_line(struct slice line, struct http_request *ret, struct slice *ret_authority,
                               struct http_fault *fault)
{
    const char *first = memchr(line.p, ' ', line.n);
    const char *last = first ? memrchr(line.p, ' ', line.n) : NULL;
    if (!first || first == last)
        return refuse(fault, 400, "the request line is not \"METHOD target HTTP/1.1\"");
    return parse_method((struct slice){line.p, (size_t)(first - line.p)}, ret, fault) &&
           parse_version((struct slice){last + 1, (size_t)(line.p + line.n - last - 1)}, ret, fault) &&
           parse_target((struct slice){first + 1, (size_t)(last - first - 1)}, ret, ret_authority, fault);
}

/* The fields that decide what the message is; each may occur once (Connection may repeat). */
struct special {
    const struct header *host, *length, *coding, *expect, *upgrade, *key, *version, *authorization;
};

static bool note(const struct header **slot, const struct header *field, struct http_fault *fault, const char *what)
{
    if (*slot)
        return refuse(fault, 400, what);
    *slot = field;
    return true;
}

static bool collect_special(const struct http_fields *fields, struct special *ret, struct http_fault *fault)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct header *field = &fields->at[i];
        bool good = true;
        switch (field->name.n) {
        case 4:
            if (slice_is_nocase(field->name, "Host"))
                good = note(&ret->host, field, fault, "there is more than one Host");
            break;
        case 6:
            if (slice_is_nocase(field->name, "Expect"))
                good = note(&ret->expect, field, fault, "there is more than one Expect");
            break;
        case 7:
            if (slice_is_nocase(field->name, "Upgrade"))
                good = note(&ret->upgrade, field, fault, "there is more than one Upgrade");
            break;
        case 13:
            if (slice_is_nocase(field->name, "Authorization"))
                good = note(&ret->authorization, field, fault, "there is more than one Authorization");
            break;
        case 14:
            if (slice_is_nocase(field->name, "Content-Length"))
                good = note(&ret->length, field, fault, "there is more than one Content-Length");
            break;
        case 17:
            if (slice_is_nocase(field->name, "Transfer-Encoding"))
                good = note(&ret->coding, field, fault, "there is more than one Transfer-Encoding");
            else if (slice_is_nocase(field->name, "Sec-WebSocket-Key"))
                good = note(&ret->key, field, fault, "there is more than one Sec-WebSocket-Key");
            break;
        case 21:
            if (slice_is_nocase(field->name, "Sec-WebSocket-Version"))
                good = note(&ret->version, field, fault, "there is more than one Sec-WebSocket-Version");
            break;
        default:
            break;
        }
        if (!good)
            return false;
    }
    return true;
}

static bool parse_framing(const struct special *special, struct http_request *ret, struct http_fault *fault)
{
    if (special->coding) {
        if (special->length)
            return refuse(fault, 400, "there are both Content-Length and Transfer-Encoding");
        if (ret->minor == 0)
            return refuse(fault, 400, "Transfer-Encoding does not exist in HTTP/1.0");
        if (!slice_is_nocase(special->coding->value, "chunked"))
            return refuse(fault, 400, "the only Transfer-Encoding understood is chunked");
        ret->framing = HTTP_BODY_CHUNKED;
        return true;
    }
    if (special->length) {
        int64_t length;
        if (special->length->value.n == 0 || special->length->value.p[0] == '-' ||
            !text_parse_i64(special->length->value, 0, INT64_MAX / 16, &length))
            return refuse(fault, 400, "Content-Length is not a decimal number");
        ret->length = (uint64_t)length;
        ret->framing = length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
    }
    return true;
}

static bool is_websocket_key(struct slice key)
{
    struct buffer decoded = {0};
    bool good = key.n == 24 && text_unbase64(key, &decoded) && decoded.n == 16;
    buffer_free(&decoded);
    return good;
}

/*
 * Exactly a WebSocket handshake (RFC 6455 4.1), or nothing. Other Upgrade values are ignored, which RFC 9110 7.8
 * permits, and never forwarded (h2c: attack 11); half a WebSocket handshake is refused, lest two readers take it
 * differently.
 */
static bool parse_upgrade(const struct special *special, bool key_expected, struct http_request *ret,
                          struct http_fault *fault)
{
    bool asked = special->upgrade && http_fields_has_token(&ret->fields, "Upgrade", "websocket");
    if (!asked)
        return !special->key || refuse(fault, 400, "Sec-WebSocket-Key without Upgrade: websocket");
    if (!slice_is_nocase(special->upgrade->value, "websocket"))
        return refuse(fault, 400, "Upgrade names more than websocket");
    if (!http_fields_has_token(&ret->fields, "Connection", "upgrade"))
        return refuse(fault, 400, "Upgrade without Connection: Upgrade");
    if (!ret->get || ret->minor == 0 || ret->framing != HTTP_BODY_NONE)
        return refuse(fault, 400, "a WebSocket begins with a GET in HTTP/1.1 without a body");
    if (!special->version || !slice_is(special->version->value, "13"))
        return refuse(fault, 426, "only version 13 of WebSocket is spoken here");
    if (special->key ? !is_websocket_key(special->key->value) : key_expected)
        return refuse(fault, 400, "Sec-WebSocket-Key is not 16 bytes in base64");
    ret->websocket = true;
    return true;
}

static bool equal_nocase(struct slice a, struct slice b)
{
    return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

static bool parse(struct slice head, bool key_expected, struct http_request *ret, struct http_fault *fault)
{
    const char *eol = memchr(head.p, '\r', head.n);
    size_t line = eol ? (size_t)(eol - head.p) : 0;
    if (!eol || head.n < line + 4 || eol[1] != '\n')
        return refuse(fault, 400, "the request line does not end in CR LF");
    /* Everything but the array of fields, which is filled up to its count. */
    memset(ret, 0, offsetof(struct http_request, fields));
    struct slice authority;
    struct special special = {0};
    struct slice block = {head.p + line + 2, head.n - line - 4};
    if (!parse_request_line((struct slice){head.p, line}, ret, &authority, fault) ||
        !http_fields_parse(block, false, &ret->fields, fault) || !collect_special(&ret->fields, &special, fault) ||
        !parse_framing(&special, ret, fault))
        return false;
    if (!special.host)
        return refuse(fault, 400, "there is no Host");
    ret->host = special.host->value;
    if (authority.n > 0 && !equal_nocase(authority, ret->host))
        return refuse(fault, 400, "the host of the request target is not the one in Host");
    if (special.expect && (ret->minor == 0 || !slice_is_nocase(special.expect->value, "100-continue")))
        return refuse(fault, 417, "the only expectation understood is 100-continue");
    ret->expect_continue = special.expect && ret->framing != HTTP_BODY_NONE;
    ret->keep_alive = ret->minor == 1 && !http_fields_has_token(&ret->fields, "Connection", "close");
    return parse_upgrade(&special, key_expected, ret, fault);
}

bool http_request_parse(struct slice head, struct http_request *ret, struct http_fault *fault)
{
    return parse(head, true, ret, fault);
}

bool http_request_parse_asked(struct slice head, struct http_request *ret, struct http_fault *fault)
{
    return parse(head, false, ret, fault);
}
