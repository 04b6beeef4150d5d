/*
 * What does TLS itself promise? Certificates by name, protocol versions, tickets, strangers who stall or send garbage,
 * files that change. That everything else is the same over TLS is gateway_over_tls_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <malloc.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/certificate.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "gateway/tls.h"
#include "tests/attacks/gateway_harness.h"
#include "tests/attacks/tls_client.h"

static char directory[64], ca_file[96];
static int tls_port;

static SSL_CTX *trusting(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_locations(context, ca_file, NULL), 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return context;
}

/* A verified session to <host>, which is looked for in the certificate; NULL if the handshake fails. */
static SSL *reach(SSL_CTX *context, const char *host, const char *sni)
{
    int tcp = client_connect();
    SSL *ssl = SSL_new(context);
    unsigned char binary[16];
    bool address = inet_pton(AF_INET, host, binary) == 1 || inet_pton(AF_INET6, host, binary) == 1;
    SSL_set_fd(ssl, tcp);
    if (sni)
        SSL_set_tlsext_host_name(ssl, sni);
    if (address)
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
    else
        SSL_set1_host(ssl, host);
    if (SSL_connect(ssl) == 1)
        return ssl;
    ERR_clear_error();
    SSL_free(ssl);
    close(tcp);
    return NULL;
}

static void leave(SSL *ssl)
{
    int tcp = SSL_get_fd(ssl);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(tcp);
}

static int ask(SSL *ssl, const char *request, struct buffer *ret)
{
    char bytes[16384];
    buffer_clear(ret);
    assert_int_equal(SSL_write(ssl, request, (int)strlen(request)), strlen(request));
    while (!ret->p || !strstr(ret->p, "\r\n\r\n")) {
        int got = SSL_read(ssl, bytes, sizeof(bytes));
        if (got <= 0)
            return 0;
        buffer_add(ret, bytes, (size_t)got);
    }
    return (int)strtol(ret->p + 9, NULL, 10);
}

static bool works(SSL *ssl)
{
    AUTO_BUFFER struct buffer answer = {0};
    bool ok = ssl && ask(ssl, "GET /api/x HTTP/1.1\r\n" HOST "\r\n", &answer) == 200;
    if (ssl)
        leave(ssl);
    return ok;
}

static int64_t handshakes(const char *result)
{
    AUTO_BUFFER struct buffer text = {0};
    char wanted[96];
    metrics_print(&text);
    snprintf(wanted, sizeof(wanted), "tls_handshakes_total{result=\"%s\"} ", result);
    const char *at = strstr(text.p, wanted);
    return at ? strtoll(at + strlen(wanted), NULL, 10) : 0;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static void every_host_of_ours_verifies(void **state)
{
    (void)state;
    static const char *const hosts[] = {"localhost", "notebook-nb1--alice.localhost", "ray-rc1--alice.localhost",
                                        "serve-rc1--alice.localhost"};
    SSL_CTX *context = trusting();
    for (size_t i = 0; i < COUNT_OF(hosts); i++)
        assert_true(works(reach(context, hosts[i], hosts[i])));
    assert_true(works(reach(context, "127.0.0.1", NULL)));
    assert_true(works(reach(context, "::1", NULL)));
    assert_true(works(reach(context, "NOTEBOOK-nb1--alice.LOCALHOST", "NOTEBOOK-nb1--alice.LOCALHOST")));
    SSL_CTX_free(context);
}

static void other_names_get_the_main_certificate(void **state)
{
    (void)state;
    static const char *const names[] = {"example.com",   "evil.localhost", "notebook-nb1--alice.localhost.example.com",
                                        "a.b.localhost", "localhost.",     "notebook-nb1--alice.localhost:8443"};
    SSL_CTX *context = trusting();
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_null(reach(context, names[i], names[i]));
        assert_true(works(reach(context, "localhost", names[i])));
    }
    SSL_CTX_free(context);
}

