/* Does atelier-sandboxd run, watch, keep and remove pods as engine/local/sandbox.h promises, whoever kills it when? */
#include <dirent.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/integration/sandboxd_harness.h"

static int setup(void **state)
{
    int failed = bench_setup(state);
    if (!failed)
        bench_sandbox("alice");
    return failed;
}

static void named_volume(cJSON *spec, const char *name, const char *path)
{
    cJSON *volume = json_object_in(json_member(spec, "volumes"), name);
    json_set_text(volume, "type", "named");
    json_set_text(volume, "volume", name);
    bench_mount(spec, name, path, "");
}

static void ensure_volume(const char *sandbox, const char *name)
{
    struct error error = {0};
    AUTO_JSON cJSON *volume = NULL;
    assert_int_equal(sandbox_volume_ensure(bench.client, sandbox, name, 32 << 20, &volume, &error), 0);
}

/* --- one pod -------------------------------------------------------------------------------------------------------
 */

static void a_pod_runs_to_its_end(void **state)
{
    (void)state;
    AUTO_JSON cJSON *record = NULL;
    cJSON *spec = bench_pod("u-1", "echo at $POD_IP $WHERE $0; echo oops >&2; exit 3");
    json_set_text(json_object_in(bench_container(spec), "env"), "WHERE", "<$(POD_IP)>");
    json_push_text(json_member(bench_container(spec), "args"), "arg-$(POD_IP)");
    json_set_text(spec, "address", "10.64.3.4");
    AUTO_FREE char *output = bench_run("alice", "one", spec, &record);
    const cJSON *container = bench_first(record);
    bench_expect(output, "at 10.64.3.4 <10.64.3.4> arg-10.64.3.4\n");
    bench_expect(output, "oops\n");
    assert_string_equal(json_text(record, "uid", NULL), "u-1");
    assert_string_equal(json_text(record, "address", NULL), "10.64.3.4");
    assert_string_equal(json_text(container, "state", NULL), "exited");
    assert_string_equal(json_text(container, "reason", NULL), "Error");
    assert_string_equal(json_text(container, "message", NULL), "oops");
    assert_int_equal(bench_number(container, "exit_code"), 3);
    assert_true(bench_number(container, "finished_at") >= bench_number(container, "started_at"));
    assert_true(bench_number(container, "started_at") > 1600000000000);
    assert_null(bench_record("alice", "one"));
}

static void starting_again_is_the_same_pod(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *first = bench_start("alice", "same", bench_pod("u-1", "sleep 60"));
    AUTO_JSON cJSON *second = bench_start("alice", "same", bench_pod("u-1", "sleep 60"));
    AUTO_JSON cJSON *other = bench_pod("u-2", "sleep 60"), *record = NULL, *thief = bench_pod("u-3", "true");
    assert_true(json_equal(first, second));
    assert_int_equal(sandbox_pod_start(bench.client, "alice", "same", other, &record, &error), -ERROR_EXISTS);
    json_set_text(thief, "address", json_text(first, "address", NULL));
    assert_int_equal(sandbox_pod_start(bench.client, "alice", "thief", thief, &record, &error), -ERROR_CONFLICT);
    assert_null(record);
    bench_remove("alice", "same");
    bench_remove("alice", "same"); /* idempotent */
}

