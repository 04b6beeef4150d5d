/* From inside a pod: what can be seen, reached, exhausted or gained that is not the tenant's? Nothing. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/integration/sandboxd_harness.h"

static int setup(void **state)
{
    int failed = bench_setup(state);
    if (!failed) {
        bench_sandbox("alice");
        bench_sandbox("bob");
    }
    return failed;
}

/* A listener of the host's; *ret_port. */
static int listen_on_host(uint32_t address, uint16_t *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    socklen_t size = sizeof(at);
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)&at, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&at, &size), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

/* "open" when a TCP connection from inside succeeds, "shut" otherwise. */
#define TRY_CONNECT                                                                                                    \
    "try() { if timeout 2 bash -c \"exec 3<>/dev/tcp/$1/$2\" 2>/dev/null; then echo \"$3 open\"; else echo \"$3 "      \
    "shut\"; fi; }; "

static void the_hosts_network_is_out_of_reach(void **state)
{
    (void)state;
    uint16_t port;
    AUTO_CLOSE int listener = listen_on_host(INADDR_LOOPBACK, &port);
    AUTO_FREE char *script =
        memory_format(TRY_CONNECT "try 127.0.0.1 %u loopback; try 10.64.0.1 %u bridge; try 1.1.1.1 53 outside; "
                                  "try 169.254.169.254 80 metadata; ip -o link; ip route; "
                                  "(exec 3<>/dev/tcp/10.64.77.77/80) 2>&1 | head -1; echo done",
                      port, port);
    AUTO_FREE char *output = bench_run("alice", "net", bench_pod("u", script), NULL);
    bench_expect(output, "loopback shut");
    bench_expect(output, "bridge shut");
    bench_expect(output, "outside shut");
    bench_expect(output, "metadata shut");
    bench_expect(output, "done");
    bench_expect(output, "10.64.0.0/16 dev eth0");
    bench_refute(output, "default via");
    bench_refute(output, "\n3: "); /* lo and eth0, no third link */
}

/* The same address in two sandboxes: each name leads to one's own pod. */
static void sandboxes_do_not_meet(void **state)
{
    (void)state;
    const char *serve = "cd /tmp && echo \"$WHO\" > who && python3 -m http.server 8000 --bind 0.0.0.0";
    cJSON *spec = bench_pod("u", serve);
    json_set_text(spec, "address", "10.64.9.9");
    json_set_text(json_object_in(bench_container(spec), "env"), "WHO", "alice-was-here");
    cJSON_Delete(bench_start("alice", "web", spec));
    spec = bench_pod("u", serve);
    json_set_text(spec, "address", "10.64.9.9");
    json_set_text(json_object_in(bench_container(spec), "env"), "WHO", "bob-was-here");
    cJSON_Delete(bench_start("bob", "web", spec));
    const char *ask =
        "for i in $(seq 100); do python3 -c \"import urllib.request;"
        "print(urllib.request.urlopen('http://10.64.9.9:8000/who').read().decode())\" 2>/dev/null && break; "
        "sleep 0.1; done";
    AUTO_FREE char *alice = bench_run("alice", "ask", bench_pod("u", ask), NULL);
    AUTO_FREE char *bob = bench_run("bob", "ask", bench_pod("u", ask), NULL);
    bench_expect(alice, "alice-was-here");
    bench_refute(alice, "bob-was-here");
    bench_expect(bob, "bob-was-here");
    bench_refute(bob, "alice-was-here");
    bench_remove("bob", "web");
    AUTO_FREE char *shut = bench_run("bob", "ask", bench_pod("u", TRY_CONNECT "try 10.64.9.9 8000 web"), NULL);
    bench_expect(shut, "web shut"); /* alice's still runs at that address */
    bench_remove("alice", "web");
}