static void certificates_kept_are_bounded(void **state)
{
    (void)state;
    struct error error = {0};
    struct tls_identity *identity;
    int64_t usual = gateway_limits.certificates;
    assert_int_equal(tls_identity_from_authority(directory, "localhost", &identity, &error), 0);
    struct tls_names *names = tls_names_new();
    gateway_limits.certificates = 8;
    const struct certificate *first = tls_names_find(names, identity, "notebook-a0--alice.localhost");
    for (int i = 0; i < 50; i++) {
        char name[64];
        snprintf(name, sizeof(name), "notebook-a%d--alice.localhost", i);
        assert_non_null(tls_names_find(names, identity, name));
        assert_ptr_equal(first, tls_names_find(names, identity, "notebook-a0--alice.localhost")); /* in use: it stays */
        assert_true(tls_names_count(names) <= 8);
    }
    gateway_limits.certificates = usual;
    tls_names_free(names);
    tls_identity_free(identity);
}

static void the_authority_is_kept_and_private(void **state)
{
    (void)state;
    struct stat status;
    struct error error = {0};
    struct tls_identity *again;
    AUTO_FREE char *key = memory_format("%s/ca.key", directory);
    assert_int_equal(stat(key, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(tls_identity_from_authority(directory, "localhost", &again, &error), 0);
    assert_string_equal(tls_identity_authority(again), gateway_tls_authority(gateway));
    tls_identity_free(again);
    assert_non_null(strstr(gateway_tls_authority(gateway), "BEGIN CERTIFICATE"));
    assert_null(strstr(gateway_tls_authority(gateway), "PRIVATE"));
}

static void another_base_domain_makes_another_authority(void **state)
{
    (void)state;
    struct error error = {0};
    struct tls_identity *one, *two;
    AUTO_FREE char *other = memory_format("%s/other", directory);
    AUTO_FREE char *old = memory_format("%s/ca.crt.old", other);
    assert_int_equal(tls_identity_from_authority(other, "ml.example.org", &one, &error), 0);
    assert_false(file_exists(old));
    assert_int_equal(tls_identity_from_authority(other, "ml.example.com", &two, &error), 0);
    assert_true(file_exists(old));
    assert_string_not_equal(tls_identity_authority(one), tls_identity_authority(two));
    tls_identity_free(one);
    tls_identity_free(two);
}

/* --- the protocol ------------------------------------------------------------------------------------------------- */

static void old_protocols_are_refused(void **state)
{
    (void)state;
    SSL_CTX *context = trusting();
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
    assert_null(reach(context, "localhost", "localhost"));
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    assert_true(works(reach(context, "localhost", "localhost")));
    SSL_CTX_set_cipher_list(context, "AES128-SHA:AES256-SHA:ECDHE-ECDSA-AES128-SHA"); /* no forward secrecy, no AEAD */
    assert_null(reach(context, "localhost", "localhost"));
    SSL_CTX_free(context);
}

static void renegotiation_is_refused(void **state)
{
    (void)state;
    SSL_CTX *context = trusting();
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    SSL *ssl = reach(context, "localhost", "localhost");
    assert_non_null(ssl);
    assert_int_equal(SSL_renegotiate(ssl), 1);
    assert_true(SSL_do_handshake(ssl) != 1);
    ERR_clear_error();
    leave(ssl);
    SSL_CTX_free(context);
}

static void only_http_1_1_is_spoken(void **state)
{
    (void)state;
    SSL_CTX *context = trusting();
    const unsigned char *chosen;
    unsigned length;
    SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\x02h2\x08http/1.1", 12);
    SSL *ssl = reach(context, "localhost", "localhost");
    assert_non_null(ssl);
    SSL_get0_alpn_selected(ssl, &chosen, &length);
    assert_int_equal(length, 8);
    assert_memory_equal(chosen, "http/1.1", 8);
    leave(ssl);
    SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\x02h2", 3);
    assert_null(reach(context, "localhost", "localhost"));
    SSL_CTX_free(context);
}

static SSL_SESSION *kept_session;
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept_session);
    kept_session = session;
    return 1;
}

