/* What does a kubeconfig say about one of its contexts? (clientcmd v1 Config) */
#include <libgen.h>

#include "base/file.h"
#include "engine/kubernetes/config_internal.h"
#include "engine/kubernetes/pem.h"

#define FIELD_SIZE 160

/* One of the kubeconfig's named entries, with its path for errors: "clusters[0].cluster". */
struct entry {
    const cJSON *value;
    char path[FIELD_SIZE - 80];
    const char *directory; /* of the kubeconfig: relative names of files stand for files there */
    struct error *error;
};

static void field_of(const struct entry *entry, const char *key, char ret[FIELD_SIZE])
{
    snprintf(ret, FIELD_SIZE, "%s.%s", entry->path, key);
}

static int refuse(const struct entry *entry, const char *key, const char *expected)
{
    char field[FIELD_SIZE];
    field_of(entry, key, field);
    return error_set(entry->error, ERROR_INVALID, field, "%s %s", field, expected);
}

/* <list>[i] is {"name": <name>, <key>: {…}}: the first of that name, as clientcmd takes it. */
static int find(const cJSON *config, const char *list, const char *key, const char *name, const char *directory,
                struct error *error, struct entry *ret)
{
    const cJSON *entries = json_member(config, list), *one;
    int at = 0;
    cJSON_ArrayForEach(one, entries)
    {
        const char *found = json_text(one, "name", NULL);
        if (found && strcmp(found, name) == 0) {
            *ret = (struct entry){.value = json_member(one, key), .directory = directory, .error = error};
            snprintf(ret->path, sizeof(ret->path), "%s[%d].%s", list, at, key);
            if (!cJSON_IsObject(ret->value))
                return error_set(error, ERROR_INVALID, ret->path, "%s must be an object", ret->path);
            return 0;
        }
        at++;
    }
    char shown[128];
    text_printable(slice_of(name), shown, sizeof(shown));
    return error_set(error, ERROR_INVALID, list, "%s has no entry named \"%s\"", list, shown);
}

/* *ret stays NULL if the key is absent or "" (clientcmd writes empty texts for what is not set). */
static int take_text(const struct entry *entry, const char *key, char **ret)
{
    const cJSON *value = json_member(entry->value, key);
    if (!value || cJSON_IsNull(value))
        return 0;
    if (!cJSON_IsString(value))
        return refuse(entry, key, "must be a text");
    if (value->valuestring[0])
        *ret = memory_text(value->valuestring);
    return 0;
}

static int take_bool(const struct entry *entry, const char *key, bool *ret)
{
    const cJSON *value = json_member(entry->value, key);
    if (value && !cJSON_IsNull(value) && !cJSON_IsBool(value))
        return refuse(entry, key, "must be true or false");
    *ret = cJSON_IsTrue(value);
    return 0;
}

static char *path_below(const char *directory, const char *name)
{
    return name[0] == '/' ? memory_text(name) : memory_format("%s/%s", directory, name);
}

/* Go's decoder, which clientcmd uses, passes over line ends. */
static bool decode_data(const char *encoded, struct buffer *ret)
{
    AUTO_BUFFER struct buffer packed = {0};
    for (const char *p = encoded; *p; p++) {
        if (*p != '\r' && *p != '\n')
            buffer_add(&packed, p, 1);
    }
    bool good = text_unbase64(buffer_slice(&packed), ret) && ret->n > 0 && !memchr(ret->p, '\0', ret->n);
    memory_wipe(packed.p, packed.n);
    return good;
}

/* A PEM text: in base64 under "<key>-data", which wins, or in the file that <key> names. *ret_field: which it was. */
static int take_pem(const struct entry *entry, const char *key, char **ret, char **ret_path, char ret_field[FIELD_SIZE])
{
    AUTO_FREE char *data = NULL;
    AUTO_FREE char *file = NULL;
    AUTO_BUFFER struct buffer decoded = {0};
    char data_key[64];
    snprintf(data_key, sizeof(data_key), "%s-data", key);
    int failed = take_text(entry, data_key, &data);
    if (!failed)
        failed = take_text(entry, key, &file);
    if (failed)
        return failed;
    field_of(entry, data ? data_key : key, ret_field);
    if (data) {
        bool good = decode_data(data, &decoded) && decoded.n <= KUBE_CONFIG_FILE_BYTES_MAX;
        memory_wipe(data, strlen(data));
        if (!good)
            return refuse(entry, data_key, "must be a PEM text in base64");
        *ret = buffer_take(&decoded);
    } else if (file) {
        AUTO_FREE char *path = path_below(entry->directory, file);
        failed = kube_config_file(path, KUBE_CONFIG_FILE_BYTES_MAX, ret_field, ret, entry->error);
        if (!failed)
            *ret_path = TAKE_POINTER(path);
    }
    return failed;
}