static void the_hosts_files_are_hidden(void **state)
{
    (void)state;
    AUTO_FREE char *secret = bench_path("host-secret");
    bench_put(secret, "top secret");
    AUTO_FREE char *script = memory_format(
        "ls -A / | tr '\\n' ' '; echo; cat %s; cat /etc/shadow; ls -A /root /home /opt /srv /mnt /usr/local; ls "
        "/var/lib; "
        "ls /var/run; ls /proc/1/root/work; grep -c . /etc/passwd; find / -xdev -newermt 2000-01-01 -user root -perm "
        "-0002 -not -type l 2>/dev/null | head; echo \"done\"",
        secret);
    AUTO_FREE char *output = bench_run("alice", "files", bench_pod("u", script), NULL);
    bench_expect(output, "bin dev etc home lib");
    bench_refute(output, "top secret");
    bench_refute(output, "root:!");
    bench_refute(output, "root:*");
    bench_expect(output, "shadow: No such file");
    bench_expect(output, "done");
    AUTO_FREE char *passwd = bench_run("alice", "files", bench_pod("u", "echo $(cut -d: -f1 /etc/passwd)"), NULL);
    assert_string_equal(passwd, "root nobody atelier\n");
}

static void nothing_of_the_system_is_writable(void **state)
{
    (void)state;
    const char *script =
        "w() { if echo x 2>/dev/null > $1; then echo \"WROTE $1\"; fi; }; "
        "for f in /x /etc/x /etc/hosts /usr/x /usr/bin/x /usr/local/x /dev/x /proc/sys/kernel/hostname "
        "/proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/1/oom_score_adj_no /sys/x /var/x /opt/x /home/x "
        "/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory/cgroup.procs /run/.atelier/init "
        "$VIRTUAL_ENV/x; do w $f; done; "
        "for f in /tmp/x /var/tmp/x /run/x /dev/shm/x $HOME/x; do echo x > $f && echo \"ok $f\"; done";
    AUTO_FREE char *output = bench_run("alice", "write", bench_pod("u", script), NULL);
    bench_refute(output, "WROTE");
    bench_expect(output, "ok /tmp/x");
    bench_expect(output, "ok /var/tmp/x");
    bench_expect(output, "ok /run/x");
    bench_expect(output, "ok /dev/shm/x");
    bench_expect(output, "ok /home/atelier/x");
}

static void nothing_is_gained(void **state)
{
    (void)state;
    const char *script = "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp:' /proc/self/status | tr -s '\\t ' ' '; "
                         "mount -t tmpfs none /tmp 2>/dev/null && echo MOUNTED; "
                         "unshare -U true 2>/dev/null && echo USERNS; unshare -m true 2>/dev/null && echo MNTNS; "
                         "su -c id root </dev/null 2>/dev/null && echo SU; "
                         "cp /bin/sh /tmp/sh && chmod u+s /tmp/sh && /tmp/sh -p -c 'id -u'; "
                         "cat /proc/kcore /dev/mem /dev/vda /dev/kmsg 2>/dev/null | head -c1 | wc -c; "
                         "mknod /tmp/disk b 254 0 2>/dev/null && echo MKNOD; "
                         "ulimit -Hc; exit 0";
    AUTO_FREE char *output = bench_run("alice", "gain", bench_pod("u", script), NULL);
    bench_expect(output, "CapPrm: 0000000000000000");
    bench_expect(output, "CapEff: 0000000000000000");
    bench_expect(output, "CapBnd: 0000000000000000");
    bench_expect(output, "NoNewPrivs: 1");
    bench_expect(output, "Seccomp: 2");
    static const char *const gains[] = {"MOUNTED", "USERNS", "MNTNS", "SU\n", "MKNOD", "\n0\n0\n0\n"};
    for (size_t i = 0; i < COUNT_OF(gains); i++)
        bench_refute(output, gains[i]);
}

