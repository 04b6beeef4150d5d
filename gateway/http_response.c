/* What does this upstream's answer say? Upstreams run tenants' code, so they are believed as little as clients. */
#include "gateway/http1.h"

static bool refuse(struct http_fault *fault, const char *what)
{
    *fault = (struct http_fault){502, what};
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool parse_status_line(struct slice line, struct http_response *ret, struct http_fault *fault)
{
    if (line.n < 12 || memcmp(line.p, "HTTP/1.", 7) != 0 || (line.p[7] != '0' && line.p[7] != '1') || line.p[8] != ' ')
        return refuse(fault, "the status line is not of HTTP/1.1");
    if (line.p[9] < '1' || line.p[9] > '5' || !is_digit(line.p[10]) || !is_digit(line.p[11]))
        return refuse(fault, "the status is not a number between 100 and 599");
    if (line.n > 12 && line.p[12] != ' ')
        return refuse(fault, "the status is not followed by a space");
    ret->minor = (unsigned)(line.p[7] - '0');
    ret->status = (line.p[9] - '0') * 100 + (line.p[10] - '0') * 10 + (line.p[11] - '0');
    ret->reason = slice_skip(line, 13);
    for (size_t i = 0; i < ret->reason.n; i++) {
        unsigned char c = (unsigned char)ret->reason.p[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return refuse(fault, "the reason phrase contains a control character");
    }
    return true;
}

static bool collect_framing(const struct http_fields *fields, const struct header **ret_length,
                            const struct header **ret_coding, struct http_fault *fault)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct header **slot = NULL;
        if (slice_is_nocase(fields->at[i].name, "Content-Length"))
            slot = ret_length;
        else if (slice_is_nocase(fields->at[i].name, "Transfer-Encoding"))
            slot = ret_coding;
        if (slot && *slot)
            return refuse(fault, "Content-Length or Transfer-Encoding is repeated");
        if (slot)
            *slot = &fields->at[i];
    }
    return true;
}

/* RFC 9112 6.3, without its leniencies. */
static bool parse_framing(bool to_head, struct http_response *ret, struct http_fault *fault)
{
    const struct header *length = NULL, *coding = NULL;
    if (!collect_framing(&ret->fields, &length, &coding, fault))
        return false;
    if (length && coding)
        return refuse(fault, "there are both Content-Length and Transfer-Encoding");
    if (coding && (ret->minor == 0 || !slice_is_nocase(coding->value, "chunked")))
        return refuse(fault, "the only Transfer-Encoding understood is chunked, in HTTP/1.1");
    int64_t said = 0;
    if (length &&
        (length->value.n == 0 || length->value.p[0] == '-' || !text_parse_i64(length->value, 0, INT64_MAX / 16, &said)))
        return refuse(fault, "Content-Length is not a decimal number");
    ret->length_given = length != NULL;
    ret->length_said = (uint64_t)said;
    bool bodyless = to_head || ret->status < 200 || ret->status == 204 || ret->status == 304;
    if (bodyless || (length && said == 0))
        ret->framing = HTTP_BODY_NONE;
    else if (coding)
        ret->framing = HTTP_BODY_CHUNKED;
    else if (length)
        ret->framing = HTTP_BODY_LENGTH;
    else
        ret->framing = HTTP_BODY_UNTIL_CLOSE;
    ret->length = ret->framing == HTTP_BODY_LENGTH ? (uint64_t)said : 0;
    return true;
}

bool http_response_parse(struct slice head, bool to_head, struct http_response *ret, struct http_fault *fault)
{
    const char *eol = memchr(head.p, '\r', head.n);
    size_t line = eol ? (size_t)(eol - head.p) : 0;
    if (!eol || head.n < line + 4 || eol[1] != '\n')
        return refuse(fault, "the status line does not end in CR LF");
    memset(ret, 0, offsetof(struct http_response, fields));
    if (!parse_status_line((struct slice){head.p, line}, ret, fault))
        return false;
    if (!http_fields_parse((struct slice){head.p + line + 2, head.n - line - 4}, true, &ret->fields, fault)) {
        fault->status = 502;
        return false;
    }
    if (!parse_framing(to_head, ret, fault))
        return false;
    bool keep = ret->minor == 1 ? !http_fields_has_token(&ret->fields, "Connection", "close")
                                : http_fields_has_token(&ret->fields, "Connection", "keep-alive");
    ret->keep_alive = keep && ret->framing != HTTP_BODY_UNTIL_CLOSE;
    return true;
}
