/* Do messages and descriptors cross the socket whole, large ones too, and is nonsense refused without losing any? */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/wire.h"

static int ends[2];

static int setup(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int teardown(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static int open_descriptors(void)
{
    DIR *listing = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(listing))
        count++;
    closedir(listing);
    return count;
}

static void messages_carry_descriptors(void **state)
{
    (void)state;
    AUTO_JSON cJSON *sent = json_object(), *received = NULL;
    AUTO_CLOSE int file = open("/dev/null", O_RDWR | O_CLOEXEC);
    int fd = -1;
    json_set_text(sent, "a", "b");
    assert_int_equal(box_wire_send(ends[0], sent, file, 0), 0);
    assert_int_equal(box_wire_receive(ends[1], &received, &fd, NULL), 0);
    assert_true(json_equal(sent, received));
    assert_true(fd >= 0 && fd != file);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

static void large_messages_are_attached(void **state)
{
    (void)state;
    AUTO_JSON cJSON *sent = json_object(), *received = NULL;
    AUTO_FREE char *big = memory_get(300001);
    int fd = -1, before = open_descriptors();
    memset(big, 'y', 300000);
    json_set_text(sent, "big", big);
    assert_int_equal(box_wire_send(ends[0], sent, STDIN_FILENO, 0), -EMSGSIZE); /* no room for a second descriptor */
    assert_int_equal(box_wire_send(ends[0], sent, -1, 0), 0);
    assert_int_equal(box_wire_receive(ends[1], &received, &fd, NULL), 0);
    assert_true(json_equal(sent, received));
    assert_int_equal(fd, -1);
    assert_int_equal(open_descriptors(), before);
}

static void send_raw(const char *text, const int *fds, size_t count)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(16 * sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    }
    assert_true(sendmsg(ends[0], &message, 0) >= 0);
}

/* Whatever comes, no descriptor stays open and the connection goes on. */
static void nonsense_is_refused_without_leaks(void **state)
{
    (void)state;
    AUTO_CLOSE int memory = memfd_create("test", MFD_CLOEXEC);
    assert_int_equal(write(memory, "{\"op\":", 6), 6);
    int many[16];
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = memory;
    static const struct {
        const char *text;
        size_t fds;
    } table[] = {{"{", 0},
                 {"not json", 1},
                 {"{\"attached\":6}", 0},
                 {"{\"attached\":6}", 1},
                 {"{\"attached\":7}", 1},
                 {"{\"attached\":0}", 1},
                 {"{\"attached\":-5}", 1},
                 {"{\"attached\":99999999999}", 1},
                 {"{\"attached\":\"6\"}", 1},
                 {"{\"a\":1,\"a\":2}", 3},
                 {"{}", 16}};
    int before = open_descriptors();
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct error error = {0};
        cJSON *received = NULL;
        int fd = -1;
        send_raw(table[i].text, many, table[i].fds);
        assert_int_equal(box_wire_receive(ends[1], &received, &fd, &error), -EBADMSG);
        assert_null(received);
        assert_int_equal(fd, -1);
        assert_true(error.message[0]);
        assert_int_equal(open_descriptors(), before);
    }
    AUTO_JSON cJSON *good = NULL;
    int kept = -1;
    send_raw("{}", many, 3); /* the first is kept, the others closed */
    assert_int_equal(box_wire_receive(ends[1], &good, &kept, NULL), 0);
    assert_int_equal(open_descriptors(), before + 1);
    close(kept);
}

static void the_end_is_told(void **state)
{
    (void)state;
    cJSON *received = NULL;
    int fd = -1;
    shutdown(ends[0], SHUT_WR);
    assert_int_equal(box_wire_receive(ends[1], &received, &fd, NULL), -EPIPE);
}

static void codes_have_names(void **state)
{
    (void)state;
    for (int code = 1; code < ERROR_CODE_COUNT; code++)
        assert_int_equal(box_error_code(box_error_name((enum error_code)code)), code);
    assert_string_equal(box_error_name(ERROR_NOT_FOUND), "NOT_FOUND");
    assert_int_equal(box_error_code("NO_SUCH"), ERROR_INTERNAL);
    assert_int_equal(box_error_code(NULL), ERROR_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_carry_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(large_messages_are_attached, setup, teardown),
        cmocka_unit_test_setup_teardown(nonsense_is_refused_without_leaks, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_is_told, setup, teardown),
        cmocka_unit_test(codes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