static int check_certificates(const char *pem, const char *field, struct error *error)
{
    if (!pem || pem_certificates(slice_of(pem)) > 0)
        return 0;
    return error_set(error, ERROR_INVALID, field, "%s must hold PEM certificates", field);
}

/* --- cluster ------------------------------------------------------------------------------------------------------ */

/* extensions: [{"name": "client.authentication.k8s.io/exec", "extension": …}] */
static char *exec_extension(const cJSON *cluster)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(cluster, "extensions"))
    {
        const cJSON *extension = json_member(one, "extension");
        if (extension && strcmp(json_text_or("", one, "name", NULL), "client.authentication.k8s.io/exec") == 0)
            return json_print(extension);
    }
    return NULL;
}

static int read_proxy(const struct entry *entry, char **ret)
{
    int failed = take_text(entry, "proxy-url", ret);
    if (failed || !*ret)
        return failed;
    struct slice url = slice_of(*ret);
    if (slice_starts(url, "http://") || slice_starts(url, "https://") || slice_starts(url, "socks5://"))
        return 0;
    return refuse(entry, "proxy-url", "must be an http, https or socks5 URL");
}

static int read_cluster(const struct entry *entry, struct kube_config *ret)
{
    AUTO_FREE char *server = NULL;
    char field[FIELD_SIZE];
    int failed = take_text(entry, "server", &server);
    field_of(entry, "server", field);
    if (!failed)
        failed = kube_config_server(server ? server : "", field, &ret->server, entry->error);
    if (!failed)
        failed = take_bool(entry, "insecure-skip-tls-verify", &ret->insecure);
    if (!failed)
        failed = take_bool(entry, "disable-compression", &ret->uncompressed);
    if (!failed)
        failed = take_text(entry, "tls-server-name", &ret->tls_server_name);
    if (!failed && ret->tls_server_name && !name_is_subdomain(slice_of(ret->tls_server_name)))
        failed = refuse(entry, "tls-server-name", "must be a host name");
    if (!failed)
        failed = read_proxy(entry, &ret->proxy_url);
    if (!failed)
        failed = take_pem(entry, "certificate-authority", &ret->ca, &ret->ca_file, field);
    if (!failed)
        failed = check_certificates(ret->ca, field, entry->error);
    if (!failed && ret->ca && ret->insecure)
        failed = refuse(entry, "insecure-skip-tls-verify", "must not be set together with a certificate authority");
    ret->exec_cluster_config = exec_extension(entry->value);
    return failed;
}

/* --- exec --------------------------------------------------------------------------------------------------------- */

static int exec_list(const struct entry *exec, const char *key, const cJSON **ret)
{
    const cJSON *list = json_member(exec->value, key);
    *ret = list;
    if (!list || cJSON_IsNull(list))
        return 0;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > KUBE_EXEC_ITEMS_MAX)
        return refuse(exec, key, "must be a list of at most 64");
    return 0;
}

static int read_exec_args(const struct entry *exec, char ***ret)
{
    const cJSON *list, *one;
    int failed = exec_list(exec, "args", &list);
    if (failed)
        return failed;
    size_t at = 0;
    char **args = memory_get((KUBE_EXEC_ITEMS_MAX + 1) * sizeof(*args));
    *ret = args;
    cJSON_ArrayForEach(one, list)
    {
        if (!cJSON_IsString(one))
            return refuse(exec, "args", "must be a list of texts");
        args[at++] = memory_text(one->valuestring);
    }
    return 0;
}

