/*
 * Does the gateway keep its word when everything is encrypted? Every test of gateway_test.c, and the whole corpus of
 * tests/attacks/wire, over TLS: what is decided must not depend on it.
 */
#define GATEWAY_OVER_TLS
#include "tests/attacks/gateway_harness.h"
#include "tests/attacks/tls_client.h"

#include <signal.h>

#include "base/file.h"

static char tls_directory[64];

static void harness_start_tls(void)
{
    static char listen_at[32];
    signal(SIGPIPE, SIG_IGN); /* OpenSSL's own socket calls on the client's side */
    snprintf(tls_directory, sizeof(tls_directory), "/tmp/atelier-gateway-tls-%d", (int)getpid());
    int tls_port = free_port();
    snprintf(listen_at, sizeof(listen_at), "127.0.0.1:%d", tls_port);
    harness_tls = (struct gateway_tls){.listen = listen_at, .directory = tls_directory};
    harness_start(2);
    gateway_port = tls_port;
    client_wrap = tls_client_wrap;
}

static __attribute__((destructor)) void remove_directory(void)
{
    file_remove_tree(tls_directory, NULL);
}

#include "tests/integration/gateway_test.c"
