/*
 * The HTTP/1.1 codec (RFC 9112, RFC 9110): strict, incremental, without allocation.
 *
 * It accepts one form of everything and refuses the rest: CRLF only, no folding, no repeated or signed lengths, no
 * transfer coding but `chunked`, no underscore in a request field's name (applications behind a gateway read X_A as
 * X-A: CVE-2025-64484). Requests and responses are held to the same rules, because upstreams run tenants' code.
 * Whatever two readers could understand differently is refused, never repaired.
 *
 * All slices point into the bytes that were parsed. Threads: any; nothing is shared.
 */
#ifndef ATELIER_GATEWAY_HTTP1_H
#define ATELIER_GATEWAY_HTTP1_H

#include <stdbool.h>

#include "base/text.h"
#include "gateway/gateway.h"
#include "gateway/limits.h"

/* Why something was refused: the status a client gets, and a sentence for it: static, or of its exchange. */
struct http_fault {
    int status;
    const char *what;
};
enum http_verdict { HTTP_MORE, HTTP_DONE, HTTP_REFUSED };

/* Finds the end of a head while it arrives. Zero-initialise; pass all bytes so far, again and again. */
struct http_scan {
    size_t at;   /* looked at so far */
    size_t line; /* where the current line begins */
};
/* DONE: *ret_bytes is the head's length with its final CRLF. Refuses bare LF and oversize as early as it can be known.
 */
enum http_verdict http_scan(struct http_scan *scan, struct slice bytes, bool request, size_t *ret_bytes,
                            struct http_fault *fault);

struct http_fields {
    struct header at[LIMIT_FIELDS];
    size_t count;
};
/* <block>: field lines, each ended by CRLF, without the empty line. <underscores>: whether names may hold '_'. */
bool http_fields_parse(struct slice block, bool underscores, struct http_fields *ret, struct http_fault *fault);
/* The first field of that name (compared without case), or NULL. */
const struct header *http_fields_find(const struct http_fields *fields, const char *name);
/* True if the comma-separated list in any field <name> has <token> (without case). */
bool http_fields_has_token(const struct http_fields *fields, const char *name, const char *token);
bool http_is_token(struct slice text); /* RFC 9110 5.6.2, not empty */

enum http_framing {
    HTTP_BODY_NONE,
    HTTP_BODY_LENGTH,
    HTTP_BODY_CHUNKED,
    HTTP_BODY_UNTIL_CLOSE /* responses only */
};

struct http_request {
    struct slice method, target; /* target as received */
    struct slice path, query;    /* of origin-form, or of absolute-form whose authority equals Host */
    bool has_query;              /* "?" was there, perhaps with nothing after it */
    struct slice host;           /* value of the one Host field */
    unsigned minor;              /* HTTP/1.<minor> */
    enum http_framing framing;
    uint64_t length;      /* HTTP_BODY_LENGTH, never 0 */
    bool keep_alive;      /* the client wants the connection to go on */
    bool expect_continue; /* and waits for 100 before it sends the body */
    bool websocket;       /* a complete RFC 6455 handshake */
    bool head, get;
    bool safe; /* GET, HEAD, OPTIONS */
    struct http_fields fields;
};
/* <head>: exactly what http_scan found. */
bool http_request_parse(struct slice head, struct http_request *ret, struct http_fault *fault);
/*
 * A head that is only asked about (check.h): a WebSocket may lack its key. One that came by HTTP/2 has none (RFC 8441
 * 5), Envoy makes a GET with Upgrade of it and adds none, and nothing is decided by it.
 */
bool http_request_parse_asked(struct slice head, struct http_request *ret, struct http_fault *fault);

struct http_response {
    int status;
    struct slice reason;
    unsigned minor;
    enum http_framing framing;
    uint64_t length;      /* HTTP_BODY_LENGTH, never 0 */
    bool length_given;    /* a Content-Length field is there (also for HEAD and 304, where no body follows) */
    uint64_t length_said; /* its value */
    bool keep_alive;
    struct http_fields fields;
};
/* <to_head>: the answer to a HEAD request, which has no body whatever it says. */
bool http_response_parse(struct slice head, bool to_head, struct http_response *ret, struct http_fault *fault);

/* --- chunked transfer coding (RFC 9112 7.1) ------------------------------------------------------------------------
 */
struct http_chunked {
    unsigned char state;
    unsigned char digits;
    unsigned short extension, trailer;
    unsigned extensions;
    uint64_t left;
};
/*
 * Decodes <bytes> in place: the payload moves to the front. *ret_payload is its length, *ret_used how many of the
 * incoming bytes belonged to the body (all, unless DONE). Extensions and trailers are checked and dropped.
 */
enum http_verdict http_chunked_decode(struct http_chunked *chunked, char *bytes, size_t count, size_t *ret_payload,
                                      size_t *ret_used, struct http_fault *fault);

#endif