/* Each number must answer EPERM (1), clone3 ENOSYS (38): asked through libc's syscall(2) itself. */
static void dangerous_system_calls_are_refused(void **state)
{
    (void)state;
    const char *script =
        "python3 -c \"\n"
        "import ctypes, socket\n"
        "l = ctypes.CDLL(None, use_errno=True)\n"
        "def no(name, *a):\n"
        "    ctypes.set_errno(0)\n"
        "    r = l.syscall(*[ctypes.c_long(x) for x in a])\n"
        "    print(name, r, ctypes.get_errno())\n"
        "no('mount',165,0,0,0,0,0)\n"
        "no('unshare',272,0x10000000)\n"
        "no('setns',308,0,0)\n"
        "no('clone',56,0x10000000|17,0,0,0,0)\n"
        "no('clone3',435,0,0)\n"
        "no('keyctl',250,0,0)\n"
        "no('bpf',321,0,0,0)\n"
        "no('perf',298,0,0,0,0,0)\n"
        "no('uffd',323,0)\n"
        "no('uring',425,1,0)\n"
        "no('kexec',246,0,0,0,0)\n"
        "no('handle',304,0,0,0)\n"
        "no('fsopen',430,0,0)\n"
        "no('movemount',429,0,0,0,0,0)\n"
        "no('reboot',169,0,0,0,0)\n"
        "no('swapon',167,0,0)\n"
        "no('pivot',155,0,0)\n"
        "no('acct',163,0)\n"
        "no('vmwrite',311,0,0,0,0,0,0)\n"
        "no('vsock',41,40,1,0)\n"
        "no('alg',41,38,5,0)\n"
        "socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()\n"
        "import threading; t=threading.Thread(target=lambda: print('thread ok')); t.start(); t.join()\n"
        "\"";
    static const char *const refused[] = {
        "mount -1 1",  "unshare -1 1", "setns -1 1", "clone -1 1", "clone3 -1 38", "keyctl -1 1", "bpf -1 1",
        "perf -1 1",   "uffd -1 1",    "uring -1 1", "kexec -1 1", "handle -1 1",  "fsopen -1 1", "movemount -1 1",
        "reboot -1 1", "swapon -1 1",  "pivot -1 1", "acct -1 1",  "vmwrite -1 1", "vsock -1 1",  "alg -1 1"};
    AUTO_FREE char *output = bench_run("alice", "calls", bench_pod("u", script), NULL);
#if defined(__x86_64__)
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        bench_expect(output, refused[i]);
#endif
    bench_expect(output, "thread ok");
}

static void other_processes_are_unseen(void **state)
{
    (void)state;
    cJSON_Delete(bench_start("alice", "other", bench_pod("u", "exec -a marker-process sleep 60")));
    const char *script = "ls /proc | grep -c '^[0-9]'; cat /proc/[0-9]*/cmdline | tr '\\0' ' '; kill -9 -1; echo alive";
    AUTO_FREE char *output = bench_run("alice", "look", bench_pod("u", script), NULL);
    bench_refute(output, "marker-process");
    AUTO_JSON cJSON *record = bench_record("alice", "other");
    assert_string_equal(json_text(record, "phase", NULL), "running");
    bench_remove("alice", "other");
}

static void the_memory_limit_kills(void **state)
{
    (void)state;
    AUTO_JSON cJSON *record = NULL;
    cJSON *spec = bench_pod("u", "exec python3 -c \"x = bytearray(400 << 20); print('had it all')\"");
    AUTO_FREE char *output = bench_run("alice", "hog", spec, &record);
    bench_refute(output, "had it all");
    assert_int_equal(bench_number(bench_first(record), "exit_code"), 137);
    assert_string_equal(json_text(bench_first(record), "reason", NULL), "OOMKilled");
}

static void the_process_limit_holds(void **state)
{
    (void)state;
    cJSON *spec = bench_pod("u", "python3 -c \"\n"
                                 "import os\n"
                                 "n = 0\n"
                                 "try:\n"
                                 "    while n < 500:\n"
                                 "        if os.fork() == 0:\n"
                                 "            import time; time.sleep(30); os._exit(0)\n"
                                 "        n += 1\n"
                                 "except OSError as e: print('stopped by', e.errno)\n"
                                 "print('forked', n)\n\"");
    json_set_i64(bench_container(spec), "pids", 40);
    AUTO_FREE char *output = bench_run("alice", "forks", spec, NULL);
    bench_expect(output, "stopped by 11"); /* EAGAIN */
    bench_expect(output, "forked 3");      /* 37 or 38 beside pid 1, bash and python */
}

