/* What kubeconfigs and a pod's service account are read as, and how mistakes in them are named. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "certificates.h"

#include "base/file.h"
#include "engine/kubernetes/config_internal.h"

static char directory[64], *certificate, *key, *other_certificate, *other_key;

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "/tmp/atelier-config-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    make_certificate("one", &certificate, &key);
    make_certificate("two", &other_certificate, &other_key);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    char *const texts[] = {certificate, key, other_certificate, other_key};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        free(texts[i]);
    return file_remove_tree(directory, NULL);
}

static char *below(const char *name)
{
    return memory_format("%s/%s", directory, name);
}

static void put(const char *name, const char *text)
{
    AUTO_FREE char *path = below(name);
    assert_int_equal(file_write(path, slice_of(text), 0600, NULL), 0);
}

/* A kubeconfig with these members of its cluster and user. */
static int load(const char *cluster, const char *user, struct kube_config *ret, struct error *error)
{
    AUTO_FREE char *path = below("kubeconfig");
    AUTO_FREE char *text = memory_format("apiVersion: v1\nkind: Config\ncurrent-context: here\n"
                                         "contexts:\n- name: here\n  context: {cluster: c, user: u, namespace: alice}\n"
                                         "clusters:\n- name: c\n  cluster: {%s}\n"
                                         "users:\n- name: u\n  user: {%s}\n",
                                         cluster, user);
    put("kubeconfig", text);
    *error = (struct error){0};
    return kube_config_load(path, NULL, ret, error);
}

static void assert_refused(const char *cluster, const char *user, const char *field, const char *message)
{
    struct kube_config config;
    struct error error;
    assert_int_equal(load(cluster, user, &config, &error), -ERROR_INVALID);
    assert_string_equal(error.field, field);
    if (!strstr(error.message, message))
        fail_msg("\"%s\" does not say \"%s\"", error.message, message);
}

#define SERVER "server: \"https://10.0.0.1:6443\""

static void reads_a_kubeconfig(void **state)
{
    (void)state;
    struct kube_config config;
    struct error error;
    AUTO_FREE char *ca = text_base64(certificate, strlen(certificate));
    AUTO_FREE char *cluster = memory_format("server: 'https://[::1]:6443/k8s/c-1//', certificate-authority-data: %s, "
                                            "tls-server-name: api.example.com, proxy-url: 'socks5://127.0.0.1:1080', "
                                            "disable-compression: true",
                                            ca);
    assert_int_equal(load(cluster, "token: secret", &config, &error), 0);
    assert_string_equal(config.server, "https://[::1]:6443/k8s/c-1");
    assert_string_equal(config.ca, certificate);
    assert_null(config.ca_file);
    assert_string_equal(config.tls_server_name, "api.example.com");
    assert_string_equal(config.proxy_url, "socks5://127.0.0.1:1080");
    assert_string_equal(config.namespace, "alice");
    assert_string_equal(config.token, "secret");
    assert_true(config.uncompressed);
    assert_false(config.insecure);
    struct kube_config copy;
    kube_config_copy(&config, &copy);
    kube_config_free(&config);
    assert_null(config.server);
    assert_string_equal(copy.token, "secret");
    kube_config_free(&copy);
    assert_int_equal(load(SERVER ", insecure-skip-tls-verify: true", "username: alice, password: pw", &config, &error),
                     0);
    assert_true(config.insecure);
    assert_string_equal(config.username, "alice");
    assert_string_equal(config.password, "pw");
    kube_config_free(&config);
}

static void reads_certificates_from_data_and_files(void **state)
{
    (void)state;
    struct kube_config config;
    struct error error;
    put("ca.pem", certificate);
    put("user.pem", certificate);
    put("user.key", key);
    const char *cluster = SERVER ", certificate-authority: ca.pem";
    assert_int_equal(load(cluster, "client-certificate: user.pem, client-key: user.key", &config, &error), 0);
    AUTO_FREE char *expected = below("user.pem");
    assert_string_equal(config.certificate, certificate);
    assert_string_equal(config.key, key);
    assert_string_equal(config.certificate_file, expected);
    assert_string_equal(config.ca, certificate);
    kube_config_free(&config);
    AUTO_FREE char *data = text_base64(other_certificate, strlen(other_certificate));
    AUTO_FREE char *key_data = text_base64(other_key, strlen(other_key));
    AUTO_FREE char *user = memory_format("client-certificate: user.pem, client-certificate-data: %s, "
                                         "client-key-data: %s",
                                         data, key_data);
    assert_int_equal(load(cluster, user, &config, &error), 0);
    assert_string_equal(config.certificate, other_certificate); /* data wins */
    assert_null(config.certificate_file);
    kube_config_free(&config);
    AUTO_FREE char *mixed = memory_format("client-certificate: user.pem, client-key-data: %s", key_data);
    assert_refused(cluster, mixed, "users[0].user.client-key-data", "is not the key of the client certificate");
}