/* On any loop, whichever sealed the ticket. */
static void sessions_are_resumed(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        SSL_CTX *context = trusting();
        SSL_CTX_set_max_proto_version(context, versions[i]);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, keep_session);
        assert_true(works(reach(context, "localhost", "localhost")));
        assert_non_null(kept_session);
        for (int j = 0; j < 8; j++) {
            SSL *ssl = SSL_new(context);
            int tcp = client_connect();
            SSL_set_fd(ssl, tcp);
            SSL_set_tlsext_host_name(ssl, "localhost");
            SSL_set_session(ssl, kept_session);
            assert_int_equal(SSL_connect(ssl), 1);
            assert_true(SSL_session_reused(ssl));
            assert_true(works(ssl));
        }
        SSL_SESSION_free(kept_session);
        kept_session = NULL;
        SSL_CTX_free(context);
    }
}

/* --- strangers ---------------------------------------------------------------------------------------------------- */

static void await_handshakes(const char *outcome, int64_t count)
{
    for (int i = 0; i < PATIENCE_MS / 5 && handshakes(outcome) < count; i++)
        clock_sleep_ms(5);
    assert_true(handshakes(outcome) >= count);
}

static void garbage_is_refused(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer answer = {0};
    int64_t before = handshakes("failed");
    char noise[4096];
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (char)(i * 7919 + 13);
    int fd = client_connect();
    send_all(fd, noise, sizeof(noise));
    assert_true(client_read(fd, &answer, NULL, PATIENCE_MS));
    close(fd);
    /* A record that claims to be a ClientHello and is cut in the middle. */
    fd = client_connect();
    send_all(fd, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
    close(fd);
    await_handshakes("failed", before + 2);
    assert_int_equal(handshakes("failed"), before + 2);
}

static void plain_http_is_told_so(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer answer = {0};
    int fd = client_connect();
    static const char request[] = "GET / HTTP/1.1\r\n" HOST "\r\n";
    send_all(fd, request, sizeof(request) - 1);
    assert_true(client_read(fd, &answer, NULL, PATIENCE_MS));
    assert_non_null(answer.p);
    assert_int_equal(strncmp(answer.p, "HTTP/1.1 400 ", 13), 0);
    const char *body = strstr(answer.p, "\r\n\r\n") + 4, *length = strstr(answer.p, "Content-Length: ") + 16;
    assert_int_equal(strlen(body), strtol(length, NULL, 10));
    assert_non_null(strstr(body, "https"));
    close(fd);
}

static void slow_handshakes_are_cut(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer answer = {0};
    int64_t usual = gateway_limits.handshake_ms, before = handshakes("slow"), start = clock_monotonic_ms();
    gateway_limits.handshake_ms = 800;
    int fd = client_connect();
    send_all(fd, "\x16\x03\x01", 3);
    assert_true(client_read(fd, &answer, NULL, PATIENCE_MS));
    int64_t took = clock_monotonic_ms() - start;
    assert_true(took >= gateway_limits.handshake_ms - 50 && took < usual);
    gateway_limits.handshake_ms = usual;
    await_handshakes("slow", before + 1);
    assert_int_equal(handshakes("slow"), before + 1);
    close(fd);
}

/* Whoever opens connections and says nothing makes room for whoever speaks. */
static void stalled_handshakes_give_way(void **state)
{
    (void)state;
    enum { MANY = 64 };
    int fds[MANY];
    int64_t usual = gateway_limits.handshakes, before = handshakes("evicted");
    SSL_CTX *context = trusting();
    gateway_limits.handshakes = 8;
    for (int i = 0; i < MANY; i++) {
        fds[i] = client_connect();
        send_all(fds[i], "\x16", 1);
    }
    for (int i = 0; i < 10; i++)
        assert_true(works(reach(context, "localhost", "localhost")));
    await_handshakes("evicted", before + MANY - 2 * 8);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    gateway_limits.handshakes = usual;
    SSL_CTX_free(context);
}

/* --- cost --------------------------------------------------------------------------------------------------------- */

/* Connections in this process: what the client's side takes is measured apart and taken off. */
static void idle_connections_cost_little(void **state)
{
    (void)state;
    enum { MANY = 200 };
    static SSL *sessions[MANY];
    SSL_CTX *context = trusting();
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    assert_true(works(reach(context, "localhost", "localhost")));
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < MANY; i++) {
        AUTO_BUFFER struct buffer answer = {0};
        sessions[i] = reach(context, "localhost", "localhost");
        assert_int_equal(ask(sessions[i], "GET /api/x HTTP/1.1\r\n" HOST "\r\n", &answer), 200);
    }
    clock_sleep_ms(50);
    size_t both = mallinfo2().uordblks;
    for (int i = 0; i < MANY; i++) {
        int tcp = dup(SSL_get_fd(sessions[i])); /* the gateway's side stays */
        SSL_free(sessions[i]);
        sessions[i] = (SSL *)(intptr_t)tcp;
    }
    size_t server = mallinfo2().uordblks;
    print_message("memory an idle TLS connection: %zu bytes in the gateway (both sides: %zu)\n",
                  (server - before) / MANY, (both - before) / MANY);
    assert_true((server - before) / MANY < 24 * 1024);
    for (int i = 0; i < MANY; i++)
        close((int)(intptr_t)sessions[i]);
    SSL_CTX_free(context);
}