static void volumes_of_others_are_invisible(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *first = NULL, *second = NULL;
    assert_int_equal(sandbox_volume_ensure(bench.client, "alice", "home", 32 << 20, &first, &error), 0);
    assert_int_equal(sandbox_volume_ensure(bench.client, "bob", "home", 32 << 20, &second, &error), 0);
    cJSON *spec =
        bench_pod("u", "echo alice-private > $HOME/alices-note; chmod 600 $HOME/alices-note; cat $HOME/alices-note");
    json_set_text(json_object_in(json_member(spec, "volumes"), "home"), "type", "named");
    json_set_text(json_object_in(json_member(spec, "volumes"), "home"), "volume", "home");
    bench_mount(spec, "home", "/home/atelier", "");
    AUTO_FREE char *mine = bench_run("alice", "vol", spec, NULL);
    bench_expect(mine, "alice-private");
    spec = bench_pod("u",
                     "ls -la $HOME; cat $HOME/alices-note; find / -name alices-note -not -path '/proc/*' 2>/dev/null");
    json_set_text(json_object_in(json_member(spec, "volumes"), "home"), "type", "named");
    json_set_text(json_object_in(json_member(spec, "volumes"), "home"), "volume", "home");
    bench_mount(spec, "home", "/home/atelier", "");
    AUTO_FREE char *theirs = bench_run("bob", "vol", spec, NULL);
    bench_refute(theirs, "alice-private");
    bench_refute(theirs, "/alices-note\n");
}

/* A volume's size is a wall, and so is a pod's scratch space. */
static void sizes_are_enforced(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *volume = NULL, *grown = NULL;
    assert_int_equal(sandbox_volume_ensure(bench.client, "alice", "small", 16 << 20, &volume, &error), 0);
    if (access("/dev/loop-control", F_OK) != 0) {
        assert_false(json_true(volume, "enforced", NULL)); /* without loop devices it must not claim to be */
        return;
    }
    assert_true(json_true(volume, "enforced", NULL));
    const char *fill = "head -c 40000000 /dev/zero > /data/f; stat -c %s /data/f";
    cJSON *spec = bench_pod("u", fill);
    json_set_text(json_object_in(json_member(spec, "volumes"), "v"), "type", "named");
    json_set_text(json_object_in(json_member(spec, "volumes"), "v"), "volume", "small");
    bench_mount(spec, "v", "/data", "");
    cJSON *again = json_copy(spec);
    AUTO_FREE char *output = bench_run("alice", "fill", spec, NULL);
    bench_refute(output, "40000000");
    assert_int_equal(sandbox_volume_ensure(bench.client, "alice", "small", 64 << 20, &grown, &error), 0);
    assert_int_equal(bench_number(grown, "bytes"), 64 << 20);
    AUTO_FREE char *roomier = bench_run("alice", "fill", again, NULL);
    bench_expect(roomier, "40000000");
}

