/* Which request does Envoy ask about by gRPC, and how is it answered? */
#include "gateway/check_message.h"

#include "base/protobuf.h"
#include "gateway/grpc_status.h"

/* Numbers of fields, by message. */
enum { CHECK_REQUEST_ATTRIBUTES = 1 };
enum { ATTRIBUTES_REQUEST = 4 };
enum { REQUEST_HTTP = 2 };
enum {
    HTTP_METHOD = 2,
    HTTP_HEADERS = 3, /* map<string, string> */
    HTTP_PATH = 4,
    HTTP_HOST = 5,
    HTTP_SCHEME = 6,
    HTTP_HEADER_MAP = 13 /* instead of HEADERS with encode_raw_headers */
};
enum { HEADER_MAP_HEADERS = 1 };
enum {
    HEADER_VALUE_KEY = 1,
    HEADER_VALUE_VALUE = 2,
    HEADER_VALUE_RAW_VALUE = 3
}; /* a map's entries have 1 and 2, too */

enum { CHECK_RESPONSE_STATUS = 1, CHECK_RESPONSE_DENIED = 2, CHECK_RESPONSE_OK = 3 };
enum { STATUS_CODE = 1 };
enum { OK_HEADERS = 2, OK_HEADERS_TO_REMOVE = 5 };
enum { DENIED_STATUS = 1, DENIED_HEADERS = 2, DENIED_BODY = 3 };
enum { HTTP_STATUS_CODE = 1 };
enum { HEADER_OPTION_HEADER = 1, HEADER_OPTION_APPEND_ACTION = 3 };
enum append_action { APPEND_IF_EXISTS_OR_ADD = 0, OVERWRITE_IF_EXISTS_OR_ADD = 2 };

/* --- the request -------------------------------------------------------------------------------------------------- */

static const char *const decisive[] = {
    "authorization", "cookie",         "x-forwarded-proto", "accept",
    "origin",        "sec-fetch-site", "sec-fetch-mode",    "x-atelier-csrf",
    "connection",    "upgrade",        "sec-websocket-key", "sec-websocket-version",
};

struct asked {
    struct slice method, path, host, scheme, header_map; /* NULL: absent */
    bool has_headers;
    bool says_proto; /* X-Forwarded-Proto is among the fields */
};

static bool refuse(const char **ret_why, const char *why)
{
    *ret_why = why;
    return false;
}

/* A second one would be what another reader takes. */
static bool keep(struct slice *slot, const struct protobuf_field *field, const char **ret_why)
{
    if (!field->delimited || slot->p)
        return refuse(ret_why, "a field of CheckRequest is of another type, or repeated");
    *slot = field->bytes;
    return true;
}

/* The one message in field <number>. */
static bool enter(struct slice message, unsigned number, struct slice *ret, const char **ret_why)
{
    struct protobuf_field field;
    bool end = false;
    *ret = (struct slice){NULL, 0};
    while (protobuf_next(&message, &field, &end) && !end)
        if (field.number == number && !keep(ret, &field, ret_why))
            return false;
    if (!end)
        return refuse(ret_why, "CheckRequest is malformed");
    return ret->p ||
           refuse(ret_why, "CheckRequest has no attributes.request.http: only HTTP requests are decided here");
}

static bool take_http(struct slice http, struct asked *ret, const char **ret_why)
{
    struct protobuf_field field;
    bool end = false, good = true;
    while (good && protobuf_next(&http, &field, &end) && !end) {
        if (field.number == HTTP_METHOD)
            good = keep(&ret->method, &field, ret_why);
        else if (field.number == HTTP_PATH)
            good = keep(&ret->path, &field, ret_why);
        else if (field.number == HTTP_HOST)
            good = keep(&ret->host, &field, ret_why);
        else if (field.number == HTTP_SCHEME)
            good = keep(&ret->scheme, &field, ret_why);
        else if (field.number == HTTP_HEADER_MAP)
            good = keep(&ret->header_map, &field, ret_why);
        else if (field.number == HTTP_HEADERS)
            ret->has_headers = true;
    }
    if (good && !end)
        return refuse(ret_why, "attributes.request.http is malformed");
    if (good && ret->has_headers && ret->header_map.p)
        return refuse(ret_why, "attributes.request.http has both headers and header_map");
    return good;
}

/* What would end its line begins one that nobody has asked about. */
static bool add_text(struct buffer *head, struct slice text, const char **ret_why)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\r' || text.p[i] == '\n' || text.p[i] == '\0')
            return refuse(ret_why, "attributes.request.http holds a line end or NUL");
    buffer_add_slice(head, text);
    return true;
}

static bool add_line(struct buffer *head, const char *name, struct slice value, const char **ret_why)
{
    buffer_add_text(head, name);
    buffer_add_text(head, ": ");
    bool good = add_text(head, value, ret_why);
    buffer_add_text(head, "\r\n");
    return good;
}

/* An entry of either form. */
static bool add_header(struct buffer *head, struct slice entry, struct asked *asked, const char **ret_why)
{
    struct slice key, value, raw;
    if (!protobuf_bytes(entry, HEADER_VALUE_KEY, &key) || !protobuf_bytes(entry, HEADER_VALUE_VALUE, &value) ||
        !protobuf_bytes(entry, HEADER_VALUE_RAW_VALUE, &raw))
        return refuse(ret_why, "a header of attributes.request.http is malformed");
    if (value.n > 0 && raw.n > 0)
        return refuse(ret_why, "a header of attributes.request.http has both value and raw_value");
    for (size_t i = 0; i < COUNT_OF(decisive); i++) {
        if (!slice_is_nocase(key, decisive[i]))
            continue;
        asked->says_proto = asked->says_proto || slice_is_nocase(key, "x-forwarded-proto");
        return add_line(head, decisive[i], raw.n > 0 ? raw : value, ret_why);
    }
    return true;
}