/* --- given certificates ------------------------------------------------------------------------------------------- */

static void write_given(const struct authority *authority, const char *cert_path, const char *key_path)
{
    struct certificate *certificate;
    struct error error = {0};
    AUTO_BUFFER struct buffer chain = {0}, key = {0};
    assert_int_equal(authority_mint(authority, (const char *const[]){"localhost", NULL}, 3600, &certificate, &error),
                     0);
    certificate_print(certificate, &chain, &key);
    certificate_free(certificate);
    assert_int_equal(file_write(cert_path, buffer_slice(&chain), 0644, &error), 0);
    assert_int_equal(file_write(key_path, buffer_slice(&key), 0600, &error), 0);
}

static struct authority *new_authority(void)
{
    struct authority *authority;
    struct authority_options options = {.name = "somebody else's",
                                        .domains = (const char *const[]){"localhost", NULL},
                                        .networks = NULL,
                                        .lifetime_s = 86400};
    assert_int_equal(authority_new(&options, &authority, NULL), 0);
    return authority;
}

static void trust_only(struct authority *authority)
{
    AUTO_BUFFER struct buffer pem = {0};
    authority_print(authority, &pem, NULL);
    assert_int_equal(file_write(ca_file, buffer_slice(&pem), 0644, NULL), 0);
}