/* Links that a tenant puts where a subpath goes lead nowhere. */
static void subpaths_are_not_followed_out(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *volume = NULL, *refused = NULL;
    assert_int_equal(sandbox_volume_ensure(bench.client, "alice", "trap", 16 << 20, &volume, &error), 0);
    cJSON *spec = bench_pod("u", "ln -s / /v/root; ln -s .. /v/up; mkdir /v/good; echo inside > /v/good/f");
    json_set_text(json_object_in(json_member(spec, "volumes"), "v"), "type", "named");
    json_set_text(json_object_in(json_member(spec, "volumes"), "v"), "volume", "trap");
    cJSON *trapped = json_copy(spec);
    bench_mount(spec, "v", "/v", "");
    free(bench_run("alice", "trap", spec, NULL));
    static const char *const paths[] = {"root", "root/etc", "up", "up/up"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        AUTO_JSON cJSON *record = NULL;
        cJSON *bad = json_copy(trapped);
        bench_mount(bad, "v", "/x", paths[i]);
        free(bench_run("alice", "trap", bad, &record));
        assert_string_equal(json_text(bench_first(record), "reason", NULL), "StartError");
    }
    cJSON *dots = json_copy(trapped);
    bench_mount(dots, "v", "/x", "../../etc");
    assert_int_equal(sandbox_pod_start(bench.client, "alice", "trap", dots, &refused, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "containers[0].mounts[0].subpath");
    cJSON_Delete(dots);
    json_remove(bench_container(trapped), "args");
    cJSON *args = json_set(bench_container(trapped), "args", json_array());
    json_push_text(args, "cat");
    json_push_text(args, "/x/f");
    bench_mount(trapped, "v", "/x", "good");
    AUTO_FREE char *good = bench_run("alice", "trap", trapped, NULL);
    bench_expect(good, "inside");
}

static void dials_reach_only_pods_of_the_sandbox(void **state)
{
    (void)state;
    struct error error = {0};
    int fd = -1;
    AUTO_JSON cJSON *record = bench_start("alice", "dialled", bench_pod("u", "sleep 60"));
    const char *address = json_text(record, "address", NULL);
    assert_int_equal(sandbox_dial(bench.client, "bob", address, 80, &fd, &error), -ERROR_NOT_FOUND);
    assert_int_equal(sandbox_dial(bench.client, "alice", "127.0.0.1", 80, &fd, &error), -ERROR_INVALID);
    assert_int_equal(sandbox_dial_within(bench.client, "alice", "127.0.0.1", 80, &fd, &error), -ERROR_INVALID);
    assert_int_equal(sandbox_dial_within(bench.client, "bob", address, 80, &fd, &error), -ERROR_NOT_FOUND);
    assert_int_equal(sandbox_dial(bench.client, "alice", "10.64.0.1", 80, &fd, &error), -ERROR_INVALID);
    assert_int_equal(sandbox_dial(bench.client, "alice", "10.65.0.2", 80, &fd, &error), -ERROR_INVALID);
    assert_int_equal(sandbox_dial(bench.client, "alice", "10.64.44.44", 80, &fd, &error), -ERROR_NOT_FOUND);
    assert_int_equal(sandbox_dial(bench.client, "alice", address, 80, &fd, &error), -ERROR_UNAVAILABLE);
    assert_int_equal(sandbox_dial(bench.client, "carol", address, 80, &fd, &error), -ERROR_NOT_FOUND);
    assert_int_equal(fd, -1);
    bench_remove("alice", "dialled");
}

static void names_cannot_leave_their_directories(void **state)
{
    (void)state;
    static const char *const names[] = {"..", "../bob", "a/b", "", ".", "+bridge", "A", "a_b", "-a", "a.", "x\ny"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct error error = {0};
        AUTO_JSON cJSON *answer = NULL, *spec = bench_pod("u", "true");
        int fd = -1;
        assert_int_equal(sandbox_ensure(bench.client, names[i], &answer, &error), -ERROR_INVALID);
        assert_string_equal(error.field, "sandbox");
        assert_int_equal(sandbox_pod_start(bench.client, "alice", names[i], spec, &answer, &error), -ERROR_INVALID);
        assert_int_equal(sandbox_volume_ensure(bench.client, "alice", names[i], 32 << 20, &answer, &error),
                         -ERROR_INVALID);
        assert_int_equal(sandbox_log(bench.client, "alice", "web", names[i], &fd, &error), -ERROR_INVALID);
        assert_int_equal(sandbox_remove(bench.client, names[i], true, &error), -ERROR_INVALID);
        assert_null(answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hosts_network_is_out_of_reach),
        cmocka_unit_test(sandboxes_do_not_meet),
        cmocka_unit_test(the_hosts_files_are_hidden),
        cmocka_unit_test(nothing_of_the_system_is_writable),
        cmocka_unit_test(nothing_is_gained),
        cmocka_unit_test(dangerous_system_calls_are_refused),
        cmocka_unit_test(other_processes_are_unseen),
        cmocka_unit_test(the_memory_limit_kills),
        cmocka_unit_test(the_process_limit_holds),
        cmocka_unit_test(volumes_of_others_are_invisible),
        cmocka_unit_test(sizes_are_enforced),
        cmocka_unit_test(subpaths_are_not_followed_out),
        cmocka_unit_test(dials_reach_only_pods_of_the_sandbox),
        cmocka_unit_test(names_cannot_leave_their_directories),
    };
    return cmocka_run_group_tests(tests, setup, bench_teardown);
}
