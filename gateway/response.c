/* What does an API handler answer? */
#include <strings.h>

#include "gateway/api.h"
#include "gateway/internal.h"
#include "gateway/reply.h"

void response_status(struct response *response, int status)
{
    response->status = status;
}

static bool is_written_here(const char *name)
{
    static const char *const ours[] = {"Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive",
                                       "Content-Type",   "X-Request-Id",      "Upgrade",    "Trailer"};
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        if (strcasecmp(ours[i], name) == 0)
            return true;
    return false;
}

static bool is_field_text(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if ((*p < ' ' && *p != '\t') || *p == 0x7f)
            return false;
    return true;
}

void response_header(struct response *response, const char *name, const char *value)
{
    /* A value that could end the line is left out whole: half of it would be somebody else's header. */
    if (!http_is_token(slice_of(name)) || !is_field_text(value))
        return;
    if (strcasecmp(name, "Content-Type") == 0) {
        snprintf(response->type, sizeof(response->type), "%s", value);
        return;
    }
    if (!is_written_here(name))
        buffer_add_format(&response->head, "%s: %s\r\n", name, value);
}

void response_body(struct response *response, const char *type, struct slice body)
{
    if (type && is_field_text(type))
        snprintf(response->type, sizeof(response->type), "%s", type);
    buffer_clear(&response->body);
    buffer_add_slice(&response->body, body);
    response->has_body = true;
}

int response_so_far(const struct response *response, struct slice *ret_body)
{
    *ret_body = buffer_slice(&response->body);
    return response->status;
}

static bool has_header(const struct buffer *head, const char *name)
{
    struct slice rest = buffer_slice(head), ignored;
    while (rest.n > 0) {
        struct slice line = slice_split(rest, '\n', &rest);
        if (slice_is_nocase(slice_split(line, ':', &ignored), name))
            return true;
    }
    return false;
}

static void add_default(struct buffer *ret, const struct buffer *head, const char *name, const char *value)
{
    if (!has_header(head, name))
        buffer_add_format(ret, "%s: %s\r\n", name, value);
}

void api_print_head(const struct api_job *job, bool stream, bool close, struct buffer *ret)
{
    const struct response *response = &job->response;
    int status = response->status;
    bool bodyless = status == 204 || status == 304;
    buffer_add_format(ret, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
    buffer_add_slice(ret, buffer_slice(&response->head));
    if (!bodyless && response->type[0])
        buffer_add_format(ret, "Content-Type: %s\r\n", response->type);
    if (stream && !job->http10)
        buffer_add_text(ret, "Transfer-Encoding: chunked\r\n");
    else if (!stream && !bodyless)
        buffer_add_format(ret, "Content-Length: %zu\r\n", response->body.n);
    buffer_add_format(ret, "X-Request-Id: %s\r\n", job->request.id);
    add_default(ret, &response->head, "X-Content-Type-Options", "nosniff");
    add_default(ret, &response->head, "Referrer-Policy", "same-origin");
    add_default(ret, &response->head, "X-Frame-Options", "SAMEORIGIN");
    add_default(ret, &response->head, "Cache-Control", "no-store");
    if (status == 401)
        add_default(ret, &response->head, "WWW-Authenticate", "Bearer realm=\"atelier\"");
    if (close)
        buffer_add_text(ret, "Connection: close\r\n");
    buffer_add_text(ret, "\r\n");
}
