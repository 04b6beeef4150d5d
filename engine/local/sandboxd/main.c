/* atelier-sandboxd: the only process of the local engine that takes privileged requests. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/local/sandboxd/attach.h"
#include "engine/local/sandboxd/daemon.h"
#include "engine/local/sandboxd/init.h"
#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/recover.h"
#include "engine/local/sandboxd/server.h"
#include "engine/local/sandboxd/session.h"

#define PREDECESSOR_MS 20000 /* how long --down waits for a running daemon to answer SIGTERM */
#define ORPHAN_MS 3000       /* how long a killed predecessor's last child may hold the lock */

static const char usage_text[] =
    "usage: atelier-sandboxd --run-dir DIR --data-dir DIR --images-dir DIR --socket PATH --socket-user UID[:GID]\n"
    "                        [--name TAG] [--cgroup-parent PATH] [--gpu-devices DIR] [--gpu-driver DIR]\n"
    "                        [--cpu-start SECONDS]\n"
    "       atelier-sandboxd --down --run-dir DIR --data-dir DIR [--name TAG] [--cgroup-parent PATH]\n"
    "                        [--grace SECONDS]\n"
    "\n"
    "Runs the sandboxes of one Atelier installation. Ended by SIGTERM; pods go on and are adopted by the next start.\n"
    "--down ends every pod and removes namespaces, mounts and cgroups of the installation; volumes stay.\n"
    "--cpu-start is how long a container that has begun may take two CPUs although its limit is less (60; 0: never).\n";

struct options {
    struct box_places places;
    const char *socket;
    uid_t uid;
    gid_t gid;
    bool down, has_user;
    int64_t grace_s;
};

static int wrong_usage(const char *complaint)
{
    if (complaint)
        dprintf(STDERR_FILENO, "atelier-sandboxd: %s\n", complaint);
    dprintf(STDERR_FILENO, "%s", usage_text);
    return 2;
}

static bool parse_user(const char *text, struct options *options)
{
    struct slice group = {0}, user = slice_split(slice_of(text), ':', &group);
    int64_t uid, gid;
    if (!text_parse_i64(user, 0, UINT32_MAX - 1, &uid))
        return false;
    gid = uid;
    if (group.n && !text_parse_i64(group, 0, UINT32_MAX - 1, &gid))
        return false;
    options->uid = (uid_t)uid;
    options->gid = (gid_t)gid;
    options->has_user = true;
    return true;
}

static int parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {{"run-dir", required_argument, NULL, 'r'},
                                          {"data-dir", required_argument, NULL, 'd'},
                                          {"images-dir", required_argument, NULL, 'i'},
                                          {"socket", required_argument, NULL, 's'},
                                          {"socket-user", required_argument, NULL, 'u'},
                                          {"name", required_argument, NULL, 'n'},
                                          {"down", no_argument, NULL, 'D'},
                                          {"grace", required_argument, NULL, 'g'},
                                          {"cgroup-parent", required_argument, NULL, 'c'},
                                          {"gpu-devices", required_argument, NULL, 'G'},
                                          {"gpu-driver", required_argument, NULL, 'V'},
                                          {"cpu-start", required_argument, NULL, 'C'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;
    options->grace_s = 10;
    options->places.cpu_start_s = BOX_CPU_START_DEFAULT_S;
    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        switch (option) {
        case 'r':
            options->places.run = optarg;
            break;
        case 'd':
            options->places.data = optarg;
            break;
        case 'i':
            options->places.images = optarg;
            break;
        case 's':
            options->socket = optarg;
            break;
        case 'n':
            options->places.tag = optarg;
            break;
        case 'c':
            options->places.cgroup_parent = optarg;
            break;
        case 'G':
            options->places.gpu_devices = optarg;
            break;
        case 'V':
            options->places.gpu_driver = optarg;
            break;
        case 'D':
            options->down = true;
            break;
        case 'u':
            if (!parse_user(optarg, options))
                return wrong_usage("--socket-user: expected UID or UID:GID, as numbers");
            break;
        case 'g':
            if (!text_parse_i64(slice_of(optarg), 0, 3600, &options->grace_s))
                return wrong_usage("--grace: expected seconds from 0 to 3600");
            break;
        case 'C':
            if (!text_parse_i64(slice_of(optarg), 0, BOX_CPU_START_MAX_S, &options->places.cpu_start_s))
                return wrong_usage("--cpu-start: expected seconds from 0 to 3600");
            break;
        case 'h':
            dprintf(STDOUT_FILENO, "%s", usage_text);
            return 1;
        default:
            return wrong_usage(NULL);
        }
    }
    if (optind < argc)
        return wrong_usage("unexpected argument");
    if (!options->places.run || !options->places.data)
        return wrong_usage("--run-dir and --data-dir are needed");
    if (!options->down && (!options->places.images || !options->socket || !options->has_user))
        return wrong_usage("--images-dir, --socket and --socket-user are needed");
    return 0;
}

