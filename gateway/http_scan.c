/* Is the head of this message complete, and can it still become an acceptable one? */
#include "gateway/http1.h"

static enum http_verdict refuse(struct http_fault *fault, int status, const char *what)
{
    *fault = (struct http_fault){status, what};
    return HTTP_REFUSED;
}

/* What is refused before a whole line has come: a TLS hello on the plain port, a first line that never ends. */
static enum http_verdict check_partial(const struct http_scan *scan, struct slice bytes, bool request,
                                       struct http_fault *fault)
{
    if (request && scan->line == 0 && bytes.n > 0 && (bytes.p[0] < 'A' || bytes.p[0] > 'Z'))
        return refuse(fault, 400, "the request does not begin with a method");
    if (request && scan->line == 0 && bytes.n > LIMIT_METHOD_BYTES && !memchr(bytes.p, ' ', LIMIT_METHOD_BYTES + 1))
        return refuse(fault, 400, "the method is too long");
    if (request && scan->line == 0 && bytes.n > LIMIT_TARGET_BYTES + LIMIT_METHOD_BYTES + sizeof(" HTTP/1.1\r\n"))
        return refuse(fault, 414, "the request target is longer than 8 KiB");
    if (bytes.n > LIMIT_HEAD_BYTES)
        return refuse(fault, 431, "the headers are larger than 16 KiB");
    return HTTP_MORE;
}

enum http_verdict http_scan(struct http_scan *scan, struct slice bytes, bool request, size_t *ret_bytes,
                            struct http_fault *fault)
{
    while (scan->at < bytes.n) {
        const char *lf = memchr(bytes.p + scan->at, '\n', bytes.n - scan->at);
        if (!lf) {
            scan->at = bytes.n;
            break;
        }
        size_t end = (size_t)(lf - bytes.p);
        if (end == scan->line || lf[-1] != '\r')
            return refuse(fault, 400, "a line ends in a bare LF");
        scan->at = end + 1;
        if (end - scan->line == 1) {
            if (scan->line == 0)
                return refuse(fault, 400, "the message begins with an empty line");
            if (scan->at > LIMIT_HEAD_BYTES)
                return refuse(fault, 431, "the headers are larger than 16 KiB");
            *ret_bytes = scan->at;
            return HTTP_DONE;
        }
        scan->line = scan->at;
    }
    return check_partial(scan, bytes, request, fault);
}
