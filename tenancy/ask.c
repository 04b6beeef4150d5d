/* What does a workload's own API say? */
#include "tenancy/ask.h"

#include "base/fetch.h"

/* The whole header line; the caller wipes it. NULL while there is no credential that can stand in one. */
static char *header_line(const struct ask *ask)
{
    AUTO_JSON cJSON *secret = NULL;
    return engine_get(ask->engine, KIND_SECRET, ask->namespace, ask->secret, &secret, NULL) == 0
               ? text_secret_line(ask->header, json_text(secret, "data", ask->key, NULL))
               : NULL;
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
        const struct fetch fetch = {.fd = fd,
                                    .path = path,
                                    .header = line,
                                    .timeout_ms = ASK_MS,
                                    .bytes_max = ask->bytes_max ? ask->bytes_max : ASK_BYTES};
        r = fetch_json(&fetch, ret_status, ret, error);
    }
    memory_wipe(line, strlen(line));
    free(line);
    return r;
}
