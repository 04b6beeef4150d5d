/*
 * What went wrong, as a value.
 *
 * A function that can fail returns 0 or a negative `enum error_code` (`-ERROR_NOT_FOUND`) and, when the caller passed a
 * `struct error`, leaves the detail there: which field, what was expected. A function either reports or logs, never
 * both; one place (`controlplane/reply.c`) turns an error into a response.
 *
 * Status numbers: RFC 9110; reasons: Kubernetes metav1.StatusReason.
 */
#ifndef ATELIER_BASE_ERROR_H
#define ATELIER_BASE_ERROR_H

#include <stdarg.h>
#include <stddef.h>

/* identifier, HTTP status, Kubernetes Status reason, default text */
#define ERROR_TABLE(X)                                                                                                 \
    X(BAD_REQUEST, 400, "BadRequest", "the request is malformed")                                                      \
    X(UNAUTHENTICATED, 401, "Unauthorized", "sign in or present a token")                                              \
    X(FORBIDDEN, 403, "Forbidden", "your role does not allow this")                                                    \
    X(NOT_FOUND, 404, "NotFound", "not found")                                                                         \
    X(METHOD, 405, "MethodNotAllowed", "this method is not allowed here")                                              \
    X(NOT_ACCEPTABLE, 406, "NotAcceptable", "none of the accepted media types is produced here")                       \
    X(EXISTS, 409, "AlreadyExists", "already exists")                                                                  \
    X(CONFLICT, 409, "Conflict", "the object has been changed meanwhile; read it again")                               \
    X(GONE, 410, "Expired", "that is no longer available")                                                             \
    X(TOO_LARGE, 413, "RequestEntityTooLarge", "the request is too large")                                             \
    X(MEDIA_TYPE, 415, "UnsupportedMediaType", "this content type is not understood here")                             \
    X(INVALID, 422, "Invalid", "the object is not valid")                                                              \
    X(LIMITED, 429, "TooManyRequests", "too many requests; try again later")                                           \
    X(INTERNAL, 500, "InternalError", "an internal error occurred")                                                    \
    X(NO_MEMORY, 500, "InternalError", "out of memory")                                                                \
    X(UPSTREAM, 502, "BadGateway", "the workload did not answer properly")                                             \
    X(UNAVAILABLE, 503, "ServiceUnavailable", "temporarily unavailable; try again")                                    \
    X(TIMEOUT, 504, "Timeout", "timed out")

enum error_code {
    ERROR_NONE = 0,
#define X(id, status, reason, text) ERROR_##id,
    ERROR_TABLE(X)
#undef X
        ERROR_CODE_COUNT
};

struct error {
    enum error_code code; /* ERROR_NONE until set */
    int retry_after_s;    /* 0: say nothing */
    char field[128];      /* path of the offending field, "" if none: "spec.workerGroupSpecs[0].replicas" */
    char message[768];    /* one sentence for the person who sent the request; never a secret */
};

/* Fills <error> (which may be NULL) and returns -code. <field> may be NULL. Text is truncated to fit, never fails. */
int error_set(struct error *error, enum error_code code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "<format>: " before the message already there, to carry context up once. Returns -error->code (or -INTERNAL). */
int error_wrap(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

int error_status(enum error_code code);         /* HTTP status; 500 for unknown codes */
const char *error_reason(enum error_code code); /* Kubernetes reason; static */
const char *error_text(enum error_code code);   /* default sentence; static */

#endif
