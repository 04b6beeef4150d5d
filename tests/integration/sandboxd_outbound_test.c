/*
 * What do pods reach outside? The whole daemon runs in a network namespace of the test's own, "the machine", whose only
 * neighbour is another namespace, "the world": nothing leaves the machine that runs the test. The world answers on
 * public-looking addresses, and also on private and metadata ones, so that those are refused and not merely absent.
 */
#include <arpa/inet.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#include "tests/integration/sandboxd_harness.h"

#define PATIENCE_MS 60000
#define MACHINE "198.51.100.2"

static pid_t world;

/* HTTP on ports 80 and 8080 of every address; a name server that knows one name. */
static const char world_script[] =
    "import http.server, socket, socketserver, threading\n"
    "class Answer(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        self.send_response(200); self.end_headers(); self.wfile.write(b'hello from the world')\n"
    "    def log_message(self, *ignored): pass\n"
    "for port in (80, 8080):\n"
    "    server = http.server.ThreadingHTTPServer(('0.0.0.0', port), Answer)\n"
    "    threading.Thread(target=server.serve_forever, daemon=True).start()\n"
    "names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); names.bind(('198.51.100.1', 53))\n"
    "while True:\n"
    "    asked, who = names.recvfrom(512)\n"
    "    end = asked.index(b'\\0', 12) + 5\n"
    "    known = asked[12:end].startswith(b'\\x08packages\\x07example\\0\\0\\x01')\n"
    "    answer = b'\\xc0\\x0c\\0\\x01\\0\\x01\\0\\0\\0\\x3c\\0\\4' + socket.inet_aton('203.0.113.10') if known else "
    "b''\n"
    "    names.sendto(asked[:2] + (b'\\x81\\x80' if known else b'\\x81\\x83') + b'\\0\\1' + (b'\\0\\1' if known else "
    "b'\\0\\0')\n"
    "                 + b'\\0\\0\\0\\0' + asked[12:end] + answer, who)\n";

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...)
{
    char command[4096];
    struct error error = {0};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    const char *const argv[] = {"sh", "-ec", command, NULL};
    if (process_run(argv, PATIENCE_MS, NULL, &error))
        fail_msg("%s: %s", command, error.message);
}

static pid_t start_world(void)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "", 1) != 1)
            _exit(1);
        raise(SIGSTOP); /* until there is a network to listen on */
        execl("/usr/bin/python3", "python3", "-c", world_script, NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static int setup(void **state)
{
    char resolver[] = "/tmp/atelier-outbound-test-XXXXXX";
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        print_error("this test makes namespaces: it needs root\n");
        return -1;
    }
    world = start_world();
    shell("ip link set lo up; ip link add up0 type veth peer name in0 netns %d; ip address add " MACHINE "/24 dev up0; "
          "ip link set up0 up; ip route add default via 198.51.100.1; "
          "for a in 198.51.100.1/24 203.0.113.10/24 203.0.113.11/24 10.99.0.1/24 192.168.99.1/24 169.254.169.254/32 "
          "100.64.9.1/24; do nsenter -t %d -n ip address add $a dev in0; done; "
          "nsenter -t %d -n sh -c 'ip link set lo up; ip link set in0 up'",
          world, world, world);
    kill(world, SIGCONT);
    int fd = mkstemp(resolver);
    assert_true(fd >= 0 && write(fd, "nameserver 198.51.100.1\n", 24) == 24);
    assert_int_equal(fchmod(fd, 0644), 0);
    close(fd);
    int hidden = mount(resolver, "/etc/resolv.conf", NULL, MS_BIND, NULL);
    unlink(resolver);
    assert_int_equal(hidden, 0);
    shell("for i in $(seq 100); do python3 -c 'import urllib.request as u; u.urlopen(\"http://203.0.113.10/\")' && "
          "exit 0; "
          "sleep 0.2; done 2>/dev/null; exit 1");
    int failed = bench_setup(state);
    if (!failed) {
        bench_sandbox("alice");
        bench_sandbox("bob");
    }
    return failed;
}

static int teardown(void **state)
{
    int failed = bench_teardown(state);
    kill(world, SIGKILL);
    waitpid(world, NULL, 0);
    return failed;
}

static void allow(const char *sandbox, const char *policy)
{
    struct error error = {0};
    if (sandbox_outbound(bench.client, sandbox, policy, &error))
        fail_msg("%s: %s", policy, error.message);
}

/* try ADDRESS PORT: "ADDRESS:PORT open" or "… shut", at most two seconds. */
#define TRY                                                                                                            \
    "try() { if timeout 2 bash -c \"exec 3<>/dev/tcp/$1/$2\" 2>/dev/null; then echo \"$1:$2 open\"; else echo "        \
    "\"$1:$2 shut\"; fi; }; "
