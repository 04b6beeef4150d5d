/* Do the ports of a pod share v4.channel.k8s.io as the Kubernetes Python client and a kubelet have it? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine_internal.h"
#include "gateway/port_forward.h"

/* An engine with one pod, whose connections end in the test. */
struct place {
    struct engine base;
    struct port_forwards *forwards;
    pthread_mutex_t lock; /* the next two: the forward's thread dials */
    pthread_cond_t changed;
    int ends[LIMIT_FORWARD_PORTS]; /* the pod's, in the order of their dialling */
    int dialled;
    int client;
};

/* The pod's end of the connection that is made as the <index>th; waits for it. */
static int pod(struct place *place, int index)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&place->lock);
    while (place->dialled <= index)
        assert_int_equal(pthread_cond_timedwait(&place->changed, &place->lock, &until), 0);
    int fd = place->ends[index];
    pthread_mutex_unlock(&place->lock);
    return fd;
}

static void end_pod(struct place *place, int index)
{
    close(pod(place, index));
    place->ends[index] = -1; /* nobody dials that one again */
}

static int get_pod(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
                   struct error *error)
{
    (void)engine;
    if (kind != KIND_POD || strcmp(namespace, "alice") != 0 || strncmp(name, "nb", 2) != 0)
        return error_set(error, ERROR_NOT_FOUND, NULL, "not found");
    *ret = json_object();
    json_set_text(json_object_in(*ret, "status"), "phase", strcmp(name, "nb1-0") == 0 ? "Running" : "Pending");
    return 0;
}

/* Nobody listens at ports below 1024. */
static int dial_pod(struct engine *engine, const char *namespace, const char *pod, uint16_t port, int *ret_fd,
                    struct error *error)
{
    struct place *place = (struct place *)engine;
    int ends[2];
    (void)namespace;
    (void)pod;
    if (port < 1024)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "nothing listens there");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pthread_mutex_lock(&place->lock);
    place->ends[place->dialled++] = ends[1];
    pthread_cond_signal(&place->changed);
    pthread_mutex_unlock(&place->lock);
    *ret_fd = ends[0];
    return 0;
}

static const struct engine_operations operations = {.get = get_pod, .dial_pod = dial_pod};

static int set_up(void **state)
{
    struct place *place = memory_get(sizeof(*place));
    place->base.operations = &operations;
    place->client = -1;
    pthread_mutex_init(&place->lock, NULL);
    pthread_cond_init(&place->changed, NULL);
    place->forwards = port_forwards_new(&place->base);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    if (place->client >= 0)
        close(place->client);
    port_forwards_free(place->forwards); /* waits for the thread */
    for (int i = 0; i < place->dialled; i++)
        if (place->ends[i] >= 0)
            close(place->ends[i]);
    pthread_cond_destroy(&place->changed);
    pthread_mutex_destroy(&place->lock);
    free(place);
    return 0;
}

static void open_ports(struct place *place, struct port_list ports)
{
    struct error error = {0};
    assert_int_equal(port_forward_open(place->forwards, "alice", "nb1-0", &ports, &place->client, &error), 0);
}

/* The next packet; its length, 0 at the end. */
static size_t receive(int fd, char *packet, size_t size)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 5000), 1);
    ssize_t came = recv(fd, packet, size, 0);
    assert_true(came >= 0);
    return (size_t)came;
}

static void assert_packet(struct place *place, const char *expected, size_t count)
{
    char packet[ENGINE_PACKET_BYTES];
    assert_int_equal(receive(place->client, packet, sizeof(packet)), count);
    assert_memory_equal(packet, expected, count);
}
#define ASSERT_PACKET(place, expected) assert_packet(place, expected, sizeof(expected) - 1)

static void assert_end(int fd)
{
    char piece[64];
    assert_int_equal(receive(fd, piece, sizeof(piece)), 0);
}

static void say(int fd, const char *bytes, size_t count)
{
    assert_int_equal(send(fd, bytes, count, MSG_NOSIGNAL), count);
}
#define SAY(fd, bytes) say(fd, bytes, sizeof(bytes) - 1)

