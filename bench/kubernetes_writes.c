/* How many writes a second does this API server take, whoever asks? */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "engine/kubernetes/client.h"

#define USAGE                                                                                                          \
    "usage: kubernetes_writes KUBECONFIG TEMPLATE COUNT THREADS\n"                                                     \
    "COUNT times the writes of TEMPLATE, a line each: method, path and JSON, with tabs between, and \"~\" for the "    \
    "number\nof the time. Those of one time follow each other; THREADS times go on at once. Prints writes a second.\n"
#define WRITES_MAX 64
#define TEMPLATE_MAX (1 << 20)

struct write {
    struct slice method, target, body;
};
static struct kube_client *client;
static struct write writes[WRITES_MAX];
static size_t write_count;
static int64_t times;
static _Atomic int64_t next, written;

static char *fill(struct slice text, int64_t number)
{
    struct buffer filled = {0};
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '~')
            buffer_add_format(&filled, "%lld", (long long)number);
        else
            buffer_add(&filled, &text.p[i], 1);
    }
    return buffer_take(&filled);
}

static void send(const struct write *write, int64_t number)
{
    struct error error = {0};
    AUTO_FREE char *method = fill(write->method, number);
    AUTO_FREE char *target = fill(write->target, number);
    AUTO_FREE char *body = fill(write->body, number);
    bool applied = strcmp(method, "PATCH") == 0;
    const struct kube_request request = {.method = method,
                                         .target = target,
                                         .content_type = applied ? "application/apply-patch+yaml" : "application/json",
                                         .body = slice_of(body)};
    if (kube_call(client, &request, NULL, &error) == 0)
        atomic_fetch_add(&written, 1);
    else
        fprintf(stderr, "%s: %s\n", target, error.message);
}

static void *run(void *context)
{
    int64_t number;
    while ((number = atomic_fetch_add(&next, 1)) < times)
        for (size_t i = 0; i < write_count; i++)
            send(&writes[i], number);
    return context;
}

static bool read_template(struct slice text)
{
    while (text.n && write_count < WRITES_MAX) {
        struct slice line = slice_split(text, '\n', &text);
        struct write *write = &writes[write_count++];
        write->method = slice_split(line, '\t', &line);
        write->target = slice_split(line, '\t', &write->body);
        if (!write->body.n)
            return false;
    }
    return write_count > 0 && !text.n;
}

int main(int argument_count, char **arguments)
{
    struct kube_config config = {0};
    struct error error = {0};
    AUTO_BUFFER struct buffer template = {0};
    pthread_t threads[256];
    int64_t thread_count;
    if (argument_count != 5 || !text_parse_i64(slice_of(arguments[3]), 1, 1000000, &times) ||
        !text_parse_i64(slice_of(arguments[4]), 1, 256, &thread_count)) {
        fputs(USAGE, stderr);
        return 2;
    }
    if (file_read(arguments[2], TEMPLATE_MAX, &template, &error) < 0 ||
        kube_config_load(arguments[1], "", &config, &error) < 0 || kube_client_new(&config, &client, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    kube_config_free(&config);
    if (!read_template(buffer_slice(&template))) {
        fputs(USAGE, stderr);
        return 2;
    }
    int64_t began_ms = clock_monotonic_ms();
    for (int64_t i = 0; i < thread_count; i++)
        if (pthread_create(&threads[i], NULL, run, NULL) != 0)
            return 1;
    for (int64_t i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    int64_t took_ms = clock_monotonic_ms() - began_ms;
    printf("%.0f\n", (double)written * 1000.0 / (double)(took_ms ? took_ms : 1));
    kube_client_free(client);
    return (size_t)written == (size_t)times * write_count ? 0 : 1;
}
