/* Which credential does the exec plugin give? */
#include "engine/kubernetes/exec_credential.h"

#include "base/clock.h"
#include "base/file.h"
#include "engine/kubernetes/pem.h"

static cJSON *cluster_info(const struct kube_config *config)
{
    cJSON *cluster = json_object();
    json_set_text(cluster, "server", config->server);
    json_set_text(cluster, "tls-server-name", config->tls_server_name);
    json_set_text(cluster, "proxy-url", config->proxy_url);
    if (config->insecure)
        json_set_bool(cluster, "insecure-skip-tls-verify", true);
    if (config->ca) {
        AUTO_FREE char *encoded = text_base64(config->ca, strlen(config->ca));
        json_set_text(cluster, "certificate-authority-data", encoded);
    }
    if (config->exec_cluster_config) {
        cJSON *extension = NULL;
        if (json_parse(slice_of(config->exec_cluster_config), NULL, &extension, NULL) == 0)
            json_set(cluster, "config", extension);
    }
    return cluster;
}

char *exec_credential_info(const struct kube_config *config)
{
    AUTO_JSON cJSON *info = json_object();
    json_set_text(info, "kind", "ExecCredential");
    json_set_text(info, "apiVersion", config->exec_api_version);
    cJSON *spec = json_object_in(info, "spec");
    json_set_bool(spec, "interactive", false);
    if (config->exec_provide_cluster_info)
        json_set(spec, "cluster", cluster_info(config));
    return json_print(info);
}

static bool is_header_text(const char *text)
{
    size_t count = strlen(text);
    for (size_t i = 0; i < count; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    }
    return count > 0 && count <= KUBE_TOKEN_BYTES_MAX;
}

static int refuse(struct error *error, const char *what)
{
    return error_set(error, ERROR_UNAVAILABLE, NULL, "the exec plugin's answer: %s", what);
}

static int check_pair(const char *certificate, const char *key, struct error *error)
{
    if (!certificate || !key)
        return refuse(error, "status.clientCertificateData and status.clientKeyData go together");
    if (pem_certificates(slice_of(certificate)) == 0)
        return refuse(error, "status.clientCertificateData must hold PEM certificates");
    struct error detail;
    if (pem_check_key(slice_of(certificate), slice_of(key), "status.clientKeyData", &detail) < 0)
        return refuse(error, detail.message);
    return 0;
}

static int read_status(const cJSON *status, struct exec_credential *ret, struct error *error)
{
    const char *token = json_text(status, "token", NULL), *expires = json_text(status, "expirationTimestamp", NULL);
    const char *certificate = json_text(status, "clientCertificateData", NULL);
    const char *key = json_text(status, "clientKeyData", NULL);
    int64_t expires_wall_ms = 0;
    if (!cJSON_IsObject(status))
        return refuse(error, "status is missing");
    if (!token && !certificate && !key)
        return refuse(error, "status has neither a token nor a client certificate");
    if (token && !is_header_text(token))
        return refuse(error, "status.token must be a bearer token");
    if (expires && !clock_parse(slice_of(expires), &expires_wall_ms))
        return refuse(error, "status.expirationTimestamp must be an RFC 3339 time");
    if ((certificate || key) && check_pair(certificate, key, error) < 0)
        return -ERROR_UNAVAILABLE;
    *ret = (struct exec_credential){.token = memory_text(token),
                                    .certificate = memory_text(certificate),
                                    .key = memory_text(key),
                                    .expires_wall_ms = expires_wall_ms};
    return 0;
}

static void wipe_tree(cJSON *value)
{
    for (cJSON *one = value; one; one = one->next) {
        if (one->valuestring && cJSON_IsString(one))
            memory_wipe(one->valuestring, strlen(one->valuestring));
        wipe_tree(one->child);
    }
}

int exec_credential_parse(struct slice answer, const char *api_version, struct exec_credential *ret,
                          struct error *error)
{
    AUTO_JSON cJSON *tree = NULL;
    struct error detail;
    if (json_parse(answer, &json_limits_default, &tree, &detail) < 0)
        return refuse(error, detail.message);
    int failed = 0;
    if (strcmp(json_text_or("", tree, "kind", NULL), "ExecCredential") != 0)
        failed = refuse(error, "kind must be ExecCredential");
    else if (strcmp(json_text_or("", tree, "apiVersion", NULL), api_version) != 0)
        failed = refuse(error, "apiVersion must be the one that the kubeconfig names");
    else
        failed = read_status(json_member(tree, "status"), ret, error);
    wipe_tree(tree);
    return failed;
}

static int run(const struct kube_config *config, struct buffer *answer, struct error *error)
{
    const char *argv[KUBE_EXEC_ITEMS_MAX + 2] = {config->exec_command};
    const char *environment[KUBE_EXEC_ITEMS_MAX + 2] = {NULL};
    AUTO_FREE char *info = exec_credential_info(config);
    AUTO_FREE char *variable = memory_format("KUBERNETES_EXEC_INFO=%s", info);
    size_t count = 0;
    for (size_t i = 0; config->exec_args && config->exec_args[i] && i < KUBE_EXEC_ITEMS_MAX; i++)
        argv[i + 1] = config->exec_args[i];
    for (; config->exec_env && config->exec_env[count] && count < KUBE_EXEC_ITEMS_MAX; count++)
        environment[count] = config->exec_env[count];
    environment[count] = variable;
    return process_answer(argv, environment, EXEC_CREDENTIAL_TIMEOUT_MS, EXEC_CREDENTIAL_BYTES_MAX, answer, error);
}

int exec_credential_get(const struct kube_config *config, struct exec_credential *ret, struct error *error)
{
    AUTO_BUFFER struct buffer answer = {0};
    struct error detail;
    int failed = run(config, &answer, &detail);
    if (failed) {
        bool hint = failed == -ERROR_NOT_FOUND && config->exec_install_hint;
        return error_set(error, ERROR_UNAVAILABLE, NULL, "exec plugin %s%s%s", detail.message, hint ? ": " : "",
                         hint ? config->exec_install_hint : "");
    }
    failed = exec_credential_parse(buffer_slice(&answer), config->exec_api_version, ret, error);
    memory_wipe(answer.p, answer.n);
    return failed;
}

void exec_credential_free(struct exec_credential *credential)
{
    char *const secrets[] = {credential->token, credential->key};
    for (size_t i = 0; i < COUNT_OF(secrets); i++) {
        if (secrets[i])
            memory_wipe(secrets[i], strlen(secrets[i]));
        free(secrets[i]);
    }
    free(credential->certificate);
    *credential = (struct exec_credential){0};
}
