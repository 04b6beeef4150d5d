/* Which API server, and with which credentials? */
#include "engine/kubernetes/config_internal.h"

#include "base/file.h"
#include "engine/kubernetes/pem.h"

/* --- values ------------------------------------------------------------------------------------------------------- */

static bool is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == ':' || c == '[' || c == ']' || c == '%';
}

static bool is_path_byte(char c)
{
    return is_host_byte(c) || c == '/' || c == '~' || c == '!' || c == '$' || c == '&' || c == '+' || c == ',' ||
           c == ';' || c == '=' || c == '@';
}

int kube_config_server(const char *url, const char *field, char **ret, struct error *error)
{
    static const char scheme[] = "https://";
    struct slice rest = slice_of(url);
    bool good = slice_starts(rest, scheme);
    rest = slice_skip(rest, sizeof(scheme) - 1);
    struct slice path, host = slice_split(rest, '/', &path);
    good = good && host.n > 0 && rest.n <= 2048;
    for (size_t i = 0; good && i < rest.n; i++)
        good = i < host.n ? is_host_byte(rest.p[i]) : is_path_byte(rest.p[i]);
    if (!good)
        return error_set(error, ERROR_INVALID, field, "%s must be an https URL (https://host[:port][/path])", field);
    while (rest.n && rest.p[rest.n - 1] == '/')
        rest.n--;
    *ret = memory_format("%s%.*s", scheme, (int)rest.n, rest.p);
    return 0;
}

int kube_config_file(const char *path, size_t max, const char *field, char **ret, struct error *error)
{
    AUTO_BUFFER struct buffer text = {0};
    struct error detail = {0};
    if (file_read(path, max, &text, &detail) < 0)
        return error_set(error, ERROR_INVALID, field, "%s: %s", field, detail.message);
    if (text.n == 0 || memchr(text.p, '\0', text.n))
        return error_set(error, ERROR_INVALID, field, "%s: %s must hold text", field, path);
    *ret = buffer_take(&text);
    return 0;
}

/* --- in-cluster --------------------------------------------------------------------------------------------------- */

/* A Service's address: an IPv6 one stands in brackets in a URL. */
static int server_of_environment(char **ret, struct error *error)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    int64_t number;
    if (!host || !*host || !port || !*port)
        return error_set(error, ERROR_INVALID, NULL,
                         "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this does not run in a "
                         "cluster; name a kubeconfig");
    if (!text_parse_i64(slice_of(port), 1, 65535, &number))
        return error_set(error, ERROR_INVALID, NULL, "KUBERNETES_SERVICE_PORT must be a port number");
    bool bare_ipv6 = strchr(host, ':') && host[0] != '[';
    AUTO_FREE char *url = memory_format(bare_ipv6 ? "https://[%s]:%d" : "https://%s:%d", host, (int)number);
    return kube_config_server(url, "KUBERNETES_SERVICE_HOST", ret, error);
}

int kube_config_in_cluster(const char *directory, struct kube_config *ret, struct error *error)
{
    int failed = server_of_environment(&ret->server, error);
    if (failed)
        return failed;
    ret->token_file = memory_format("%s/token", directory);
    ret->ca_file = memory_format("%s/ca.crt", directory);
    AUTO_FREE char *namespace_file = memory_format("%s/namespace", directory);
    failed =
        kube_config_file(ret->ca_file, KUBE_CONFIG_FILE_BYTES_MAX, "the service account's ca.crt", &ret->ca, error);
    if (!failed && pem_certificates(slice_of(ret->ca)) == 0)
        failed = error_set(error, ERROR_INVALID, NULL, "%s must hold PEM certificates", ret->ca_file);
    if (!failed)
        failed = kube_config_file(namespace_file, 256, "the service account's namespace", &ret->namespace, error);
    if (!failed && !name_is_label(slice_of(ret->namespace)))
        failed = error_set(error, ERROR_INVALID, NULL, "%s must hold a namespace's name", namespace_file);
    return failed;
}

/* --- whole ones --------------------------------------------------------------------------------------------------- */

static int load(const char *path, const char *context, struct kube_config *ret, struct error *error)
{
    if (path && *path)
        return kubeconfig_read(path, context && *context ? context : NULL, ret, error);
    return kube_config_in_cluster(KUBE_SERVICE_ACCOUNT_DIRECTORY, ret, error);
}

int kube_config_load(const char *path, const char *context, struct kube_config *ret, struct error *error)
{
    struct kube_config config = {0};
    int failed = load(path, context, &config, error);
    if (failed)
        kube_config_free(&config);
    else
        *ret = config;
    return failed;
}

static void wipe(char *text)
{
    if (text)
        memory_wipe(text, strlen(text));
    free(text);
}

static void free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        wipe(list[i]); /* variables of an exec plugin may hold secrets */
    free(list);
}

static char **copy_list(char *const *list)
{
    size_t count = 0;
    if (!list)
        return NULL;
    while (list[count])
        count++;
    char **ret = memory_get((count + 1) * sizeof(*ret));
    for (size_t i = 0; i < count; i++)
        ret[i] = memory_text(list[i]);
    return ret;
}

/* Every text of a config, once, for both functions below. */
#define CONFIG_TEXTS(X)                                                                                                \
    X(server)                                                                                                          \
    X(ca)                                                                                                              \
    X(ca_file)                                                                                                         \
    X(tls_server_name)                                                                                                 \
    X(certificate)                                                                                                     \
    X(key)                                                                                                             \
    X(certificate_file)                                                                                                \
    X(key_file)                                                                                                        \
    X(token)                                                                                                           \
    X(token_file)                                                                                                      \
    X(username)                                                                                                        \
    X(password)                                                                                                        \
    X(exec_command)                                                                                                    \
    X(exec_api_version)                                                                                                \
    X(exec_cluster_config)                                                                                             \
    X(exec_install_hint)                                                                                               \
    X(proxy_url)                                                                                                       \
    X(namespace)

void kube_config_free(struct kube_config *config)
{
    if (!config)
        return;
#define X(text) wipe(config->text);
    CONFIG_TEXTS(X)
#undef X
    free_list(config->exec_args);
    free_list(config->exec_env);
    *config = (struct kube_config){0};
}

void kube_config_copy(const struct kube_config *config, struct kube_config *ret)
{
    struct kube_config copy = *config;
#define X(text) copy.text = memory_text(config->text);
    CONFIG_TEXTS(X)
#undef X
    copy.exec_args = copy_list(config->exec_args);
    copy.exec_env = copy_list(config->exec_env);
    *ret = copy;
}