static void reads_exec_plugins(void **state)
{
    (void)state;
    struct kube_config config;
    struct error error;
    const char *cluster = SERVER ", extensions: [{name: client.authentication.k8s.io/exec, extension: {audience: x}}]";
    const char *gke = "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: gke-gcloud-auth-plugin, "
                      "args: [a, b], env: [{name: HOME, value: /x}], installHint: Install it, "
                      "provideClusterInfo: true, interactiveMode: IfAvailable}";
    assert_int_equal(load(cluster, gke, &config, &error), 0);
    assert_string_equal(config.exec_command, "gke-gcloud-auth-plugin");
    assert_string_equal(config.exec_args[1], "b");
    assert_null(config.exec_args[2]);
    assert_string_equal(config.exec_env[0], "HOME=/x");
    assert_string_equal(config.exec_install_hint, "Install it");
    assert_string_equal(config.exec_cluster_config, "{\"audience\":\"x\"}");
    assert_true(config.exec_provide_cluster_info);
    kube_config_free(&config);
    assert_int_equal(
        load(SERVER, "exec: {apiVersion: client.authentication.k8s.io/v1, command: bin/plugin}", &config, &error), 0);
    AUTO_FREE char *expected = below("bin/plugin");
    assert_string_equal(config.exec_command, expected);
    kube_config_free(&config);
    assert_refused(SERVER, "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}",
                   "users[0].user.exec.apiVersion", "v1 or v1beta1");
    assert_refused(SERVER, "exec: {apiVersion: client.authentication.k8s.io/v1}", "users[0].user.exec.command",
                   "must name a program");
    assert_refused(SERVER, "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}",
                   "users[0].user.exec.interactiveMode", "terminal");
    assert_refused(SERVER, "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, args: [1]}",
                   "users[0].user.exec.args", "list of texts");
    assert_refused(SERVER, "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, env: [{value: 1}]}",
                   "users[0].user.exec.env", "{name, value}");
    assert_refused(SERVER, "token: t, exec: {apiVersion: client.authentication.k8s.io/v1, command: x}",
                   "users[0].user.exec", "beside other credentials");
}

static void names_what_is_wrong(void **state)
{
    (void)state;
    static const char *const servers[] = {
        "",
        "server: ''",
        "server: 'http://10.0.0.1'",
        "server: 'https://'",
        "server: 'https:///x'",
        "server: 'https://user@10.0.0.1'",
        "server: 'https://10.0.0.1/?x=1'",
        "server: 'https://10.0.0.1/#x'",
        "server: 'https://10.0.0.1 /'",
        "server: 'https://10.0.0.1\\evil'",
        "server: 'file:///etc/passwd'",
    };
    for (size_t i = 0; i < COUNT_OF(servers); i++)
        assert_refused(servers[i], "token: t", "clusters[0].cluster.server",
                       "clusters[0].cluster.server must be an https URL");
    assert_refused("server: 1", "token: t", "clusters[0].cluster.server", "must be a text");
    assert_refused(SERVER ", certificate-authority-data: 'not base64!'", "token: t",
                   "clusters[0].cluster.certificate-authority-data", "PEM text in base64");
    assert_refused(SERVER ", certificate-authority-data: aGVsbG8=", "token: t",
                   "clusters[0].cluster.certificate-authority-data", "must hold PEM certificates");
    assert_refused(SERVER ", certificate-authority: absent.pem", "token: t",
                   "clusters[0].cluster.certificate-authority", "absent.pem");
    assert_refused(SERVER ", proxy-url: 'ftp://x'", "token: t", "clusters[0].cluster.proxy-url", "socks5");
    assert_refused(SERVER ", tls-server-name: 'a b'", "token: t", "clusters[0].cluster.tls-server-name", "host name");
    assert_refused(SERVER, "token: 'a b'", "users[0].user.token", "must be a bearer token");
    assert_refused(SERVER, "token: \"a\\r\\nX: y\"", "users[0].user.token", "must be a bearer token");
    assert_refused(SERVER, "tokenFile: absent", "users[0].user.tokenFile", "does not exist");
    assert_refused(SERVER, "username: 'a:b'", "users[0].user.username", "colon");
    assert_refused(SERVER, "as: bob", "users[0].user.as", "impersonates by itself");
    assert_refused(SERVER, "auth-provider: {name: gcp}", "users[0].user.auth-provider", "use exec");
    put("user.pem", certificate);
    assert_refused(SERVER, "client-certificate: user.pem", "users[0].user.client-key", "go together");
    AUTO_FREE char *ca = text_base64(certificate, strlen(certificate));
    AUTO_FREE char *both = memory_format(SERVER ", insecure-skip-tls-verify: true, certificate-authority-data: %s", ca);
    assert_refused(both, "token: t", "clusters[0].cluster.insecure-skip-tls-verify", "must not be set together");
}

