/* What does a workload's own API say? */
#include "tenancy/ask.h"

#include "base/fetch.h"

/* The whole header line; the caller wipes it. NULL while there is no credential that can stand in one. */
static char *header_line(const struct ask *ask)
{
    AUTO_JSON cJSON *secret = NULL;
    struct buffer token = {0};
    bool clean = engine_get(ask->engine, KIND_SECRET, ask->namespace, ask->secret, &secret, NULL) == 0 &&
                 text_unbase64(slice_of(json_text_or("", secret, "data", ask->key, NULL)), &token) && token.n;
    for (size_t i = 0; clean && i < token.n; i++)
        clean = token.p[i] > ' ' && token.p[i] < 0x7f;
    char *line = clean ? memory_format("%s%s", ask->header, token.p) : NULL;
    if (token.p)
        memory_wipe(token.p, token.n);
    buffer_free(&token);
    return line;
}

int ask_json(const struct ask *ask, const char *path, int *ret_status, cJSON **ret, struct error *error)
{
    AUTO_CLOSE int fd = -1;
    char *line = header_line(ask);
    *ret_status = 0;
    if (!line)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the Secret %s is not there yet", ask->secret);
    int r = engine_dial(ask->engine, ask->namespace, ask->service, ask->port, &fd, error);
    if (r == 0) {
        const struct fetch fetch = {
            .fd = fd, .path = path, .header = line, .timeout_ms = ASK_MS, .bytes_max = ASK_BYTES};
        r = fetch_json(&fetch, ret_status, ret, error);
    }
    memory_wipe(line, strlen(line));
    free(line);
    return r;
}