static void assert_pod_hears(struct place *place, int index, const char *expected)
{
    char piece[256] = "";
    size_t have = 0;
    while (have < strlen(expected)) {
        size_t came = receive(pod(place, index), piece + have, sizeof(piece) - have);
        assert_true(came > 0);
        have += came;
    }
    assert_int_equal(have, strlen(expected));
    assert_memory_equal(piece, expected, have);
}

static void each_channel_begins_with_its_port(void **state)
{
    struct place *place = *state;
    open_ports(place, (struct port_list){.at = {8888, 0x1234}, .count = 2});
    ASSERT_PACKET(place, "\0\xb8\x22");
    ASSERT_PACKET(place, "\1\xb8\x22");
    ASSERT_PACKET(place, "\2\x34\x12");
    ASSERT_PACKET(place, "\3\x34\x12");
}

static void greeted(struct place *place, size_t ports)
{
    char packet[8];
    for (size_t i = 0; i < 2 * ports; i++)
        assert_int_equal(receive(place->client, packet, sizeof(packet)), 3);
}

static void bytes_go_both_ways_to_the_port_meant(void **state)
{
    struct place *place = *state;
    open_ports(place, (struct port_list){.at = {8888, 9999}, .count = 2});
    greeted(place, 2);
    SAY(place->client, "\2second");
    assert_pod_hears(place, 1, "second");
    SAY(place->client, "\0first");
    SAY(place->client, "\0, and more");
    assert_pod_hears(place, 0, "first, and more");
    SAY(pod(place, 1), "to you");
    ASSERT_PACKET(place, "\2to you");
    SAY(pod(place, 0), "too");
    ASSERT_PACKET(place, "\0too");
}

static void what_is_for_no_port_is_nobodys(void **state)
{
    struct place *place = *state;
    open_ports(place, (struct port_list){.at = {8888}, .count = 1});
    greeted(place, 1);
    SAY(place->client, "\1for the channel of errors");
    SAY(place->client, "\2for no port");
    SAY(place->client, "\377nor that");
    SAY(place->client, "\0");
    SAY(place->client, "\0here");
    assert_pod_hears(place, 0, "here");
}

static void one_that_is_not_reached_is_said_and_the_others_go_on(void **state)
{
    struct place *place = *state;
    open_ports(place, (struct port_list){.at = {9, 8888}, .count = 2});
    greeted(place, 2);
    ASSERT_PACKET(place, "\1error forwarding port 9 to pod nb1-0: nothing listens there");
    SAY(place->client, "\0in vain");
    SAY(place->client, "\2on");
    assert_pod_hears(place, 0, "on"); /* the first that was dialled with success */
}

static void it_ends_when_all_ports_have(void **state)
{
    struct place *place = *state;
    open_ports(place, (struct port_list){.at = {8888, 9999}, .count = 2});
    greeted(place, 2);
    end_pod(place, 0);
    SAY(pod(place, 1), "still here");
    ASSERT_PACKET(place, "\2still here");
    SAY(pod(place, 1), "last words");
    end_pod(place, 1);
    ASSERT_PACKET(place, "\2last words");
    assert_end(place->client);
}

static void none_that_is_reached_is_the_end(void **state)
{
    struct place *place = *state;
    open_ports(place, (struct port_list){.at = {9}, .count = 1});
    greeted(place, 1);
    ASSERT_PACKET(place, "\1error forwarding port 9 to pod nb1-0: nothing listens there");
    assert_end(place->client);
}

/* A WebSocket's Close ends the direction (gateway/forward.c): what was said before still reaches the pod. */
static void what_a_client_said_before_its_end_arrives(void **state)
{
    struct place *place = *state;
    open_ports(place, (struct port_list){.at = {8888}, .count = 1});
    greeted(place, 1);
    SAY(place->client, "\0last words");
    shutdown(place->client, SHUT_WR);
    assert_pod_hears(place, 0, "last words");
    assert_end(pod(place, 0));
    assert_end(place->client);
}

static void a_client_that_is_gone_ends_it(void **state)
{
    struct place *place = *state;
    open_ports(place, (struct port_list){.at = {8888, 9999}, .count = 2});
    greeted(place, 2);
    close(place->client);
    place->client = -1;
    assert_end(pod(place, 0));
    assert_end(pod(place, 1));
}