/* One daemon a run directory: the lock goes with the process, however it ends. The file holds its pid. */
static int take_lock(const char *run, bool wait, int *ret_fd, struct error *error)
{
    AUTO_FREE char *path = memory_format("%s/lock", run);
    /* A daemon that was killed may have a child between fork and exec, which holds the lock for some moments more. */
    int64_t end = clock_monotonic_ms() + (wait ? PREDECESSOR_MS : ORPHAN_MS);
    int failed = file_make_directories(run, 0755, error);
    if (failed)
        return failed;
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "%s: %s", path, strerrordesc_np(errno));
    bool asked = false;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        char text[32] = "";
        int64_t pid;
        ssize_t count = pread(fd, text, sizeof(text) - 1, 0);
        if (clock_monotonic_ms() >= end)
            return error_set(error, ERROR_EXISTS, NULL, "atelier-sandboxd runs already for %s (pid %s)", run, text);
        if (wait && !asked && count > 0 && text_parse_i64((struct slice){text, (size_t)count}, 2, INT32_MAX, &pid))
            asked = kill((pid_t)pid, SIGTERM) == 0;
        clock_sleep_ms(50);
    }
    if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d", getpid()) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "%s: %s", path, strerrordesc_np(errno));
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int fail(const struct error *error)
{
    log_line(LOG_ERROR, "atelier-sandboxd cannot run", LOG_FAULT(error));
    return 1;
}

/* Signals become readable before any thread is started, so that every thread has them blocked. */
static int open_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

static int serve(const struct options *options, struct box_daemon *daemon, int stop_fd, struct box_server **ret,
                 struct error *error)
{
    box_recover(daemon); /* before the socket exists: the first answer is already true */
    int failed = box_server_new(daemon, options->socket, options->uid, options->gid, ret, error);
    if (failed)
        return failed;
    box_begin(daemon);
    AUTO_JSON cJSON *missing = box_daemon_missing(daemon);
    const cJSON *one;
    cJSON_ArrayForEach(one, missing) log_line(LOG_WARN, one->valuestring);
    log_line(LOG_INFO, "ready", LOG_TEXT("socket", options->socket), LOG_TEXT("tag", daemon->paths.tag));
    box_server_run(*ret, stop_fd);
    box_server_close(*ret);
    log_line(LOG_INFO, "ended; pods go on");
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct box_daemon daemon;
    struct box_server *server = NULL;
    struct error error = {0};
    AUTO_CLOSE int lock = -1;
    if (argc > 3 && !strcmp(argv[1], "--init")) /* --init -- program arguments: pid 1 of a container */
        box_init_run(argv + 3);
    if (argc == SESSION_ARGUMENTS + 1 && !strcmp(argv[1], "--exec"))
        return box_session_run(argv + 1);
    if (argc == ATTACH_ARGUMENTS + 1 && !strcmp(argv[1], "--attach"))
        return box_attach_run(argv + 1);
    int wrong = parse(argc, argv, &options);
    if (wrong)
        return wrong == 1 ? 0 : wrong;
    log_start("atelier-sandboxd", LOG_INFO);
    if (geteuid() != 0) {
        error_set(&error, ERROR_FORBIDDEN, NULL,
                  "it makes network namespaces, mounts and cgroups: start it as root (as \"atelier local up\" does)");
        return fail(&error);
    }
    umask(022);
    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1); /* helpers are the system's, whoever started us */
    AUTO_CLOSE int stop_fd = open_signals();
    if (take_lock(options.places.run, options.down, &lock, &error))
        return fail(&error);
    int failed = box_daemon_open(&daemon, &options.places, &error);
    if (!failed && options.down) {
        box_recover(&daemon);
        box_begin(&daemon);
        failed = box_shut_down(&daemon, options.grace_s, &error);
    } else if (!failed) {
        failed = serve(&options, &daemon, stop_fd, &server, &error);
    }
    box_daemon_close(&daemon);
    box_server_free(server);
    return failed ? fail(&error) : 0;
}