static void refusals_name_the_field(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *record = NULL, *spec = bench_pod("u", "true");
    assert_int_equal(sandbox_pod_start(bench.client, "nobody", "x", spec, &record, &error), -ERROR_NOT_FOUND);
    assert_string_equal(error.field, "sandbox");
    json_set_text(bench_container(spec), "image", "absent");
    assert_int_equal(sandbox_pod_start(bench.client, "alice", "x", spec, &record, &error), -ERROR_NOT_FOUND);
    assert_string_equal(error.field, "image");
    json_set_text(bench_container(spec), "image", "plain");
    named_volume(spec, "missing", "/data");
    assert_int_equal(sandbox_pod_start(bench.client, "alice", "x", spec, &record, &error), -ERROR_NOT_FOUND);
    assert_string_equal(error.field, "volume");
    assert_null(bench_record("alice", "x")); /* nothing of it stayed */
    json_set_text(json_member(bench_container(spec), "mounts")->child, "path", "/usr/lib");
    assert_int_equal(sandbox_pod_start(bench.client, "alice", "x", spec, &record, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "containers[0].mounts[0].path");
}

static cJSON *add_container(cJSON *spec, const char *name, bool init, const char *script)
{
    cJSON *added = json_push(json_member(spec, "containers"), json_copy(bench_container(spec)));
    json_set_text(added, "name", name);
    json_set_bool(added, "init", init);
    cJSON *args = json_set(added, "args", json_array());
    json_push_text(args, "/bin/bash");
    json_push_text(args, "-c");
    json_push_text(args, script);
    return added;
}

static void init_containers_come_first_in_order(void **state)
{
    (void)state;
    cJSON *spec = bench_pod("u", "cat /job/order");
    json_set_text(json_object_in(json_member(spec, "volumes"), "work"), "type", "empty");
    bench_mount(spec, "work", "/job", "");
    add_container(spec, "first", true, "sleep 0.3; echo first >> /job/order");
    add_container(spec, "second", true, "echo second >> /job/order");
    AUTO_FREE char *output = bench_run("alice", "inits", spec, NULL);
    assert_string_equal(output, "first\nsecond\n");
}

static void a_failed_init_container_ends_the_pod(void **state)
{
    (void)state;
    AUTO_JSON cJSON *record = NULL;
    cJSON *spec = bench_pod("u", "echo never");
    add_container(spec, "check", true, "echo not today; exit 9");
    AUTO_FREE char *output = bench_run("alice", "noinit", spec, &record);
    assert_string_equal(output, "");
    assert_int_equal(bench_number(bench_first(record), "started_at"), 0);
    assert_int_equal(bench_number(bench_first(record)->next, "exit_code"), 9);
    assert_string_equal(json_text(bench_first(record)->next, "message", NULL), "not today");
}

static void containers_of_a_pod_share_network_and_memory(void **state)
{
    (void)state;
    cJSON *spec = bench_pod("u", "for i in $(seq 100); do (echo hi > /dev/tcp/127.0.0.1/7000) 2>/dev/null && break; "
                                 "sleep 0.1; done; cat /dev/shm/said; df --output=size -B1 /dev/shm | tail -1");
    json_set_i64(spec, "shm_bytes", 8 << 20);
    add_container(spec, "peer", false,
                  "python3 -c \"import socket; s=socket.create_server(('127.0.0.1',7000)); c=s.accept()[0]; "
                  "open('/dev/shm/said','w').write('peer heard\\n'); c.close()\"; sleep 1");
    AUTO_FREE char *output = bench_run("alice", "pair", spec, NULL);
    bench_expect(output, "8388608");
}

static void restarts_follow_the_policy(void **state)
{
    (void)state;
    cJSON *spec = bench_pod("u", "echo ran; exit 1");
    json_set_text(bench_container(spec), "restart", "OnFailure");
    cJSON_Delete(bench_start("alice", "crash", spec));
    int64_t end = clock_monotonic_ms() + BENCH_PATIENCE_MS;
    for (;;) {
        AUTO_JSON cJSON *record = bench_record("alice", "crash");
        if (bench_number(bench_first(record), "restarts") >= 2 &&
            strcmp(json_text_or("", bench_first(record), "reason", NULL), "CrashLoopBackOff") == 0) {
            assert_non_null(strstr(json_text(bench_first(record), "message", NULL), "Error (exit code 1): ran"));
            assert_string_equal(json_text(record, "phase", NULL), "running");
            break;
        }
        assert_true(clock_monotonic_ms() < end);
        clock_sleep_ms(20);
    }
    AUTO_FREE char *output = bench_output("alice", "crash");
    assert_true(strncmp(output, "ran\nran\n", 8) == 0); /* logs go on over a restart */
    bench_remove("alice", "crash");

    AUTO_JSON cJSON *done = NULL;
    spec = bench_pod("u", "exit 0");
    json_set_text(bench_container(spec), "restart", "OnFailure");
    free(bench_run("alice", "fine", spec, &done));
    assert_string_equal(json_text(bench_first(done), "reason", NULL), "Completed");
    assert_int_equal(bench_number(bench_first(done), "restarts"), 0);
}

static void stopping_is_gentle_then_not(void **state)
{
    (void)state;
    struct error error = {0};
    cJSON_Delete(bench_start("alice", "gentle",
                             bench_pod("u", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done")));
    cJSON_Delete(bench_start("alice", "deaf", bench_pod("u", "trap '' TERM; echo up; while :; do sleep 0.05; done")));
    bench_await_output("alice", "gentle", "up");
    bench_await_output("alice", "deaf", "up");
    int64_t begun = clock_monotonic_ms();
    assert_int_equal(sandbox_pod_stop(bench.client, "alice", "gentle", -1, &error), 0);
    assert_int_equal(sandbox_pod_stop(bench.client, "alice", "deaf", 1, &error), 0);
    AUTO_JSON cJSON *gentle = bench_wait("alice", "gentle", "stopped");
    AUTO_JSON cJSON *deaf = bench_wait("alice", "deaf", "stopped");
    int64_t took = clock_monotonic_ms() - begun;
    assert_int_equal(bench_number(bench_first(gentle), "exit_code"), 0);
    assert_int_equal(bench_number(bench_first(deaf), "exit_code"), 137);
    assert_in_range(took, 900, BENCH_PATIENCE_MS);
    AUTO_FREE char *output = bench_output("alice", "gentle");
    bench_expect(output, "bye"); /* logs stay until the pod is removed */
    bench_remove("alice", "gentle");
    bench_remove("alice", "deaf");
    assert_int_equal(sandbox_pod_stop(bench.client, "alice", "deaf", 1, &error), -ERROR_NOT_FOUND);
}

/* pid 1 is ours: it reaps what the program orphaned and passes signals on. */
static void orphans_are_reaped(void **state)
{
    (void)state;
    const char *script = "for i in 1 2 3 4 5; do (sleep 0.05 & ); done; sleep 0.5; "
                         "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l; cat /proc/1/comm";
    AUTO_FREE char *output = bench_run("alice", "orphans", bench_pod("u", script), NULL);
    assert_string_equal(output, "0\ninit\n");
    AUTO_JSON cJSON *record = NULL;
    cJSON *spec = bench_pod("u", "");
    cJSON *args = json_set(bench_container(spec), "args", json_array());
    json_push_text(args, "no-such-program");
    AUTO_FREE char *missing = bench_run("alice", "absent", spec, &record);
    bench_expect(missing, "no-such-program: No such file or directory");
    assert_int_equal(bench_number(bench_first(record), "exit_code"), 127);
}

static void terminals_work(void **state)
{
    (void)state;
    AUTO_FREE char *output = bench_run(
        "alice", "tty", bench_pod("u", "python3 -c \"import pty; pty.spawn(['/bin/sh','-c','tty; id -un'])\""), NULL);
    bench_expect(output, "/dev/pts/0");
    bench_expect(output, "atelier");
}

/* --- volumes -------------------------------------------------------------------------------------------------------
 */

static void volumes_keep_what_pods_write(void **state)
{
    (void)state;
    struct error error = {0};
    ensure_volume("alice", "home");
    cJSON *spec = bench_pod("u", "ls -A; echo kept > note; stat -c %U . note; sleep 60");
    named_volume(spec, "home", "/home/atelier");
    cJSON_Delete(bench_start("alice", "writer", spec));
    bench_await_output("alice", "writer", "atelier\natelier");
    assert_int_equal(sandbox_volume_remove(bench.client, "alice", "home", &error), -ERROR_CONFLICT);
    bench_remove("alice", "writer");
    spec = bench_pod("u", "cat /data/note; echo x 2>&1 > /data/x || true");
    named_volume(spec, "home", "/data");
    json_set_bool(json_member(bench_container(spec), "mounts")->child, "readonly", true);
    AUTO_FREE char *output = bench_run("alice", "reader", spec, NULL);
    bench_expect(output, "kept");
    bench_expect(output, "Read-only file system");
    assert_int_equal(sandbox_volume_remove(bench.client, "alice", "home", &error), 0);
    assert_int_equal(sandbox_volume_remove(bench.client, "alice", "home", &error), 0);
}

static void files_are_shown_as_they_were_given(void **state)
{
    (void)state;
    cJSON *spec = bench_pod("u", "cat /etc/config/greeting; stat -c %a /etc/config/greeting; cat /etc/one; "
                                 "echo x 2>&1 > /etc/config/greeting || true");
    cJSON *volume = json_object_in(json_member(spec, "volumes"), "cfg");
    json_set_text(volume, "type", "files");
    json_set_i64(volume, "mode", 0400);
    json_set_text(json_set(volume, "files", json_object()), "greeting", "aGVsbG8K");
    bench_mount(spec, "cfg", "/etc/config", "");
    bench_mount(spec, "cfg", "/etc/one", "greeting");
    AUTO_FREE char *output = bench_run("alice", "files", spec, NULL);
    bench_expect(output, "hello\n400\nhello\n");
    bench_expect(output, "Read-only file system");
}

/* More than a packet holds: the request travels in a memfd. */
static void large_requests_arrive(void **state)
{
    (void)state;
    size_t size = 200000;
    AUTO_FREE char *big = memory_get(size + 1);
    memset(big, 'x', size);
    AUTO_FREE char *encoded = text_base64(big, size);
    cJSON *spec = bench_pod("u", "stat -c %s /cfg/big");
    cJSON *volume = json_object_in(json_member(spec, "volumes"), "cfg");
    json_set_text(volume, "type", "files");
    json_set_text(json_set(volume, "files", json_object()), "big", encoded);
    bench_mount(spec, "cfg", "/cfg", "");
    AUTO_FREE char *output = bench_run("alice", "large", spec, NULL);
    assert_string_equal(output, "200000\n");
}

static void memory_volumes_have_their_size(void **state)
{
    (void)state;
    cJSON *spec =
        bench_pod("u", "head -c 9000000 /dev/zero 2> /dev/null > /fast/f; stat -c %s /fast/f; stat -f -c %T /fast");
    cJSON *volume = json_object_in(json_member(spec, "volumes"), "fast");
    json_set_text(volume, "type", "empty");
    json_set_bool(volume, "memory", true);
    json_set_i64(volume, "bytes", 4 << 20);
    bench_mount(spec, "fast", "/fast", "");
    AUTO_FREE char *output = bench_run("alice", "fast", spec, NULL);
    bench_expect(output, "4194304\ntmpfs");
}

/* --- network -------------------------------------------------------------------------------------------------------
 */

static void hosts_follow_while_pods_run(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *entries = json_array();
    cJSON *entry = json_push(entries, json_object());
    json_set_text(entry, "address", "10.64.5.5");
    cJSON *names = json_set(entry, "names", json_array());
    json_push_text(names, "rc-head-svc");
    json_push_text(names, "rc-head-svc.alice.svc.cluster.local");
    cJSON_Delete(bench_start("alice", "names",
                             bench_pod("u", "echo $(getent hosts h1 names); until getent hosts "
                                            "rc-head-svc.alice.svc.cluster.local; do sleep 0.05; "
                                            "done; while getent hosts rc-head-svc >/dev/null; do "
                                            "sleep 0.05; done; echo forgotten; sleep 60")));
    bench_await_output("alice", "names", "names");
    assert_int_equal(sandbox_hosts(bench.client, "alice", entries, &error), 0);
    bench_await_output("alice", "names", "10.64.5.5");
    AUTO_FREE char *late = bench_run("alice", "late", bench_pod("u", "getent hosts rc-head-svc"), NULL);
    bench_expect(late, "10.64.5.5"); /* pods that start later know it, too */
    AUTO_JSON cJSON *none = json_array();
    assert_int_equal(sandbox_hosts(bench.client, "alice", none, &error), 0);
    bench_await_output("alice", "names", "forgotten");
    json_set_text(entry, "address", "192.168.1.1");
    assert_int_equal(sandbox_hosts(bench.client, "alice", entries, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "entries[0].address");
    bench_remove("alice", "names");
}

static void dialled_connections_carry_bytes(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *record = bench_start(
        "alice", "echo",
        bench_pod("u", "python3 -c \"import socket; s=socket.create_server(('0.0.0.0',7777)); print('up',flush=True)\n"
                       "while True:\n c=s.accept()[0]; c.sendall(c.recv(64).upper()); c.close()\""));
    bench_await_output("alice", "echo", "up");
    for (int i = 0; i < 20; i++) {
        AUTO_CLOSE int fd = -1;
        char reply[16] = "";
        assert_int_equal(sandbox_dial(bench.client, "alice", json_text(record, "address", NULL), 7777, &fd, &error), 0);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_int_equal(write(fd, "hello", 5), 5);
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, BENCH_PATIENCE_MS), 1);
        assert_int_equal(read(fd, reply, sizeof(reply)), 5);
        assert_string_equal(reply, "HELLO");
    }
    bench_remove("alice", "echo");
}

/* As kubectl port-forward reaches it: a program that listens on the loopback alone, or on the pod's address alone. */
static void from_inside_a_pod_its_loopback_is_reached(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *record =
        bench_start("alice", "shy",
                    bench_pod("u", "python3 -c \"import socket,os,threading\n"
                                   "def serve(s, word):\n"
                                   " while True:\n  c = s.accept()[0]; c.sendall(word); c.close()\n"
                                   "def begin(at, word):\n"
                                   " threading.Thread(target=serve, args=(socket.create_server(at), word)).start()\n"
                                   "own = socket.gethostbyname(socket.gethostname())\n"
                                   "begin((own, 7778), b'own')\n"
                                   "begin(('127.0.0.1', 7777), b'loopback')\n"
                                   "print('up', flush=True)\""));
    const char *address = json_text(record, "address", NULL);
    bench_await_output("alice", "shy", "up");
    AUTO_CLOSE int outside = -1;
    assert_int_equal(sandbox_dial(bench.client, "alice", address, 7777, &outside, &error), -ERROR_UNAVAILABLE);
    static const struct {
        uint16_t port;
        const char *word;
    } wanted[] = {{7777, "loopback"}, {7778, "own"}};
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        AUTO_CLOSE int fd = -1;
        char reply[16] = "";
        assert_int_equal(sandbox_dial_within(bench.client, "alice", address, wanted[i].port, &fd, &error), 0);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, BENCH_PATIENCE_MS), 1);
        assert_int_equal(read(fd, reply, sizeof(reply) - 1), (ssize_t)strlen(wanted[i].word));
        assert_string_equal(reply, wanted[i].word);
    }
    int none = -1;
    assert_int_equal(sandbox_dial_within(bench.client, "alice", address, 7779, &none, &error), -ERROR_UNAVAILABLE);
    assert_non_null(strstr(error.message, "port 7779"));
    bench_remove("alice", "shy");
}