/* A pod may be there before its way out is. */
#define AWAIT                                                                                                          \
    "for i in $(seq 300); do [ \"$(try 203.0.113.10 80)\" = '203.0.113.10:80 open' ] && break; sleep 0.2; done; "

static char *ask(const char *sandbox, const char *script)
{
    return bench_run(sandbox, "ask", bench_pod("u", script), NULL);
}

static void pods_fetch_from_the_world_by_name(void **state)
{
    (void)state;
    allow("alice", "on");
    AUTO_FREE char *output = ask("alice", TRY AWAIT "python3 -c \"import urllib.request as u; "
                                                    "print(u.urlopen('http://packages.example/').read().decode())\"; "
                                                    "cat /etc/resolv.conf; ip route");
    bench_expect(output, "hello from the world");
    bench_expect(output, "default via 10.64.0.1 dev eth0");
}

/* The world has them all, and the machine has a route to it. */
static void what_is_not_the_outside_is_refused(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(7777)};
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 8), 0);
    shell(
        "for a in 10.99.0.1 192.168.99.1 169.254.169.254 100.64.9.1; do timeout 5 bash -c \"exec 3<>/dev/tcp/$a/80\"; "
        "done"); /* from the machine they do answer */
    allow("alice", "on");
    AUTO_FREE char *output = ask(
        "alice", TRY AWAIT "try 203.0.113.11 8080; try " MACHINE " 7777; try 169.254.77.1 7777; try 169.254.77.2 7777; "
                           "try 127.0.0.1 7777; try 10.64.0.1 7777; try 10.99.0.1 80; try 192.168.99.1 80; "
                           "try 169.254.169.254 80; try 100.64.9.1 80; echo done");
    bench_expect(output, "203.0.113.11:8080 open");
    static const char *const shut[] = {MACHINE ":7777",   "169.254.77.1:7777",  "169.254.77.2:7777",
                                       "127.0.0.1:7777",  "10.64.0.1:7777",     "10.99.0.1:80",
                                       "192.168.99.1:80", "169.254.169.254:80", "100.64.9.1:80"};
    for (size_t i = 0; i < COUNT_OF(shut); i++) {
        AUTO_FREE char *line = memory_format("%s shut", shut[i]);
        bench_expect(output, line);
    }
    close(fd);
}

/* An address that the machine takes on while pods run is its own from then on. */
static void a_new_address_of_the_machine_is_refused_too(void **state)
{
    (void)state;
    allow("alice", "on");
    cJSON_Delete(bench_start("alice", "loop",
                             bench_pod("u", TRY AWAIT "echo ready; while :; do try 203.0.113.10 80; try "
                                                      "203.0.113.11 80; sleep 0.2; done")));
    bench_await_output("alice", "loop", "203.0.113.11:80 open");
    shell("ip address add 203.0.113.11/32 dev lo");
    bench_await_output("alice", "loop", "203.0.113.11:80 shut");
    shell("ip address del 203.0.113.11/32 dev lo");
    bench_remove("alice", "loop");
}

static void a_sandbox_without_leave_reaches_nothing(void **state)
{
    (void)state;
    allow("alice", "on");
    cJSON_Delete(
        bench_start("alice", "web", bench_pod("u", TRY AWAIT "echo ready; cd /tmp; exec python3 -m http.server 8000")));
    bench_await_output("alice", "web", "ready");
    AUTO_FREE char *output =
        ask("bob", TRY "try 203.0.113.10 80; try 10.64.0.2 8000; cat /etc/resolv.conf; ip route; echo done");
    bench_expect(output, "203.0.113.10:80 shut");
    bench_expect(output, "10.64.0.2:8000 shut"); /* alice's address, in bob's network */
    bench_refute(output, "default via");
    bench_refute(output, "nameserver");
    bench_remove("alice", "web");
}

static void a_list_is_all_there_is(void **state)
{
    (void)state;
    allow("alice", "203.0.113.10/32:80,203.0.113.0/24:8080");
    AUTO_FREE char *output = ask("alice", TRY AWAIT "try 203.0.113.10 80; try 203.0.113.11 80; try 203.0.113.11 8080; "
                                                    "try 198.51.100.1 80; echo done");
    bench_expect(output, "203.0.113.10:80 open");
    bench_expect(output, "203.0.113.11:80 shut");
    bench_expect(output, "203.0.113.11:8080 open");
    bench_expect(output, "198.51.100.1:80 shut");
}

