/* Is the OCI runtime told what keeps a tenant inside? */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/local/sandboxd/bundle.h"
#include "engine/local/sandboxd/seccomp.h"

static cJSON *render(const char *container_text, const struct box_bind *binds, size_t count)
{
    cJSON *container = NULL;
    assert_int_equal(json_parse(slice_of(container_text), &json_limits_default, &container, NULL), 0);
    struct box_bundle bundle = {.container = container,
                                .hostname = "h1",
                                .address = "10.64.0.2",
                                .uid = 2000000,
                                .image = "/srv/images/ray/venv",
                                .netns = "/run/x/netns",
                                .cgroup = "/atelier-t/alice/p/main",
                                .rootfs = "/run/x/rootfs",
                                .etc = "/run/x/etc",
                                .shm = "/run/x/shm",
                                .init = "/run/x/init",
                                .empty = "/run/x/empty",
                                .tmp = "/s/tmp",
                                .var_tmp = "/s/vartmp",
                                .home = "/s/home",
                                .binds = binds,
                                .bind_count = count,
                                .nofile = 20000,
                                .swap_limited = true};
    cJSON *config = box_bundle_render(&bundle);
    cJSON_Delete(container);
    return config;
}

static const cJSON *mount_at(const cJSON *config, const char *destination)
{
    const cJSON *mount, *found = NULL;
    cJSON_ArrayForEach(mount, json_member(config, "mounts"))
    {
        if (!strcmp(json_text(mount, "destination", NULL), destination)) {
            assert_null(found); /* nothing is mounted twice */
            found = mount;
        }
    }
    return found;
}

static bool has_text(const cJSON *list, const char *text)
{
    const cJSON *at;
    cJSON_ArrayForEach(at, list)
    {
        if (!strcmp(at->valuestring, text))
            return true;
    }
    return false;
}

static int64_t number(const cJSON *value)
{
    int64_t result = -1;
    assert_true(json_i64(value, &result));
    return result;
}

static void privileges_are_none(void **state)
{
    (void)state;
    static const char *const sets[] = {"bounding", "effective", "permitted", "inheritable", "ambient"};
    AUTO_JSON cJSON *config = render("{\"args\":[\"x\"]}", NULL, 0);
    for (size_t i = 0; i < COUNT_OF(sets); i++) {
        const cJSON *set = json_at(config, "process", "capabilities", sets[i], NULL);
        assert_true(cJSON_IsArray(set) && cJSON_GetArraySize(set) == 0);
    }
    assert_true(json_true(config, "process", "noNewPrivileges", NULL));
    assert_true(json_true(config, "root", "readonly", NULL));
    assert_int_equal(number(json_at(config, "process", "user", "uid", NULL)), 2000000);
    assert_int_equal(number(json_at(config, "process", "user", "gid", NULL)), 2000000);
    assert_null(json_at(config, "process", "oomScoreAdj", NULL));
    static const char *const namespaces[] = {"pid", "ipc", "uts", "mount", "cgroup", "network"};
    const cJSON *list = json_at(config, "linux", "namespaces", NULL), *at;
    assert_int_equal(cJSON_GetArraySize(list), COUNT_OF(namespaces));
    size_t index = 0;
    cJSON_ArrayForEach(at, list)
    {
        assert_string_equal(json_text(at, "type", NULL), namespaces[index++]);
    }
    assert_true(has_text(json_at(config, "linux", "readonlyPaths", NULL), "/proc/sys"));
    assert_true(has_text(json_at(config, "linux", "maskedPaths", NULL), "/proc/kcore"));
}