/* A pod that does not read stops its client; one that is gone meanwhile ends it all the same. */
static void whoever_does_not_read_is_waited_for(void **state)
{
    struct place *place = *state;
    char packet[ENGINE_PACKET_BYTES] = {0};
    size_t sent = 0;
    open_ports(place, (struct port_list){.at = {8888}, .count = 1});
    greeted(place, 1);
    struct pollfd room = {.fd = place->client, .events = POLLOUT};
    while (poll(&room, 1, 300) == 1 && sent < (64 << 20)) {
        ssize_t count = send(place->client, packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT);
        assert_true(count > 0 || errno == EAGAIN);
        sent += count > 0 ? (size_t)count - 1 : 0;
    }
    assert_in_range(sent, LIMIT_FORWARD_BYTES, 8 << 20);
    for (size_t left = sent; left > 0;)
        left -= receive(pod(place, 0), packet, left < sizeof(packet) ? left : sizeof(packet));
    SAY(pod(place, 0), "all of it");
    ASSERT_PACKET(place, "\0all of it");
    while (poll(&room, 1, 300) == 1 && send(place->client, packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        continue;
    close(place->client);
    place->client = -1; /* tear_down waits for the thread */
}

/* Whole messages of as many bytes as the gateway's bridge takes at a time. */
static void a_pod_may_say_much_at_once(void **state)
{
    struct place *place = *state;
    static char piece[40000], heard[40000];
    char packet[ENGINE_PACKET_BYTES + 1];
    open_ports(place, (struct port_list){.at = {8888}, .count = 1});
    greeted(place, 1);
    for (size_t i = 0; i < sizeof(piece); i++)
        piece[i] = (char)(i * 7);
    say(pod(place, 0), piece, sizeof(piece));
    for (size_t have = 0; have < sizeof(heard);) {
        size_t count = receive(place->client, packet, sizeof(packet));
        assert_in_range(count, 2, ENGINE_PACKET_BYTES);
        assert_int_equal(packet[0], 0);
        memcpy(heard + have, packet + 1, count - 1);
        have += count - 1;
    }
    assert_memory_equal(heard, piece, sizeof(piece));
}

static void only_pods_that_run_and_only_so_many(void **state)
{
    struct place *place = *state;
    struct error error = {0};
    const struct port_list ports = {.at = {8888}, .count = 1};
    int64_t most = gateway_limits.tenant_port_forwards;
    int other;
    assert_int_equal(port_forward_open(place->forwards, "alice", "other", &ports, &other, &error), -ERROR_NOT_FOUND);
    assert_int_equal(port_forward_open(place->forwards, "alice", "nb2-0", &ports, &other, &error), -ERROR_CONFLICT);
    gateway_limits.tenant_port_forwards = 1;
    open_ports(place, ports);
    assert_int_equal(port_forward_open(place->forwards, "alice", "nb1-0", &ports, &other, &error), -ERROR_LIMITED);
    gateway_limits.tenant_port_forwards = most;
}

/* The gateway stops. */
static void all_end_together(void **state)
{
    struct place *place = *state;
    open_ports(place, (struct port_list){.at = {8888}, .count = 1});
    greeted(place, 1);
    port_forwards_free(place->forwards);
    place->forwards = NULL;
    assert_end(place->client);
    assert_end(pod(place, 0));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_channel_begins_with_its_port),
        TEST(bytes_go_both_ways_to_the_port_meant),
        TEST(what_is_for_no_port_is_nobodys),
        TEST(one_that_is_not_reached_is_said_and_the_others_go_on),
        TEST(it_ends_when_all_ports_have),
        TEST(none_that_is_reached_is_the_end),
        TEST(what_a_client_said_before_its_end_arrives),
        TEST(a_client_that_is_gone_ends_it),
        TEST(whoever_does_not_read_is_waited_for),
        TEST(a_pod_may_say_much_at_once),
        TEST(only_pods_that_run_and_only_so_many),
        TEST(all_end_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