static void finds_contexts(void **state)
{
    (void)state;
    struct kube_config config;
    struct error error;
    AUTO_FREE char *path = below("contexts");
    put("contexts", "kind: Config\ncontexts:\n- {name: a, context: {cluster: c}}\n- {name: b, context: {cluster: d}}\n"
                    "clusters: [{name: c, cluster: {" SERVER "}}]\n");
    assert_int_equal(kube_config_load(path, "a", &config, &error), 0);
    assert_string_equal(config.server, "https://10.0.0.1:6443");
    kube_config_free(&config);
    assert_int_equal(kube_config_load(path, NULL, &config, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "current-context");
    assert_int_equal(kube_config_load(path, "b", &config, &error), -ERROR_INVALID);
    assert_non_null(strstr(error.message, "clusters has no entry named \"d\""));
    assert_int_equal(kube_config_load(path, "z", &config, &error), -ERROR_INVALID);
    assert_non_null(strstr(error.message, "contexts has no entry named \"z\""));
    assert_int_equal(kube_config_load("/absent/kubeconfig", NULL, &config, &error), -ERROR_NOT_FOUND);
    put("contexts", "kind: List\n");
    assert_int_equal(kube_config_load(path, "a", &config, &error), -ERROR_INVALID);
    put("contexts", "- a\n- b\n");
    assert_int_equal(kube_config_load(path, "a", &config, &error), -ERROR_INVALID);
    AUTO_FREE char *large = memory_get(KUBE_CONFIG_BYTES_MAX + 2);
    memset(large, '#', KUBE_CONFIG_BYTES_MAX + 1);
    put("contexts", large);
    assert_int_equal(kube_config_load(path, "a", &config, &error), -ERROR_TOO_LARGE);
}

static void never_shows_a_secret(void **state)
{
    (void)state;
    struct kube_config config;
    struct error error;
    AUTO_FREE char *encoded = text_base64("hidden-key-bytes", 16);
    AUTO_FREE char *user = memory_format("client-certificate-data: %s, client-key-data: %s", encoded, encoded);
    const char *const users[] = {user, "token: 'hidden key'", "token: 'x', password: {hidden: key}",
                                 "exec: {apiVersion: hidden, command: x}"};
    for (size_t i = 0; i < COUNT_OF(users); i++) {
        assert_int_equal(load(SERVER, users[i], &config, &error), -ERROR_INVALID);
        assert_null(strstr(error.message, "hidden"));
        assert_null(strstr(error.message, encoded));
    }
}

static void reads_a_pods_service_account(void **state)
{
    (void)state;
    struct kube_config config = {0};
    struct error error;
    unsetenv("KUBERNETES_SERVICE_HOST");
    assert_int_equal(kube_config_in_cluster(directory, &config, &error), -ERROR_INVALID);
    assert_non_null(strstr(error.message, "KUBERNETES_SERVICE_HOST"));
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    put("ca.crt", certificate);
    put("namespace", "atelier-system");
    put("token", "secret\n");
    assert_int_equal(kube_config_in_cluster(directory, &config, &error), 0);
    assert_string_equal(config.server, "https://[fd00::1]:443");
    assert_string_equal(config.namespace, "atelier-system");
    assert_string_equal(config.ca, certificate);
    assert_false(config.uncompressed);
    AUTO_FREE char *token = below("token");
    assert_string_equal(config.token_file, token);
    kube_config_free(&config);
    setenv("KUBERNETES_SERVICE_PORT", "99999", 1);
    assert_int_equal(kube_config_in_cluster(directory, &config, &error), -ERROR_INVALID);
    kube_config_free(&config);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    put("ca.crt", "nothing");
    assert_int_equal(kube_config_in_cluster(directory, &config, &error), -ERROR_INVALID);
    assert_non_null(strstr(error.message, "must hold PEM certificates"));
    kube_config_free(&config);
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_kubeconfig),
        cmocka_unit_test(reads_certificates_from_data_and_files),
        cmocka_unit_test(reads_exec_plugins),
        cmocka_unit_test(names_what_is_wrong),
        cmocka_unit_test(finds_contexts),
        cmocka_unit_test(never_shows_a_secret),
        cmocka_unit_test(reads_a_pods_service_account),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