static bool add_headers(struct buffer *head, struct slice message, unsigned number, struct asked *asked,
                        const char **ret_why)
{
    struct protobuf_field field;
    bool end = false;
    while (protobuf_next(&message, &field, &end) && !end) {
        if (field.number != number)
            continue;
        if (!field.delimited)
            return refuse(ret_why, "a header of attributes.request.http is of another type");
        if (!add_header(head, field.bytes, asked, ret_why))
            return false;
    }
    return end || refuse(ret_why, "attributes.request.http.header_map is malformed");
}

bool check_request_read(struct slice message, struct buffer *head, const char **ret_why)
{
    struct slice attributes, request, http;
    struct asked asked = {0};
    if (!enter(message, CHECK_REQUEST_ATTRIBUTES, &attributes, ret_why) ||
        !enter(attributes, ATTRIBUTES_REQUEST, &request, ret_why) || !enter(request, REQUEST_HTTP, &http, ret_why) ||
        !take_http(http, &asked, ret_why) || !add_text(head, asked.method, ret_why))
        return false;
    buffer_add_text(head, " ");
    if (!add_text(head, asked.path, ret_why))
        return false;
    buffer_add_text(head, " HTTP/1.1\r\n");
    bool raw = asked.header_map.p != NULL;
    if (!add_line(head, "host", asked.host, ret_why) ||
        !add_headers(head, raw ? asked.header_map : http, raw ? HEADER_MAP_HEADERS : HTTP_HEADERS, &asked, ret_why))
        return false;
    if (!asked.says_proto && asked.scheme.n > 0 && !add_line(head, "x-forwarded-proto", asked.scheme, ret_why))
        return false;
    buffer_add_text(head, "\r\n");
    return true;
}

/* --- the response ------------------------------------------------------------------------------------------------- */

static void add_message(struct buffer *ret, unsigned number, const struct buffer *message)
{
    protobuf_add_bytes(ret, number, buffer_slice(message));
}

static void add_status(struct buffer *ret, enum grpc_status status)
{
    AUTO_BUFFER struct buffer message = {0};
    if (status != GRPC_OK)
        protobuf_add_number(&message, STATUS_CODE, status);
    add_message(ret, CHECK_RESPONSE_STATUS, &message);
}

static void add_option(struct buffer *ret, unsigned number, struct slice name, struct slice value,
                       enum append_action action)
{
    AUTO_BUFFER struct buffer header = {0};
    AUTO_BUFFER struct buffer option = {0};
    protobuf_add_bytes(&header, HEADER_VALUE_KEY, name);
    protobuf_add_bytes(&header, HEADER_VALUE_VALUE, value);
    add_message(&option, HEADER_OPTION_HEADER, &header);
    protobuf_add_number(&option, HEADER_OPTION_APPEND_ACTION, action);
    add_message(ret, number, &option);
}

void check_response_pass(struct slice user, struct buffer *ret)
{
    /* Applications read these as the same name (CVE-2025-64484). */
    static const char *const spellings[] = {"x_atelier_user", "x-atelier_user", "x_atelier-user"};
    AUTO_BUFFER struct buffer ok = {0};
    if (user.n > 0)
        add_option(&ok, OK_HEADERS, SLICE("x-atelier-user"), user, OVERWRITE_IF_EXISTS_OR_ADD);
    else
        protobuf_add_bytes(&ok, OK_HEADERS_TO_REMOVE, SLICE("x-atelier-user"));
    for (size_t i = 0; i < COUNT_OF(spellings); i++)
        protobuf_add_bytes(&ok, OK_HEADERS_TO_REMOVE, slice_of(spellings[i]));
    add_status(ret, GRPC_OK);
    add_message(ret, CHECK_RESPONSE_OK, &ok);
}

/* Of this connection, or for the proxy to write. */
static bool is_framing(struct slice name)
{
    static const char *const names[] = {"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (slice_is_nocase(name, names[i]))
            return true;
    return false;
}

static void add_denied_header(struct buffer *ret, const struct header *field)
{
    AUTO_BUFFER struct buffer name = {0};
    for (size_t i = 0; i < field->name.n; i++) {
        char c = field->name.p[i];
        c = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        buffer_add(&name, &c, 1);
    }
    bool repeats = slice_is_nocase(field->name, "Set-Cookie");
    add_option(ret, DENIED_HEADERS, buffer_slice(&name), field->value,
               repeats ? APPEND_IF_EXISTS_OR_ADD : OVERWRITE_IF_EXISTS_OR_ADD);
}

void check_response_deny(const struct http_response *response, struct slice body, struct buffer *ret)
{
    AUTO_BUFFER struct buffer denied = {0};
    AUTO_BUFFER struct buffer status = {0};
    protobuf_add_number(&status, HTTP_STATUS_CODE, (uint64_t)response->status);
    add_message(&denied, DENIED_STATUS, &status);
    for (size_t i = 0; i < response->fields.count; i++)
        if (!is_framing(response->fields.at[i].name))
            add_denied_header(&denied, &response->fields.at[i]);
    protobuf_add_bytes(&denied, DENIED_BODY, body);
    add_status(ret, response->status == 401 ? GRPC_UNAUTHENTICATED : GRPC_PERMISSION_DENIED);
    add_message(ret, CHECK_RESPONSE_DENIED, &denied);
}