static void mounts_are_read_only_but_for_the_private(void **state)
{
    (void)state;
    AUTO_JSON cJSON *config = render("{\"args\":[\"x\"]}", NULL, 0);
    static const char *const writable[] = {"/tmp", "/var/tmp", "/home/atelier", "/dev/shm"};
    const cJSON *mount;
    cJSON_ArrayForEach(mount, json_member(config, "mounts"))
    {
        const char *destination = json_text(mount, "destination", NULL);
        const cJSON *options = json_member(mount, "options");
        bool expected = false;
        for (size_t i = 0; i < COUNT_OF(writable); i++)
            expected = expected || !strcmp(destination, writable[i]);
        if (!strcmp(json_text(mount, "type", NULL), "bind")) {
            assert_int_equal(has_text(options, "rw"), expected);
            assert_int_equal(has_text(options, "ro"), !expected);
        }
        assert_true(has_text(options, "nosuid"));
    }
    assert_string_equal(json_text(mount_at(config, "/srv/images/ray/venv"), "source", NULL), "/srv/images/ray/venv");
    assert_string_equal(json_text(mount_at(config, "/usr/local"), "source", NULL), "/run/x/empty");
}

/* A parent mounted after its child would hide it. */
static void parents_are_mounted_first(void **state)
{
    (void)state;
    struct box_bind binds[] = {{memory_text("/v/deep"), "/home/atelier/a/b", false},
                               {memory_text("/v/home"), "/home/atelier", false},
                               {memory_text("/v/images"), "/srv/images", true},
                               {memory_text("/v/shm"), "/dev/shm", false}};
    AUTO_JSON cJSON *config = render("{\"args\":[\"x\"]}", binds, COUNT_OF(binds));
    const cJSON *late, *early;
    for (late = json_member(config, "mounts")->child; late; late = late->next)
        for (early = json_member(config, "mounts")->child; early != late; early = early->next) {
            const char *child = json_text(early, "destination", NULL), *parent = json_text(late, "destination", NULL);
            if (!strncmp(child, parent, strlen(parent)) && child[strlen(parent)] == '/')
                fail_msg("%s is mounted before %s", child, parent);
        }
    assert_string_equal(json_text(mount_at(config, "/home/atelier"), "source", NULL), "/v/home");
    assert_string_equal(json_text(mount_at(config, "/dev/shm"), "source", NULL), "/v/shm");
    assert_non_null(mount_at(config, "/srv/images/ray/venv")); /* a volume cannot hide the image */
    for (size_t i = 0; i < COUNT_OF(binds); i++)
        free(binds[i].source);
}

static void limits_are_passed_on(void **state)
{
    (void)state;
    AUTO_JSON cJSON *config =
        render("{\"args\":[\"x\"],\"cpu_milli\":500,\"memory_bytes\":1073741824,\"pids\":100}", NULL, 0);
    const cJSON *resources = json_at(config, "linux", "resources", NULL);
    assert_int_equal(number(json_at(resources, "cpu", "shares", NULL)), 512);
    assert_int_equal(number(json_at(resources, "cpu", "quota", NULL)), 50000);
    assert_int_equal(number(json_at(resources, "memory", "limit", NULL)), 1073741824);
    assert_int_equal(number(json_at(resources, "memory", "swap", NULL)), 1073741824);
    assert_int_equal(number(json_at(resources, "pids", "limit", NULL)), 100);
    AUTO_JSON cJSON *least = render("{\"args\":[\"x\"],\"cpu_milli\":1}", NULL, 0);
    assert_int_equal(number(json_at(least, "linux", "resources", "cpu", "shares", NULL)), 2);
    assert_int_equal(number(json_at(least, "linux", "resources", "cpu", "quota", NULL)), 1000);
    assert_int_equal(number(json_at(least, "linux", "resources", "pids", "limit", NULL)), 4096);
    assert_null(json_at(least, "linux", "resources", "memory", NULL));
    assert_int_equal(number(json_at(config, "process", "rlimits", NULL)->child->child->next), 20000);
}