static void given_certificates_are_reloaded(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_FREE char *cert_path = memory_format("%s/given.crt", directory);
    AUTO_FREE char *key_path = memory_format("%s/given.key", directory);
    char listen_at[32];
    struct gateway_tls usual = harness_tls;
    struct authority *first = new_authority(), *second = new_authority();
    harness_stop();
    write_given(first, cert_path, key_path);
    gateway_port = free_port();
    int https = free_port();
    snprintf(listen_at, sizeof(listen_at), "127.0.0.1:%d", https);
    harness_tls = (struct gateway_tls){
        .listen = listen_at, .certificate_file = cert_path, .key_file = key_path, .redirect = true};
    harness_start(2);
    int http = gateway_port;
    gateway_port = https;
    trust_only(first);
    SSL_CTX *context = trusting();
    assert_true(works(reach(context, "localhost", "localhost")));
    assert_true(works(reach(context, "localhost", "whatever.example.com")));
    assert_string_equal(gateway_tls_authority(gateway), "");

    /* Half a change is none; the whole is taken, and connections that are open stay. */
    SSL *open = reach(context, "localhost", "localhost");
    assert_int_equal(file_write(cert_path, SLICE("nonsense"), 0644, NULL), 0);
    assert_int_equal(gateway_tls_refresh(gateway, &error), -ERROR_INVALID);
    assert_non_null(strstr(error.message, cert_path));
    assert_true(works(reach(context, "localhost", "localhost")));
    write_given(second, cert_path, key_path);
    assert_int_equal(gateway_tls_refresh(gateway, &error), 0);
    /* Each loop takes it in its turn. */
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS; works(reach(context, "localhost", "localhost"));)
        assert_true(clock_monotonic_ms() < until);
    assert_true(works(open));
    SSL_CTX_free(context);
    trust_only(second);
    context = trusting();
    assert_true(works(reach(context, "localhost", "localhost")));
    SSL_CTX_free(context);

    /* And http leads there, whatever was asked for, but for probes. */
    AUTO_BUFFER struct buffer answer = {0};
    char wanted[96];
    gateway_port = http;
    int fd = client_connect();
    static const char request[] = "POST /api/x?y=1 HTTP/1.1\r\nHost: notebook-nb1--alice.localhost:1\r\n"
                                  "Content-Length: 0\r\n\r\n";
    send_all(fd, request, sizeof(request) - 1);
    assert_int_equal(client_answer(fd, &answer, false, PATIENCE_MS), 308);
    snprintf(wanted, sizeof(wanted), "Location: https://notebook-nb1--alice.localhost:%d/api/x?y=1\r\n", https);
    assert_non_null(strstr(answer.p, wanted));
    static const char probe[] = "GET /healthz HTTP/1.1\r\n" HOST "\r\n";
    buffer_clear(&answer);
    send_all(fd, probe, sizeof(probe) - 1);
    assert_int_equal(client_answer(fd, &answer, false, PATIENCE_MS), 200);
    close(fd);
    authority_free(first);
    authority_free(second);
    harness_tls = usual;
}

static void wrong_files_are_named(void **state)
{
    (void)state;
    struct error error = {0};
    struct tls_identity *identity;
    AUTO_FREE char *cert_path = memory_format("%s/given.crt", directory);
    AUTO_FREE char *key_path = memory_format("%s/ca.key", directory);
    AUTO_FREE char *absent = memory_format("%s/absent.key", directory);
    assert_int_equal(tls_identity_from_files(cert_path, key_path, &identity, &error), -ERROR_INVALID);
    assert_non_null(strstr(error.message, "the key is not that of the first certificate"));
    error = (struct error){0};
    assert_true(tls_identity_from_files(cert_path, absent, &identity, &error) < 0);
    assert_non_null(strstr(error.message, "absent.key"));
}

int main(int argc, char **argv)
{
    static char listen_at[32];
    log_start("gateway_tls_test", LOG_ERROR);
    signal(SIGPIPE, SIG_IGN);
    gateway_limits.handshake_ms = PATIENCE_MS;
    gateway_limits.linger_ms = 500;
    snprintf(directory, sizeof(directory), "/tmp/atelier-gateway-tls-%d", (int)getpid());
    snprintf(ca_file, sizeof(ca_file), "%s/ca.crt", directory);
    tls_port = free_port();
    snprintf(listen_at, sizeof(listen_at), "127.0.0.1:%d", tls_port);
    harness_tls = (struct gateway_tls){.listen = listen_at, .directory = directory};
    workload_start();
    harness_start(2);
    gateway_port = tls_port;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_host_of_ours_verifies),
        cmocka_unit_test(other_names_get_the_main_certificate),
        cmocka_unit_test(certificates_kept_are_bounded),
        cmocka_unit_test(the_authority_is_kept_and_private),
        cmocka_unit_test(another_base_domain_makes_another_authority),
        cmocka_unit_test(old_protocols_are_refused),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(only_http_1_1_is_spoken),
        cmocka_unit_test(sessions_are_resumed),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(plain_http_is_told_so),
        cmocka_unit_test(slow_handshakes_are_cut),
        cmocka_unit_test(stalled_handshakes_give_way),
        cmocka_unit_test(idle_connections_cost_little),
        cmocka_unit_test(given_certificates_are_reloaded),
        cmocka_unit_test(wrong_files_are_named),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    harness_stop();
    workload_reset();
    file_remove_tree(directory, NULL);
    return failed;
}