static void a_listener_inside_is_reached_by_pods_only(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_CLOSE int listener = -1;
    assert_int_equal(sandbox_listen(bench.client, "alice", 8443, &listener, &error), 0);
    cJSON_Delete(
        bench_start("alice", "caller", bench_pod("u", "exec 3<>/dev/tcp/10.64.0.1/8443; echo ping >&3; cat <&3")));
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, BENCH_PATIENCE_MS), 1);
    AUTO_CLOSE int connection = accept(listener, NULL, NULL);
    char bytes[16] = "";
    assert_int_equal(read(connection, bytes, sizeof(bytes)), 5);
    assert_string_equal(bytes, "ping\n");
    assert_int_equal(write(connection, "pong\n", 5), 5);
    shutdown(connection, SHUT_RDWR);
    cJSON_Delete(bench_wait("alice", "caller", "stopped"));
    AUTO_FREE char *output = bench_output("alice", "caller");
    assert_string_equal(output, "pong\n");
    bench_remove("alice", "caller");
}

/* --- watching ------------------------------------------------------------------------------------------------------
 */

struct events {
    pthread_mutex_t lock;
    int connections, pods;
};

static void count_event(void *context, const char *sandbox, const char *pod)
{
    struct events *events = context;
    pthread_mutex_lock(&events->lock);
    events->connections += !sandbox;
    events->pods += sandbox && !strcmp(sandbox, "alice") && !strcmp(pod, "seen");
    pthread_mutex_unlock(&events->lock);
}