/* What the pod printed after it had printed <from> bytes. */
static size_t await_after(const char *line, size_t from)
{
    for (int64_t end = clock_monotonic_ms() + PATIENCE_MS; clock_monotonic_ms() < end; clock_sleep_ms(100)) {
        AUTO_FREE char *output = bench_output("alice", "loop");
        if (output && strlen(output) > from && strstr(output + from, line))
            return strlen(output);
    }
    fail_msg("\"%s\" was not seen", line);
    return 0;
}

static pid_t pasta_of(const char *sandbox)
{
    AUTO_FREE char *name = memory_format("run/state/sandboxes/%s/pasta.json", sandbox);
    AUTO_FREE char *path = bench_path(name);
    AUTO_BUFFER struct buffer text = {0};
    AUTO_JSON cJSON *json = NULL;
    if (file_read(path, 4096, &text, NULL) || json_parse(buffer_slice(&text), &json_limits_default, &json, NULL))
        return 0;
    return (pid_t)bench_number(json, "pid");
}

static void await_no_process(pid_t pid)
{
    for (int64_t end = clock_monotonic_ms() + PATIENCE_MS; kill(pid, 0) == 0; clock_sleep_ms(50))
        assert_true(clock_monotonic_ms() < end);
}

static void policy_and_faults_under_a_running_pod(void **state)
{
    (void)state;
    allow("alice", "on");
    /* One connection is kept: it must not outlive the leave that it was made with. */
    const char *script =
        "import socket, time\n"
        "def ask(s):\n"
        "    s.settimeout(2); s.sendall(b'GET / HTTP/1.1\\r\\nHost: w\\r\\n\\r\\n'); return b'world' in s.recv(4096)\n"
        "while True:\n"
        "    try: ok = ask(socket.create_connection(('203.0.113.10', 80), 2))\n"
        "    except OSError: ok = False\n"
        "    print('now', 'open' if ok else 'shut', flush=True)\n"
        "    time.sleep(0.2)\n";
    AUTO_FREE char *command = memory_format("exec python3 -c \"%s\"", script);
    cJSON_Delete(bench_start("alice", "loop", bench_pod("u", command)));
    size_t seen = await_after("now open", 0);
    pid_t first = pasta_of("alice");
    assert_true(first > 1);

    allow("alice", "off"); /* in force at once: what was in flight may still be told */
    await_no_process(first);
    seen = await_after("now shut", seen);
    AUTO_FREE char *before = bench_output("alice", "loop");
    seen = await_after("now shut\nnow shut", strlen(before));
    AUTO_FREE char *after = bench_output("alice", "loop");
    assert_null(strstr(after + strlen(before), "open"));

    allow("alice", "203.0.113.10/32:80");
    seen = await_after("now open", seen);

    pid_t second = pasta_of("alice"); /* pasta dies */
    assert_true(second > 1 && second != first);
    assert_int_equal(kill(second, SIGKILL), 0);
    seen = await_after("now shut", seen);
    seen = await_after("now open", seen);

    pid_t third = pasta_of("alice"); /* the daemon dies: its successor takes over the same pasta */
    assert_true(third > 1 && third != second);
    bench_end(SIGKILL);
    bench_up();
    seen = await_after("now open", strlen(after));
    clock_sleep_ms(500);
    assert_int_equal(pasta_of("alice"), third);
    assert_int_equal(kill(third, SIGKILL), 0); /* and watches it */
    for (int64_t end = clock_monotonic_ms() + PATIENCE_MS; pasta_of("alice") == third || !pasta_of("alice");
         clock_sleep_ms(50))
        assert_true(clock_monotonic_ms() < end);
    pid_t fourth = pasta_of("alice");

    struct error error = {0}; /* and with the sandbox it ends */
    assert_int_equal(sandbox_remove(bench.client, "alice", true, &error), 0);
    await_no_process(fourth);
    bench_sandbox("alice");
}

static void a_policy_is_checked(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "maybe",
                                        "203.0.113.10:80",
                                        "203.0.113.10/24:80",
                                        "10.0.0.0/8:443",
                                        "203.0.113.0/24:0",
                                        "203.0.113.0/24:80;drop",
                                        "169.254.169.254/32:80"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct error error = {0};
        assert_int_equal(sandbox_outbound(bench.client, "bob", wrong[i], &error), -ERROR_INVALID);
        assert_non_null(strstr(error.message, "policy"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods_fetch_from_the_world_by_name),
        cmocka_unit_test(what_is_not_the_outside_is_refused),
        cmocka_unit_test(a_new_address_of_the_machine_is_refused_too),
        cmocka_unit_test(a_sandbox_without_leave_reaches_nothing),
        cmocka_unit_test(a_list_is_all_there_is),
        cmocka_unit_test(policy_and_faults_under_a_running_pod),
        cmocka_unit_test(a_policy_is_checked),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
