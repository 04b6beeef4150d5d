/* Is what is presented to the API server always the newest that was whole, however files are replaced? */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "certificates.h"

#include "base/clock.h"
#include "base/file.h"
#include "engine/kubernetes/credential.h"

#define PATIENCE_MS 60000

static char directory[] = "/tmp/atelier-credential-XXXXXX";
static struct pair {
    char *certificate, *key;
} pairs[3];

static int make_directory(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        make_certificate("client", &pairs[i].certificate, &pairs[i].key);
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        free(pairs[i].certificate);
        free(pairs[i].key);
    }
    return file_remove_tree(directory, NULL);
}

static char *put(const char *name, const char *text)
{
    char *path = memory_format("%s/%s", directory, name);
    assert_int_equal(file_write(path, slice_of(text), 0600, NULL), 0);
    return path;
}

static void replace(const char *name, const char *text)
{
    free(put(name, text));
}

static void changed(void *context)
{
    (void)context;
}

/* Asks for a newer one, as after a 401, and waits for the answer; true if there was one. */
static bool renews(struct credential *credential)
{
    struct credential_view *before = credential_current(credential);
    uint64_t generation = before->generation, failures = credential_failures(credential, NULL);
    bool newer = false;
    credential_release(before);
    assert_true(credential_renew(credential, generation));
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS; clock_monotonic_ms() < until; clock_sleep_ms(10)) {
        struct credential_view *now = credential_current(credential);
        newer = now->generation > generation;
        credential_release(now);
        if (newer || credential_failures(credential, NULL) > failures)
            return newer;
    }
    fail_msg("nothing became of it");
    return false;
}

static void assert_presents(struct credential *credential, const struct pair *pair, const char *ca)
{
    struct credential_view *view = credential_current(credential);
    assert_string_equal(view->certificate, pair->certificate);
    assert_string_equal(view->key, pair->key);
    assert_string_equal(view->ca, ca);
    credential_release(view);
}

static void a_rotated_certificate_is_taken_and_kept(void **state)
{
    (void)state;
    AUTO_FREE char *certificate = put("user.pem", pairs[0].certificate);
    AUTO_FREE char *key = put("user.key", pairs[0].key);
    AUTO_FREE char *ca = put("ca.pem", pairs[0].certificate);
    const struct kube_config config = {.ca = pairs[0].certificate,
                                       .ca_file = ca,
                                       .certificate = pairs[0].certificate,
                                       .key = pairs[0].key,
                                       .certificate_file = certificate,
                                       .key_file = key};
    struct credential *credential = credential_new(&config, changed, NULL);
    assert_presents(credential, &pairs[0], pairs[0].certificate);
    replace("user.pem", pairs[1].certificate);
    replace("user.key", pairs[1].key);
    replace("ca.pem", pairs[1].certificate);
    assert_true(renews(credential));
    assert_presents(credential, &pairs[1], pairs[1].certificate);
    /* The next rotation is half done, and a CA is being written: not the first ones again, which have expired. */
    replace("user.pem", pairs[2].certificate);
    replace("ca.pem", "");
    assert_false(renews(credential));
    assert_presents(credential, &pairs[1], pairs[1].certificate);
    replace("user.key", pairs[2].key);
    replace("ca.pem", pairs[2].certificate);
    assert_true(renews(credential));
    assert_presents(credential, &pairs[2], pairs[2].certificate);
    credential_free(credential);
}

/* As a cloud's plugin that gives certificates instead of a token. */
static void a_plugin_may_give_a_certificate(void **state)
{
    (void)state;
    AUTO_JSON cJSON *answer = json_object();
    json_set_text(answer, "kind", "ExecCredential");
    json_set_text(answer, "apiVersion", "client.authentication.k8s.io/v1");
    json_set_text(json_object_in(answer, "status"), "clientCertificateData", pairs[1].certificate);
    json_set_text(json_object_in(answer, "status"), "clientKeyData", pairs[1].key);
    AUTO_FREE char *text = json_print(answer);
    AUTO_FREE char *path = put("answer.json", text);
    char *arguments[] = {path, NULL};
    const struct kube_config config = {.server = (char[]){"https://127.0.0.1:6443"},
                                       .ca = pairs[0].certificate,
                                       .exec_command = (char[]){"cat"},
                                       .exec_args = arguments,
                                       .exec_api_version = (char[]){"client.authentication.k8s.io/v1"}};
    struct credential *credential = credential_new(&config, changed, NULL);
    struct credential_view *view = NULL;
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS; !view && clock_monotonic_ms() < until; clock_sleep_ms(10))
        view = credential_current(credential);
    assert_non_null(view);
    assert_null(view->header);
    credential_release(view);
    assert_presents(credential, &pairs[1], pairs[0].certificate);
    credential_free(credential);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_rotated_certificate_is_taken_and_kept),
                                       cmocka_unit_test(a_plugin_may_give_a_certificate)};
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