static void await_events(struct events *events, int connections, int pods)
{
    int64_t end = clock_monotonic_ms() + BENCH_PATIENCE_MS;
    for (bool enough = false; !enough; clock_sleep_ms(10)) {
        pthread_mutex_lock(&events->lock);
        enough = events->connections >= connections && events->pods >= pods;
        pthread_mutex_unlock(&events->lock);
        assert_true(clock_monotonic_ms() < end);
    }
}

static void changes_are_told(void **state)
{
    (void)state;
    struct error error = {0};
    struct events events = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct sandbox_client *watcher = sandbox_client_new(bench.socket);
    assert_int_equal(sandbox_subscribe(watcher, count_event, &events, &error), 0);
    await_events(&events, 1, 0);
    free(bench_run("alice", "seen", bench_pod("u", "true"), NULL));
    await_events(&events, 1, 3); /* running, stopped, gone */
    bench_end(SIGTERM);
    bench_up();
    await_events(&events, 2, 3);
    sandbox_client_free(watcher);
}

static void usage_is_measured(void **state)
{
    (void)state;
    struct error error = {0};
    cJSON_Delete(bench_start("alice", "busy",
                             bench_pod("u", "python3 -c \"x=bytearray(40<<20); print('up',flush=True); "
                                            "import time; time.sleep(60)\"")));
    bench_await_output("alice", "busy", "up");
    AUTO_JSON cJSON *usage = NULL;
    int64_t before_ms = clock_monotonic_ms();
    assert_int_equal(sandbox_usage(bench.client, &usage, &error), 0);
    const cJSON *pod = json_member(usage, "pods")->child;
    assert_string_equal(json_text(pod, "pod", NULL), "busy");
    assert_in_range(bench_number(pod, "memory_bytes"), 40 << 20, 128 << 20);
    assert_in_range(bench_number(pod, "cpu_ms"), 5, 60000);
    assert_in_range(bench_number(pod, "at_ms"), before_ms, clock_monotonic_ms());
    const cJSON *container = json_member(pod, "containers")->child;
    assert_non_null(json_text(container, "name", NULL));
    assert_in_range(bench_number(container, "memory_bytes"), 40 << 20, bench_number(pod, "memory_bytes"));
    assert_in_range(bench_number(container, "at_ms"), before_ms, clock_monotonic_ms());
    const cJSON *machine = json_member(usage, "machine");
    assert_true(bench_number(machine, "memory_bytes") > bench_number(pod, "memory_bytes"));
    assert_true(bench_number(machine, "cpu_ms") > bench_number(pod, "cpu_ms"));
    bench_remove("alice", "busy");
}

