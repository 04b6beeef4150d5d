/* Is it understood what a WebSocket into a pod asks for, and in which protocol? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "gateway/pod_request.h"

static bool parse(const char *part, const char *protocols, const char *query, struct pod_request **ret,
                  const char **ret_subprotocol)
{
    struct http_fault fault = {0};
    struct http_request request = {.path = SLICE("/api/v1/namespaces/alice/pods/nb1-0/any"), .query = slice_of(query)};
    request.fields.at[0] = (struct header){SLICE("Sec-WebSocket-Protocol"), slice_of(protocols)};
    request.fields.count = 1;
    bool good = pod_request_parse(&request, slice_of(part), ret, ret_subprotocol, &fault);
    assert_true(good || (fault.status == 400 && fault.what));
    return good;
}

static void assert_refused(const char *part, const char *protocols, const char *query)
{
    struct pod_request *request;
    const char *protocol;
    if (parse(part, protocols, query, &request, &protocol))
        fail_msg("%s?%s over %s was understood", part, query, protocols);
}

static void commands_are_in_channels(void **state)
{
    struct pod_request *request;
    const char *protocol;
    (void)state;
    assert_true(parse("exec", "v4.channel.k8s.io, v5.channel.k8s.io", "command=sh&command=-c&stdin=true&container=c",
                      &request, &protocol));
    assert_string_equal(protocol, "v5.channel.k8s.io");
    assert_string_equal(request->pod, "nb1-0");
    assert_string_equal(request->container, "c");
    assert_int_equal(cJSON_GetArraySize(request->exec.command), 2);
    assert_true(request->exec.in && !request->exec.out && !request->forward && pod_request_has_channels(request));
    pod_request_free(request);
    assert_refused("exec", "v4.channel.k8s.io", "stdin=true");
    assert_refused("exec", "SPDY/3.1+portforward.k8s.io", "command=sh");
    assert_refused("exec", "v4.channel.k8s.io", "command=sh&container=Not+a+name");
}

static void a_containers_own_output_is_asked_for_without_a_command(void **state)
{
    struct pod_request *request;
    const char *protocol;
    (void)state;
    assert_true(
        parse("attach", "v5.channel.k8s.io", "stdin=true&stdout=true&command=sh&container=c", &request, &protocol));
    assert_null(request->exec.command);
    assert_true(request->exec.out && !request->exec.err && !request->forward && pod_request_has_channels(request));
    pod_request_free(request);
    assert_refused("attach", "v5.channel.k8s.io", "stdin=true");
    assert_refused("attach", "SPDY/3.1+portforward.k8s.io", "stdout=true");
}

/* What the Kubernetes Python client sends. */
static void ports_are_named_or_left_to_spdy(void **state)
{
    struct pod_request *request;
    const char *protocol;
    (void)state;
    assert_true(
        parse("portforward", "v5.channel.k8s.io,v4.channel.k8s.io", "ports=8888%2C1&ports=65535", &request, &protocol));
    assert_string_equal(protocol, "v4.channel.k8s.io");
    assert_int_equal(request->ports.count, 3);
    assert_int_equal(request->ports.at[0], 8888);
    assert_int_equal(request->ports.at[1], 1);
    assert_int_equal(request->ports.at[2], 65535);
    assert_true(request->forward && pod_request_has_channels(request));
    pod_request_free(request);
    assert_true(
        parse("portforward", "v4.channel.k8s.io, SPDY/3.1+portforward.k8s.io", "ports=8888", &request, &protocol));
    assert_string_equal(protocol, "SPDY/3.1+portforward.k8s.io");
    assert_true(request->forward && request->ports.count == 0 && !pod_request_has_channels(request));
    pod_request_free(request);
}

static void ports_that_are_none_are_refused(void **state)
{
    static const char *const queries[] = {"",          "ports=",    "ports=0",    "ports=65536",    "ports=-1",
                                          "ports=a",   "ports=,",   "ports=1,,2", "ports=1&ports=", "ports=1+",
                                          "command=1", "ports=%00", "ports=0x10"};
    AUTO_BUFFER struct buffer many = {0};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(queries); i++)
        assert_refused("portforward", "v4.channel.k8s.io", queries[i]);
    assert_refused("portforward", "v5.channel.k8s.io", "ports=8888");
    for (size_t i = 0; i < LIMIT_FORWARD_PORTS; i++)
        buffer_add_format(&many, "%sports=%zu", i ? "&" : "", 8000 + i);
    struct pod_request *request;
    const char *protocol;
    assert_true(parse("portforward", "v4.channel.k8s.io", many.p, &request, &protocol));
    assert_int_equal(request->ports.count, LIMIT_FORWARD_PORTS);
    pod_request_free(request);
    buffer_add_text(&many, "&ports=9000");
    assert_refused("portforward", "v4.channel.k8s.io", many.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_in_channels),
        cmocka_unit_test(a_containers_own_output_is_asked_for_without_a_command),
        cmocka_unit_test(ports_are_named_or_left_to_spdy),
        cmocka_unit_test(ports_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