static int read_exec_env(const struct entry *exec, char ***ret)
{
    const cJSON *list, *one;
    int failed = exec_list(exec, "env", &list);
    if (failed)
        return failed;
    size_t at = 0;
    char **variables = memory_get((KUBE_EXEC_ITEMS_MAX + 1) * sizeof(*variables));
    *ret = variables;
    cJSON_ArrayForEach(one, list)
    {
        const char *name = json_text(one, "name", NULL), *value = json_text_or("", one, "value", NULL);
        if (!name || !*name || strchr(name, '='))
            return refuse(exec, "env", "must be a list of {name, value}");
        variables[at++] = memory_format("%s=%s", name, value);
    }
    return 0;
}

/* A name with a slash is a path, relative to the kubeconfig; one without is looked up in PATH. */
static int read_exec_command(const struct entry *exec, char **ret)
{
    AUTO_FREE char *command = NULL;
    int failed = take_text(exec, "command", &command);
    if (failed)
        return failed;
    if (!command)
        return refuse(exec, "command", "must name a program");
    *ret = strchr(command, '/') ? path_below(exec->directory, command) : memory_text(command);
    return 0;
}

static int read_exec_mode(const struct entry *exec)
{
    const char *mode = json_text_or("IfAvailable", exec->value, "interactiveMode", NULL);
    if (strcmp(mode, "Always") == 0)
        return refuse(exec, "interactiveMode", "is Always, but nobody sits at this service's terminal");
    if (strcmp(mode, "Never") != 0 && strcmp(mode, "IfAvailable") != 0)
        return refuse(exec, "interactiveMode", "must be Never or IfAvailable");
    return 0;
}

static int read_exec(const struct entry *user, const cJSON *value, struct kube_config *ret)
{
    struct entry exec = {.value = value, .directory = user->directory, .error = user->error};
    snprintf(exec.path, sizeof(exec.path), "%.60s.exec", user->path);
    if (!cJSON_IsObject(value))
        return refuse(user, "exec", "must be an object");
    int failed = take_text(&exec, "apiVersion", &ret->exec_api_version);
    const char *version = ret->exec_api_version ? ret->exec_api_version : "";
    if (!failed && strcmp(version, "client.authentication.k8s.io/v1") != 0 &&
        strcmp(version, "client.authentication.k8s.io/v1beta1") != 0)
        failed = refuse(&exec, "apiVersion", "must be client.authentication.k8s.io/v1 or v1beta1");
    if (!failed)
        failed = read_exec_mode(&exec);
    if (!failed)
        failed = read_exec_command(&exec, &ret->exec_command);
    if (!failed)
        failed = read_exec_args(&exec, &ret->exec_args);
    if (!failed)
        failed = read_exec_env(&exec, &ret->exec_env);
    if (!failed)
        failed = take_bool(&exec, "provideClusterInfo", &ret->exec_provide_cluster_info);
    if (!failed)
        failed = take_text(&exec, "installHint", &ret->exec_install_hint);
    return failed;
}

/* --- user --------------------------------------------------------------------------------------------------------- */

static int read_user_certificate(const struct entry *user, struct kube_config *ret)
{
    char field[FIELD_SIZE], key_field[FIELD_SIZE];
    int failed = take_pem(user, "client-certificate", &ret->certificate, &ret->certificate_file, field);
    if (!failed)
        failed = take_pem(user, "client-key", &ret->key, &ret->key_file, key_field);
    if (failed || (!ret->certificate && !ret->key))
        return failed;
    if (!ret->certificate || !ret->key)
        return refuse(user, ret->key ? "client-certificate" : "client-key",
                      "is missing: a client certificate and its key go together");
    failed = check_certificates(ret->certificate, field, user->error);
    return failed ? failed : pem_check_key(slice_of(ret->certificate), slice_of(ret->key), key_field, user->error);
}

/* A token goes into a header line: printable ASCII without spaces (RFC 6750 allows less still). */
static bool is_token(struct slice token)
{
    for (size_t i = 0; i < token.n; i++) {
        if (token.p[i] <= ' ' || token.p[i] > '~')
            return false;
    }
    return token.n > 0 && token.n <= KUBE_TOKEN_BYTES_MAX;
}

/* As clientcmd: tokenFile wins over token. */
static int read_user_token(const struct entry *user, struct kube_config *ret)
{
    AUTO_FREE char *file = NULL;
    int failed = take_text(user, "token", &ret->token);
    if (!failed)
        failed = take_text(user, "tokenFile", &file);
    if (!failed && file) {
        ret->token_file = path_below(user->directory, file);
        if (!file_exists(ret->token_file))
            failed = refuse(user, "tokenFile", "names a file that does not exist");
    }
    if (!failed && ret->token && !is_token(slice_of(ret->token)))
        failed = refuse(user, "token", "must be a bearer token");
    return failed;
}