/* The number in a process's group, or that of all its installation: in cgroup v1's file, or first in v2's. */
static int64_t cpu_number_of(int64_t pid, bool installation, const char *in_v1, const char *in_v2)
{
    AUTO_BUFFER struct buffer groups = {0}, text = {0};
    AUTO_FREE char *name = memory_format("/proc/%lld/cgroup", (long long)pid);
    int64_t number = 0;
    assert_int_equal(file_read(name, 65536, &groups, NULL), 0);
    struct slice rest = buffer_slice(&groups), unused;
    while (rest.n && !number) {
        struct slice line = slice_split(rest, '\n', &rest), path = {0};
        slice_split(line, ':', &line);
        slice_split(line, ':', &path);
        const char *own = memmem(path.p, path.n, "/atelier-", 9);
        const char *below = own ? memchr(own + 1, '/', (size_t)(path.p + path.n - own - 1)) : NULL;
        if (installation && below)
            path.n = (size_t)(below - path.p);
        AUTO_FREE char *v1 = memory_format("/sys/fs/cgroup/cpu%.*s/%s", (int)path.n, path.p, in_v1);
        AUTO_FREE char *v2 = memory_format("/sys/fs/cgroup%.*s/%s", (int)path.n, path.p, in_v2);
        if (file_read(v1, 64, &text, NULL) != 0 && file_read(v2, 64, &text, NULL) != 0)
            continue;
        struct slice first = slice_split(buffer_slice(&text), '\n', &unused);
        text_parse_i64(slice_split(first, ' ', &unused), 1, INT64_MAX, &number);
    }
    return number;
}

/* Microseconds. */
static int64_t quota_of(int64_t pid)
{
    return cpu_number_of(pid, false, "cpu.cfs_quota_us", "cpu.max");
}

static void an_installation_weighs_as_a_process_on_each_processor(void **state)
{
    (void)state;
    cJSON_Delete(bench_start("alice", "weighed", bench_pod("u", "echo up; sleep 60")));
    AUTO_JSON cJSON *record = bench_wait("alice", "weighed", "running");
    int64_t weight = cpu_number_of(bench_number(bench_container(record), "pid"), true, "cpu.shares", "cpu.weight");
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    assert_true(weight == 1024 * cores || weight == 100 * cores);
    bench_remove("alice", "weighed");
}