static void the_environment_has_defaults_that_yield(void **state)
{
    (void)state;
    AUTO_JSON cJSON *config =
        render("{\"args\":[\"a\",\"--ip=$(POD_IP)\"],\"env\":{\"HOME\":\"/x\",\"ME\":\"$(POD_IP)\"}}", NULL, 0);
    const cJSON *env = json_at(config, "process", "env", NULL), *args = json_at(config, "process", "args", NULL);
    assert_true(has_text(env, "HOME=/x"));
    assert_false(has_text(env, "HOME=/home/atelier"));
    assert_true(has_text(env, "ME=10.64.0.2"));
    assert_true(has_text(env, "USER=atelier"));
    assert_true(has_text(env, "PATH=/srv/images/ray/venv/bin:/usr/bin:/usr/sbin:/bin:/sbin"));
    assert_string_equal(args->child->valuestring, BOX_INIT_PATH);
    assert_true(has_text(args, "--ip=10.64.0.2"));
}

static void the_profile_refuses_by_default(void **state)
{
    (void)state;
    static const char *const never[] = {"mount",
                                        "umount2",
                                        "pivot_root",
                                        "setns",
                                        "unshare",
                                        "keyctl",
                                        "add_key",
                                        "request_key",
                                        "bpf",
                                        "perf_event_open",
                                        "kexec_load",
                                        "init_module",
                                        "finit_module",
                                        "delete_module",
                                        "userfaultfd",
                                        "swapon",
                                        "swapoff",
                                        "reboot",
                                        "acct",
                                        "quotactl",
                                        "settimeofday",
                                        "clock_settime",
                                        "adjtimex",
                                        "iopl",
                                        "ioperm",
                                        "move_mount",
                                        "fsopen",
                                        "fsmount",
                                        "fsconfig",
                                        "open_tree",
                                        "mount_setattr",
                                        "io_uring_setup",
                                        "io_uring_enter",
                                        "io_uring_register",
                                        "process_vm_writev",
                                        "open_by_handle_at",
                                        "name_to_handle_at",
                                        "chroot",
                                        "syslog",
                                        "vhangup",
                                        "nfsservctl",
                                        "modify_ldt",
                                        "sethostname",
                                        "setdomainname",
                                        "lookup_dcookie",
                                        "kcmp",
                                        "fanotify_init",
                                        "clone",
                                        "clone3",
                                        "socket",
                                        "personality",
                                        "memfd_secret",
                                        "quotactl_fd"};
    static const char *const always[] = {"read",       "write",  "openat",           "execve",
                                         "futex",      "ptrace", "process_vm_readv", "memfd_create",
                                         "epoll_wait", "rseq",   "getrandom",        "faccessat2"};
    for (size_t i = 0; i < COUNT_OF(never); i++)
        if (box_seccomp_allows(never[i]))
            fail_msg("%s is allowed", never[i]);
    for (size_t i = 0; i < COUNT_OF(always); i++)
        if (!box_seccomp_allows(always[i]))
            fail_msg("%s is not allowed", always[i]);
    AUTO_JSON cJSON *profile = box_seccomp_profile();
    assert_string_equal(json_text(profile, "defaultAction", NULL), "SCMP_ACT_ERRNO");
    const cJSON *rule;
    int families = 0;
    cJSON_ArrayForEach(rule, json_member(profile, "syscalls"))
    {
        if (!strcmp(json_member(rule, "names")->child->valuestring, "clone")) {
            const cJSON *argument = json_member(rule, "args")->child;
            assert_string_equal(json_text(argument, "op", NULL), "SCMP_CMP_MASKED_EQ");
            assert_int_equal(number(json_member(argument, "value")), 0x7E020000);
            assert_int_equal(number(json_member(argument, "valueTwo")), 0);
        }
        families += !strcmp(json_member(rule, "names")->child->valuestring, "socket");
    }
    assert_int_equal(families, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(privileges_are_none),
        cmocka_unit_test(mounts_are_read_only_but_for_the_private),
        cmocka_unit_test(parents_are_mounted_first),
        cmocka_unit_test(limits_are_passed_on),
        cmocka_unit_test(the_environment_has_defaults_that_yield),
        cmocka_unit_test(the_profile_refuses_by_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