static int read_user_password(const struct entry *user, struct kube_config *ret)
{
    int failed = take_text(user, "username", &ret->username);
    if (!failed)
        failed = take_text(user, "password", &ret->password);
    if (!failed && ret->username && strchr(ret->username, ':'))
        failed = refuse(user, "username", "must not hold a colon");
    return failed;
}

static int read_user(const struct entry *user, struct kube_config *ret)
{
    static const char *const impersonating[] = {"as", "as-uid", "as-groups", "as-user-extra"};
    for (size_t i = 0; i < COUNT_OF(impersonating); i++) {
        if (json_member(user->value, impersonating[i]))
            return refuse(user, impersonating[i], "is not supported: Atelier impersonates by itself");
    }
    if (json_member(user->value, "auth-provider"))
        return refuse(user, "auth-provider", "is not supported (Kubernetes removed it in 1.26); use exec");
    int failed = read_user_certificate(user, ret);
    if (!failed)
        failed = read_user_token(user, ret);
    if (!failed)
        failed = read_user_password(user, ret);
    const cJSON *exec = json_member(user->value, "exec");
    if (!failed && exec && !cJSON_IsNull(exec))
        failed = read_exec(user, exec, ret);
    if (!failed && ret->exec_command && (ret->token || ret->token_file || ret->username || ret->certificate))
        failed = refuse(user, "exec", "must not stand beside other credentials");
    return failed;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static int read_context(const cJSON *config, const char *name, const char *directory, struct kube_config *ret,
                        struct error *error)
{
    struct entry context, cluster, user;
    AUTO_FREE char *cluster_name = NULL;
    AUTO_FREE char *user_name = NULL;
    int failed = find(config, "contexts", "context", name, directory, error, &context);
    if (!failed)
        failed = take_text(&context, "cluster", &cluster_name);
    if (!failed)
        failed = take_text(&context, "user", &user_name);
    if (!failed)
        failed = take_text(&context, "namespace", &ret->namespace);
    if (!failed && !cluster_name)
        failed = refuse(&context, "cluster", "must name a cluster");
    if (!failed)
        failed = find(config, "clusters", "cluster", cluster_name, directory, error, &cluster);
    if (!failed)
        failed = read_cluster(&cluster, ret);
    if (failed || !user_name)
        return failed;
    failed = find(config, "users", "user", user_name, directory, error, &user);
    return failed ? failed : read_user(&user, ret);
}

/* No struct entry outlives its directory: it is copied where a path is made. */
static int read_document(const cJSON *config, const char *path, const char *context, struct kube_config *ret,
                         struct error *error)
{
    AUTO_FREE char *copy = memory_text(path);
    const char *kind = json_text_or("Config", config, "kind", NULL);
    if (!cJSON_IsObject(config) || strcmp(kind, "Config") != 0)
        return error_set(error, ERROR_INVALID, "kind", "kind must be Config");
    if (!context)
        context = json_text(config, "current-context", NULL);
    if (!context || !*context)
        return error_set(error, ERROR_INVALID, "current-context", "current-context must name a context");
    return read_context(config, context, dirname(copy), ret, error);
}

int kubeconfig_parse(struct slice text, const char *path, const char *context, struct kube_config *ret,
                     struct error *error)
{
    AUTO_JSON cJSON *config = NULL;
    int failed = yaml_parse(text, &json_limits_default, &config, error);
    if (!failed)
        failed = read_document(config, path, context, ret, error);
    return failed ? error_wrap(error, "kubeconfig %s", path) : 0;
}

int kubeconfig_read(const char *path, const char *context, struct kube_config *ret, struct error *error)
{
    AUTO_BUFFER struct buffer text = {0};
    int failed = file_read(path, KUBE_CONFIG_BYTES_MAX, &text, error);
    if (failed)
        return error_wrap(error, "kubeconfig");
    failed = kubeconfig_parse(buffer_slice(&text), path, context, ret, error);
    memory_wipe(text.p, text.n);
    return failed;
}