static void a_start_may_take_more_than_the_limit_of_cpu(void **state)
{
    (void)state;
    AUTO_JSON cJSON *spec = bench_pod("u", "echo up; sleep 60");
    json_set_i64(bench_container(spec), "cpu_milli", 300);
    int64_t pid = 0;
    for (bool seen = false; !seen;) {
        cJSON_Delete(bench_start("alice", "begins", json_copy(spec)));
        AUTO_JSON cJSON *record = bench_wait("alice", "begins", "running");
        pid = bench_number(bench_container(record), "pid");
        seen = quota_of(pid) == 200000;
        if (!seen) { /* it was over before anybody looked */
            assert_true(clock_wall_ms() - bench_number(bench_container(record), "started_at") >= 2000);
            bench_remove("alice", "begins");
        }
    }
    bench_end(SIGKILL); /* whoever comes after it ends it all the same */
    bench_up();
    for (int i = 0; i < BENCH_PATIENCE_MS / 25 && quota_of(pid) != 30000; i++)
        clock_sleep_ms(25);
    assert_int_equal(quota_of(pid), 30000);
    bench_remove("alice", "begins");
}

static void strangers_cannot_connect(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", bench.socket);
        int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        if (chmod(bench.directory, 0755) || setgid(65534) || setuid(65534))
            _exit(2);
        _exit(connect(fd, (struct sockaddr *)(void *)&address, sizeof(address)) == 0 ? 1 : 0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 0);
    /* Even with the file's mode opened by mistake: the peer's uid is looked at. */
    assert_int_equal(chmod(bench.socket, 0666), 0);
    child = fork();
    if (child == 0) {
        struct error error = {0};
        cJSON *hello = NULL;
        if (setgid(65534) || setuid(65534))
            _exit(2);
        struct sandbox_client *client = sandbox_client_new(bench.socket);
        _exit(sandbox_hello(client, &hello, &error) == -ERROR_UNAVAILABLE ? 0 : 1);
    }
    waitpid(child, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 0);
    chmod(bench.socket, 0600);
}

static void nonsense_is_answered_and_survived(void **state)
{
    (void)state;
    static const char *const packets[] = {"",
                                          "{",
                                          "[]",
                                          "null",
                                          "{\"op\":7}",
                                          "{\"op\":\"pod_start\"}",
                                          "{\"op\":\"no\\u001bsuch\"}",
                                          "{\"attached\":5}",
                                          "{\"attached\":-1}",
                                          "{\"op\":\"hello\",\"op\":\"hello\"}",
                                          "{\"op\":\"dial\",\"sandbox\":\"alice\"}",
                                          "{\"op\":\"pod_list\",\"sandbox\":[]}",
                                          "{\"op\":\"hosts\",\"sandbox\":\"alice\",\"entries\":{}}"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", bench.socket);
    for (size_t i = 1; i < COUNT_OF(packets); i++) {
        AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        char reply[4096] = "";
        assert_int_equal(connect(fd, (struct sockaddr *)(void *)&address, sizeof(address)), 0);
        assert_true(send(fd, packets[i], strlen(packets[i]), 0) >= 0);
        assert_true(recv(fd, reply, sizeof(reply) - 1, 0) > 0);
        assert_non_null(strstr(reply, "\"ok\":false"));
        assert_non_null(strstr(reply, "\"message\":\""));
        assert_null(strchr(reply, 0x1b));
    }
    AUTO_JSON cJSON *hello = NULL;
    assert_int_equal(sandbox_hello(bench.client, &hello, NULL), 0);
    assert_true(json_true(hello, "root", NULL));
    assert_non_null(json_text(hello, "runtime", NULL));
}

/* --- what a crash leaves -------------------------------------------------------------------------------------------
 */

static void pods_outlive_a_killed_daemon(void **state)
{
    (void)state;
    AUTO_JSON cJSON *before = bench_start("alice", "steady", bench_pod("u", "while :; do echo tick; sleep 0.1; done"));
    AUTO_JSON cJSON *begun = bench_start("alice", "brief", bench_pod("u", "sleep 0.7; echo gone; exit 42"));
    bench_await_output("alice", "steady", "tick");
    bench_end(SIGKILL);
    int64_t end = clock_monotonic_ms() + BENCH_PATIENCE_MS;
    while (kill((pid_t)bench_number(bench_first(begun), "pid"), 0) == 0 && clock_monotonic_ms() < end)
        clock_sleep_ms(20); /* it ends while nobody watches */
    clock_sleep_ms(500);
    int64_t up_ms = clock_wall_ms();
    bench_up();
    AUTO_JSON cJSON *steady = bench_record("alice", "steady");
    AUTO_JSON cJSON *brief = bench_wait("alice", "brief", "stopped");
    assert_int_equal(bench_number(bench_first(steady), "pid"), bench_number(bench_first(before), "pid"));
    assert_string_equal(json_text(steady, "address", NULL), json_text(before, "address", NULL));
    assert_int_equal(bench_number(bench_first(brief), "exit_code"), 42);
    /* When it ended, not when we learned of it. */
    assert_in_range(bench_number(bench_first(brief), "finished_at"),
                    bench_number(bench_first(brief), "started_at") + 500, up_ms - 1);
    /* and the end of an adopted pod is noticed */
    kill((pid_t)bench_number(bench_first(steady), "pid"), SIGKILL);
    AUTO_JSON cJSON *ended = bench_wait("alice", "steady", "stopped");
    assert_int_equal(bench_number(bench_first(ended), "exit_code"), 137);
    bench_remove("alice", "steady");
    bench_remove("alice", "brief");
}

static void a_lost_monitor_ends_its_container(void **state)
{
    (void)state;
    cJSON_Delete(bench_start("alice", "orphan", bench_pod("u", "sleep 60")));
    AUTO_FREE char *path = bench_path("run/state/pods/alice/orphan/c/main/monitor.pid");
    AUTO_BUFFER struct buffer text = {0};
    int64_t pid;
    struct slice rest;
    assert_int_equal(file_read(path, 64, &text, NULL), 0);
    assert_true(text_parse_i64(slice_split(buffer_slice(&text), '\n', &rest), 2, INT32_MAX, &pid));
    kill((pid_t)pid, SIGKILL);
    AUTO_JSON cJSON *record = bench_wait("alice", "orphan", "stopped");
    assert_string_equal(json_text(bench_first(record), "reason", NULL), "MonitorLost");
    bench_remove("alice", "orphan");
}

static bool tag_has_leftovers(const char *sandbox, const char *except)
{
    AUTO_FREE char *command = memory_format("%s/run/state/netns/%s", bench.directory, sandbox);
    DIR *listing = opendir(command);
    const struct dirent *entry;
    bool found = false;
    while (listing && (entry = readdir(listing)))
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "+bridge") && strcmp(entry->d_name, except)) {
            print_error("left over: %s\n", entry->d_name);
            found = true;
        }
    if (listing)
        closedir(listing);
    return found;
}

