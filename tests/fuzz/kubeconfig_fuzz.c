/* Whatever a kubeconfig says, it is a server that can be asked, or an error that names a field and gives no secret
 * away. */
// fuzz: base/*.c engine/kubernetes/config.c engine/kubernetes/kubeconfig.c engine/kubernetes/pem.c
#include "engine/kubernetes/config_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATH "/nowhere/at/all/config"

/* A header line is made of the token, the rest goes to libcurl and OpenSSL as it is. */
static void check(const struct kube_config *config)
{
    if (!config->server || strncmp(config->server, "https://", 8) != 0)
        abort();
    if (config->token && (!config->token[0] || strpbrk(config->token, "\r\n")))
        abort();
    if ((config->certificate != NULL) != (config->key != NULL))
        abort();
    for (char **one = config->exec_env; one && *one; one++)
        if (!strchr(*one, '='))
            abort();
    if (config->exec_command && !config->exec_api_version)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kube_config config = {0};
    struct kube_config copy = {0};
    struct error error = {0};
    int failed = kubeconfig_parse((struct slice){(const char *)data, size}, PATH, NULL, &config, &error);
    if (failed && (error.code == ERROR_NONE || !error.message[0] || !text_is_utf8(slice_of(error.message))))
        abort();
    if (!failed) {
        check(&config);
        kube_config_copy(&config, &copy);
        check(&copy);
    }
    kube_config_free(&copy);
    kube_config_free(&config);
    return 0;
}
