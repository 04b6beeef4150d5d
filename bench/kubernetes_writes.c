/* How many objects does this API server create in a second, whoever asks? kubernetes_writes KUBECONFIG NAMESPACE COUNT
 * THREADS */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "engine/kubernetes/client.h"

static struct kube_client *client;
static char *target;
static int64_t count;
static _Atomic int64_t next, failed;

/* A RoleBinding, as most of what a profile consists of: it is checked against the caller's own rights. */
static void create(int64_t number)
{
    struct error error = {0};
    AUTO_FREE char *body = memory_format(
        "{\"apiVersion\":\"rbac.authorization.k8s.io/"
        "v1\",\"kind\":\"RoleBinding\",\"metadata\":{\"name\":\"raw-%lld\"},"
        "\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"view\"},"
        "\"subjects\":[{\"kind\":\"User\",\"apiGroup\":\"rbac.authorization.k8s.io\",\"name\":\"alice@example.com\"}]}",
        (long long)number);
    const struct kube_request request = {
        .method = "POST", .target = target, .content_type = "application/json", .body = slice_of(body)};
    if (kube_call(client, &request, NULL, &error) < 0 && atomic_fetch_add(&failed, 1) == 0)
        fprintf(stderr, "%s\n", error.message);
}

static void *run(void *context)
{
    int64_t number;
    while ((number = atomic_fetch_add(&next, 1)) < count)
        create(number);
    return context;
}

int main(int argument_count, char **arguments)
{
    struct kube_config config = {0};
    struct error error = {0};
    pthread_t threads[256];
    int64_t thread_count;
    if (argument_count != 5 || !text_parse_i64(slice_of(arguments[3]), 1, 1000000, &count) ||
        !text_parse_i64(slice_of(arguments[4]), 1, 256, &thread_count)) {
        fprintf(stderr, "usage: kubernetes_writes KUBECONFIG NAMESPACE COUNT THREADS\n");
        return 2;
    }
    if (kube_config_load(arguments[1], "", &config, &error) < 0 || kube_client_new(&config, &client, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    kube_config_free(&config);
    target = memory_format("/apis/rbac.authorization.k8s.io/v1/namespaces/%s/rolebindings", arguments[2]);
    int64_t began_ms = clock_monotonic_ms();
    for (int64_t i = 0; i < thread_count; i++)
        if (pthread_create(&threads[i], NULL, run, NULL) != 0)
            return 1;
    for (int64_t i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    int64_t took_ms = clock_monotonic_ms() - began_ms;
    printf("%.0f\n", (double)(count - failed) * 1000.0 / (double)(took_ms ? took_ms : 1));
    kube_client_free(client);
    free(target);
    return failed ? 1 : 0;
}