struct storm {
    _Atomic bool stop;
    struct sandbox_client *client;
};

static void *make_storm(void *context)
{
    struct storm *storm = context;
    for (int i = 0; !storm->stop; i = (i + 1) % 3) {
        struct error error = {0};
        AUTO_FREE char *name = memory_format("storm-%d", i);
        AUTO_JSON cJSON *spec = bench_pod("u", "sleep 60"), *record = NULL;
        if (sandbox_pod_start(storm->client, "alice", name, spec, &record, &error) == 0)
            sandbox_pod_remove(storm->client, "alice", name, &error);
        else
            clock_sleep_ms(10);
    }
    return NULL;
}

/* Killed at any moment of making and removing pods; whatever is found next is adopted or gone. */
static void any_moment_is_a_good_one_to_crash(void **state)
{
    (void)state;
    struct storm storm = {.client = sandbox_client_new(bench.socket)};
    pthread_t thread;
    AUTO_JSON cJSON *before = bench_start("alice", "witness", bench_pod("u", "sleep 600"));
    pthread_create(&thread, NULL, make_storm, &storm);
    for (int i = 0; i < 12; i++) {
        clock_sleep_ms(60 + i * 23 % 170);
        bench_end(SIGKILL);
        bench_up();
    }
    storm.stop = true;
    pthread_join(thread, NULL);
    sandbox_client_free(storm.client);
    AUTO_JSON cJSON *witness = bench_record("alice", "witness");
    assert_int_equal(bench_number(bench_first(witness), "pid"), bench_number(bench_first(before), "pid"));
    AUTO_JSON cJSON *list = NULL;
    assert_int_equal(sandbox_pod_list(bench.client, "alice", &list, NULL), 0);
    const cJSON *pod;
    cJSON_ArrayForEach(pod, list)
    {
        bench_remove("alice", json_text(pod, "pod", NULL));
    }
    assert_false(tag_has_leftovers("alice", ""));
    free(bench_run("alice", "after", bench_pod("u", "true"), NULL));
}

/* What of this installation the kernel still holds: mounts, and a cgroup directory. */
static bool kernel_remembers(const char *what)
{
    AUTO_BUFFER struct buffer mounts = {0};
    assert_int_equal(file_read("/proc/self/mountinfo", (size_t)16 << 20, &mounts, NULL), 0);
    AUTO_FREE char *needle = memory_format("%s/%s", bench.directory, what);
    return strstr(mounts.p, needle) != NULL;
}

static void a_sandbox_goes_without_a_trace(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_FREE char *data = bench_path("data/sandboxes/bob");
    AUTO_FREE char *state_directory = bench_path("run/state/pods/bob");
    bench_sandbox("bob");
    ensure_volume("bob", "home");
    cJSON *spec = bench_pod("u", "trap '' TERM; sleep 600");
    named_volume(spec, "home", "/home/atelier");
    cJSON_Delete(bench_start("bob", "one", spec));
    cJSON_Delete(bench_start("bob", "two", bench_pod("u", "sleep 600")));
    assert_true(kernel_remembers("run/state/sandboxes/bob") || file_exists(data));
    assert_int_equal(sandbox_remove(bench.client, "bob", true, &error), 0);
    assert_int_equal(sandbox_remove(bench.client, "bob", true, &error), 0);
    assert_false(file_exists(data));
    assert_false(file_exists(state_directory));
    assert_false(kernel_remembers("run/state/sandboxes/bob"));
    assert_false(kernel_remembers("run/state/netns/bob"));
    assert_false(kernel_remembers("run/state/pods/bob"));
    assert_false(kernel_remembers("data/scratch/bob"));
    AUTO_JSON cJSON *bystander = bench_record("alice", "bystander");
    assert_string_equal(json_text(bystander, "phase", NULL), "running");
}

