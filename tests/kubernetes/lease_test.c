/* Do two replicas never lead at once, whatever becomes of the one that led? Real Leases, connections that are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/kubernetes/lease.h"
#include "fault_proxy.h"

#define PATIENCE_MS 90000
#define NAMESPACE "lease-test"
#define LEASE_TARGET "/apis/coordination.k8s.io/v1/namespaces/" NAMESPACE "/leases/" LEASE_NAME

static struct kube_client *direct, *proxied;
static struct fault_proxy proxy;

static int set_up(void **state)
{
    (void)state;
    struct kube_config config = {0};
    struct error error = {0};
    int64_t port = 0;
    if (kube_config_load(getenv("ATELIER_TEST_KUBECONFIG"), "", &config, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(kube_client_new(&config, &direct, &error), 0);
    assert_true(text_parse_i64(slice_of(strrchr(config.server, ':') + 1), 1, UINT16_MAX, &port));
    assert_true(proxy_start(&proxy, (uint16_t)port));
    free(config.server);
    config.server = memory_format("https://127.0.0.1:%u", proxy.port);
    assert_int_equal(kube_client_new(&config, &proxied, &error), 0);
    kube_config_free(&config);
    const struct kube_request make = {
        .method = "POST",
        .target = "/api/v1/namespaces",
        .content_type = "application/json",
        .body = slice_of("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"" NAMESPACE "\"}}")};
    int r = kube_call(direct, &make, NULL, &error);
    assert_true(r == 0 || r == -ERROR_EXISTS);
    r = kube_call(direct, &(struct kube_request){.method = "DELETE", .target = LEASE_TARGET}, NULL, &error);
    assert_true(r == 0 || r == -ERROR_NOT_FOUND);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kube_client_free(proxied);
    kube_client_free(direct);
    proxy_stop(&proxy);
    return 0;
}

static bool comes_to_lead(const struct lease *lease)
{
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS; clock_monotonic_ms() < until; clock_sleep_ms(5))
        if (lease_held(lease))
            return true;
    return false;
}

static cJSON *read_lease(void)
{
    cJSON *lease = NULL;
    struct error error = {0};
    if (kube_call(direct, &(struct kube_request){.method = "GET", .target = LEASE_TARGET}, &lease, &error) < 0)
        fail_msg("%s", error.message);
    return lease;
}

/* The other may begin only after this one has ended: both are asked all the while, the new one first. However late the
 * second answer comes, an old one that still leads then led when the new one did. */
static void a_cut_off_leader_ends_before_another_begins(void **state)
{
    (void)state;
    struct lease *first = lease_new(proxied, NAMESPACE, "first");
    assert_true(comes_to_lead(first));
    struct lease *second = lease_new(direct, NAMESPACE, "second");
    clock_sleep_ms(2 * LEASE_RENEW_MS); /* it has seen the first one's renewals */
    assert_true(lease_held(first));
    assert_false(lease_held(second));
    proxy_break(&proxy, true, 0);
    int64_t cut_ms = clock_monotonic_ms(), ended_ms = 0, began_ms = 0;
    while (!began_ms && clock_monotonic_ms() < cut_ms + PATIENCE_MS) {
        bool new = lease_held(second);
        bool old = lease_held(first);
        assert_false(old && new);
        if (!old && !ended_ms)
            ended_ms = clock_monotonic_ms();
        if (new)
            began_ms = clock_monotonic_ms();
        clock_sleep_ms(2);
    }
    assert_true(ended_ms > 0 && began_ms > 0);
    assert_true(began_ms >= ended_ms);
    print_message("ended %lld ms after the cut, the other began %lld ms later\n", (long long)(ended_ms - cut_ms),
                  (long long)(began_ms - ended_ms));
    /* Back again, the first one follows. */
    proxy_break(&proxy, false, 0);
    for (int64_t until = clock_monotonic_ms() + 2 * LEASE_DURATION_S * 1000; clock_monotonic_ms() < until;) {
        assert_false(lease_held(first));
        clock_sleep_ms(20);
    }
    assert_true(lease_held(second));
    AUTO_JSON cJSON *object = read_lease();
    assert_string_equal(json_text(object, "spec", "holderIdentity", NULL), "second");
    lease_free(first);
    lease_free(second);
}

static void who_is_away_for_a_moment_goes_on_leading(void **state)
{
    (void)state;
    struct lease *lease = lease_new(proxied, NAMESPACE, "only");
    assert_true(comes_to_lead(lease));
    clock_sleep_ms(LEASE_RENEW_MS);
    proxy_break(&proxy, true, 0);
    for (int64_t until = clock_monotonic_ms() + LEASE_RENEW_MS; clock_monotonic_ms() < until; clock_sleep_ms(5))
        assert_true(lease_held(lease));
    proxy_break(&proxy, false, 0);
    for (int64_t until = clock_monotonic_ms() + 2 * LEASE_HOLD_MS; clock_monotonic_ms() < until; clock_sleep_ms(5))
        assert_true(lease_held(lease));
    AUTO_JSON cJSON *object = read_lease();
    int64_t transitions = -1;
    assert_int_equal(json_i64(json_at(object, "spec", "leaseTransitions", NULL), &transitions), true);
    assert_int_equal(transitions, 0);
    lease_free(lease);
}

static void one_of_many_leads_and_gives_back(void **state)
{
    (void)state;
    struct lease *leases[4];
    char identity[16];
    for (size_t i = 0; i < COUNT_OF(leases); i++) {
        snprintf(identity, sizeof(identity), "replica-%zu", i);
        leases[i] = lease_new(direct, NAMESPACE, identity);
    }
    size_t left = COUNT_OF(leases);
    while (left) {
        size_t holder = left;
        for (int64_t until = clock_monotonic_ms() + PATIENCE_MS; holder == left && clock_monotonic_ms() < until;
             clock_sleep_ms(5)) {
            size_t held = 0;
            for (size_t i = 0; i < left; i++)
                if (lease_held(leases[i])) {
                    holder = i;
                    held++;
                }
            assert_true(held <= 1);
        }
        assert_true(holder < left);
        lease_free(leases[holder]);
        leases[holder] = leases[--left];
    }
    AUTO_JSON cJSON *object = read_lease();
    assert_string_equal(json_text_or("", object, "spec", "holderIdentity", NULL), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_cut_off_leader_ends_before_another_begins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_away_for_a_moment_goes_on_leading, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_of_many_leads_and_gives_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