/* The bystander lives through the removal of its neighbour, interrupted or not. */
static int with_bystander(void **state)
{
    (void)state;
    cJSON_Delete(bench_start("alice", "bystander", bench_pod("u", "sleep 600")));
    return 0;
}

static int without_bystander(void **state)
{
    (void)state;
    bench_remove("alice", "bystander");
    return 0;
}

static void *remove_bob(void *context)
{
    sandbox_remove(context, "bob", true, NULL);
    return NULL;
}

static void a_removal_survives_a_crash(void **state)
{
    (void)state;
    AUTO_FREE char *data = bench_path("data/sandboxes/bob");
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        struct sandbox_client *client = sandbox_client_new(bench.socket);
        bench_sandbox("bob");
        ensure_volume("bob", "home");
        cJSON_Delete(bench_start("bob", "one", bench_pod("u", "sleep 600")));
        cJSON_Delete(bench_start("bob", "two", bench_pod("u", "sleep 600")));
        pthread_create(&thread, NULL, remove_bob, client);
        clock_sleep_ms(5 + i * 15);
        bench_end(SIGKILL);
        bench_up();
        pthread_join(thread, NULL);
        sandbox_client_free(client);
        /* either it was begun, then the start finished it, or it was not, then it is done now */
        assert_int_equal(sandbox_remove(bench.client, "bob", true, NULL), 0);
        assert_false(file_exists(data));
        assert_false(kernel_remembers("run/state/sandboxes/bob"));
        assert_false(kernel_remembers("run/state/pods/bob"));
    }
}

/* As after a reboot: nothing runs, volumes and uids are as they were. */
static void down_leaves_only_what_is_stored(void **state)
{
    (void)state;
    AUTO_JSON cJSON *first = NULL, *second = NULL, *list = NULL;
    ensure_volume("alice", "keep");
    assert_int_equal(sandbox_ensure(bench.client, "alice", &first, NULL), 0);
    cJSON *spec = bench_pod("u", "echo precious > /data/f; sync; echo written; sleep 600");
    named_volume(spec, "keep", "/data");
    cJSON_Delete(bench_start("alice", "writer", spec));
    bench_await_output("alice", "writer", "written");
    bench_down(); /* ends the running daemon itself */
    waitpid(bench.daemon, NULL, 0);
    bench.daemon = 0;
    AUTO_FREE char *run_state = bench_path("run/state");
    assert_false(file_exists(run_state));
    assert_false(kernel_remembers("run"));
    assert_false(kernel_remembers("data"));
    bench_up();
    assert_int_equal(sandbox_pod_list(bench.client, NULL, &list, NULL), 0);
    assert_int_equal(cJSON_GetArraySize(list), 0);
    assert_int_equal(sandbox_ensure(bench.client, "alice", &second, NULL), 0);
    assert_true(json_equal(first, second));
    spec = bench_pod("u", "cat /data/f");
    named_volume(spec, "keep", "/data");
    AUTO_FREE char *output = bench_run("alice", "reader", spec, NULL);
    assert_string_equal(output, "precious\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pod_runs_to_its_end),
        cmocka_unit_test(starting_again_is_the_same_pod),
        cmocka_unit_test(refusals_name_the_field),
        cmocka_unit_test(init_containers_come_first_in_order),
        cmocka_unit_test(a_failed_init_container_ends_the_pod),
        cmocka_unit_test(containers_of_a_pod_share_network_and_memory),
        cmocka_unit_test(restarts_follow_the_policy),
        cmocka_unit_test(stopping_is_gentle_then_not),
        cmocka_unit_test(orphans_are_reaped),
        cmocka_unit_test(terminals_work),
        cmocka_unit_test(volumes_keep_what_pods_write),
        cmocka_unit_test(files_are_shown_as_they_were_given),
        cmocka_unit_test(large_requests_arrive),
        cmocka_unit_test(memory_volumes_have_their_size),
        cmocka_unit_test(hosts_follow_while_pods_run),
        cmocka_unit_test(dialled_connections_carry_bytes),
        cmocka_unit_test(from_inside_a_pod_its_loopback_is_reached),
        cmocka_unit_test(a_listener_inside_is_reached_by_pods_only),
        cmocka_unit_test(changes_are_told),
        cmocka_unit_test(usage_is_measured),
        cmocka_unit_test(a_start_may_take_more_than_the_limit_of_cpu),
        cmocka_unit_test(an_installation_weighs_as_a_process_on_each_processor),
        cmocka_unit_test(strangers_cannot_connect),
        cmocka_unit_test(nonsense_is_answered_and_survived),
        cmocka_unit_test(pods_outlive_a_killed_daemon),
        cmocka_unit_test(a_lost_monitor_ends_its_container),
        cmocka_unit_test(any_moment_is_a_good_one_to_crash),
        cmocka_unit_test_setup_teardown(a_sandbox_goes_without_a_trace, with_bystander, without_bystander),
        cmocka_unit_test(a_removal_survives_a_crash),
        cmocka_unit_test(down_leaves_only_what_is_stored),
    };
    return cmocka_run_group_tests(tests, setup, bench_teardown);
}
