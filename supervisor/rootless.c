/* How does an ordinary user's supervisor become root of a user namespace, and find it again? */
#include "supervisor/rootless.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "supervisor/delegation.h"
#include "supervisor/services.h"

#define IDS_WANTED 65536 /* uids 0 to 65535: Debian's own end at 65534, nobody */
#define SUBID_BYTES_MAX ((size_t)1 << 20)
#define COMMAND_BYTES_MAX ((size_t)1 << 20)
#define MAP_TIMEOUT_MS 10000
#define MAP_ARGUMENTS_MAX (2 + 3 * (ROOTLESS_RANGES_MAX + 1) + 1)
#define HOLDER_NAME "atelier-userns" /* at most 15 characters are shown */

/* --- what the machine grants -------------------------------------------------------------------------------------- */

size_t rootless_ranges(struct slice text, const char *user, int64_t uid, struct rootless_range ret[ROOTLESS_RANGES_MAX])
{
    size_t count = 0;
    while (text.n && count < ROOTLESS_RANGES_MAX) {
        struct slice rest = slice_split(text, '\n', &text);
        struct slice name = slice_split(rest, ':', &rest), first = slice_split(rest, ':', &rest);
        int64_t number;
        struct rootless_range range;
        bool his = slice_is(name, user) || (text_parse_i64(name, 0, UINT32_MAX, &number) && number == uid);
        if (his && text_parse_i64(first, 1, UINT32_MAX, &range.first) &&
            text_parse_i64(slice_trim(rest), 1, UINT32_MAX, &range.count))
            ret[count++] = range;
    }
    return count;
}

static int refuse_ranges(const char *file, const char *user, struct error *error)
{
    return error_set(error, ERROR_INVALID, NULL,
                     "%s grants user %s fewer than %d ids of its own, which keep profiles apart: an administrator adds "
                     "them with `usermod --add-subuids 524288-589823 --add-subgids 524288-589823 %s`, where no other "
                     "user has these; or run this with sudo",
                     file, user, IDS_WANTED - 1, user);
}

/* The arguments of newuidmap: PID, then triples of the id inside, the id outside and how many. */
static int map_arguments(const char *program, const char *file, const struct passwd *user, int64_t own, pid_t target,
                         struct arena *arena, const char **ret, struct error *error)
{
    AUTO_BUFFER struct buffer text = {0};
    struct rootless_range ranges[ROOTLESS_RANGES_MAX];
    size_t found = file_read(file, SUBID_BYTES_MAX, &text, NULL) == 0
                       ? rootless_ranges(buffer_slice(&text), user->pw_name, user->pw_uid, ranges)
                       : 0;
    size_t count = 0;
    int64_t inside = 1;
    ret[count++] = program;
    ret[count++] = arena_format(arena, "%d", (int)target);
    ret[count++] = "0";
    ret[count++] = arena_format(arena, "%lld", (long long)own);
    ret[count++] = "1";
    for (size_t i = 0; i < found && inside < IDS_WANTED; i++) {
        int64_t take = ranges[i].count < IDS_WANTED - inside ? ranges[i].count : IDS_WANTED - inside;
        ret[count++] = arena_format(arena, "%lld", (long long)inside);
        ret[count++] = arena_format(arena, "%lld", (long long)ranges[i].first);
        ret[count++] = arena_format(arena, "%lld", (long long)take);
        inside += take;
    }
    ret[count] = NULL;
    return inside < IDS_WANTED - 1 ? refuse_ranges(file, user->pw_name, error) : 0;
}

static int map_ids(pid_t target, struct error *error)
{
    AUTO_ARENA struct arena *arena = arena_new(1024);
    const struct passwd *user = getpwuid(getuid());
    const char *users[MAP_ARGUMENTS_MAX], *groups[MAP_ARGUMENTS_MAX];
    if (!user)
        return error_set(error, ERROR_INVALID, NULL, "uid %u has no entry in the user database", (unsigned)getuid());
    if (access("/usr/bin/newuidmap", X_OK) < 0)
        return error_set(error, ERROR_INVALID, NULL,
                         "newuidmap is missing: install the package uidmap, or run this with sudo");
    int failed = map_arguments("/usr/bin/newuidmap", "/etc/subuid", user, getuid(), target, arena, users, error);
    if (!failed)
        failed = map_arguments("/usr/bin/newgidmap", "/etc/subgid", user, getgid(), target, arena, groups, error);
    if (!failed)
        failed = process_run(users, MAP_TIMEOUT_MS, NULL, error);
    return failed ? failed : process_run(groups, MAP_TIMEOUT_MS, NULL, error);
}

/* --- the holder --------------------------------------------------------------------------------------------------- */

struct holder_start {
    int go;     /* read: the ids are mapped */
    int report; /* written: an errno, 0 once the namespaces are whole; the parent learns of "unshare" first */
};

static void tell(const struct holder_start *start, int number)
{
    if (write(start->report, &number, sizeof(number)) != (ssize_t)sizeof(number))
        _exit(1); /* nobody waits any more */
}

static int arrange_mounts(void)
{
    if (setresgid(0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setresuid(0, 0, 0) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
        return errno;
    return 0;
}

_Noreturn static void hold(const struct holder_start *start)
{
    char byte;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) {
        tell(start, errno);
        _exit(1);
    }
    tell(start, 0);
    if (read(start->go, &byte, 1) != 1)
        _exit(1);
    int number = arrange_mounts();
    setsid();
    prctl(PR_SET_NAME, HOLDER_NAME);
    /* Becoming another user made it undumpable, and closed its /proc files to the user who owns it. */
    prctl(PR_SET_DUMPABLE, 1);
    if (chdir("/") < 0 && !number)
        number = errno;
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    tell(start, number);
    if (number)
        _exit(1);
    syscall(SYS_close_range, 0u, ~0u, 0u);
    for (;;)
        pause();
}

static bool hear(int report, int *ret_number)
{
    return read(report, ret_number, sizeof(*ret_number)) == (ssize_t)sizeof(*ret_number);
}

static int follow(pid_t pid, int go, int report, struct error *error)
{
    int number = EPIPE;
    if (!hear(report, &number) || number)
        return error_set(
            error, ERROR_INVALID, NULL,
            "this machine lets user %u make no user namespace (%s): an administrator allows it with "
            "`sysctl kernel.unprivileged_userns_clone=1` or user.max_user_namespaces; or run this with sudo",
            (unsigned)getuid(), strerrordesc_np(number));
    int failed = map_ids(pid, error);
    if (failed)
        return failed;
    number = EPIPE;
    if (write(go, "g", 1) != 1 || !hear(report, &number) || number)
        return error_set(error, ERROR_INTERNAL, NULL, "the mounts of the user namespace: %s", strerrordesc_np(number));
    return 0;
}

static int make_holder(pid_t *ret, struct error *error)
{
    int go[2] = {-1, -1}, report[2] = {-1, -1};
    if (pipe2(go, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "pipe: %s", strerrordesc_np(errno));
    pid_t pid = fork();
    if (pid == 0) {
        close(go[1]);
        close(report[0]);
        hold(&(struct holder_start){.go = go[0], .report = report[1]});
    }
    close(go[0]);
    close(report[1]);
    int failed = pid < 0 ? error_set(error, ERROR_UNAVAILABLE, NULL, "fork: %s", strerrordesc_np(errno))
                         : follow(pid, go[1], report[0], error);
    close(go[1]);
    close(report[0]);
    if (failed && pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    *ret = pid;
    return failed;
}

/* --- who is in there ---------------------------------------------------------------------------------------------- */

static char *record_path(const char *data)
{
    return memory_format("%s/namespace.pid", data);
}

static bool is_alive(pid_t pid, uint64_t start_time)
{
    struct child child;
    if (!child_hold(pid, start_time, &child))
        return false;
    child_release(&child);
    return true;
}

static pid_t holder_of(const char *data)
{
    AUTO_FREE char *path = record_path(data);
    char none[CHILD_FINGERPRINT_SIZE];
    pid_t pid;
    uint64_t start_time;
    return child_recall(path, &pid, &start_time, none) && is_alive(pid, start_time) ? pid : 0;
}

static bool is_in_our_namespace(const char *pid)
{
    struct stat own, its;
    AUTO_FREE char *path = memory_format("/proc/%s/ns/user", pid);
    return stat("/proc/self/ns/user", &own) < 0 || stat(path, &its) < 0 ||
           (own.st_dev == its.st_dev && own.st_ino == its.st_ino);
}

/* Whether it is the user's own, in another namespace, and was told something in this run directory, as sandboxd and the
 * monitors of pods are. */
static bool works_for(const char *pid, const char *run)
{
    struct stat status;
    AUTO_FREE char *process = memory_format("/proc/%s", pid);
    AUTO_FREE char *path = memory_format("/proc/%s/cmdline", pid);
    AUTO_FREE char *within = memory_format("%s/", run);
    AUTO_BUFFER struct buffer text = {0};
    if (stat(process, &status) < 0 || status.st_uid != geteuid() || is_in_our_namespace(pid) ||
        file_read(path, COMMAND_BYTES_MAX, &text, NULL))
        return false;
    for (struct slice rest = buffer_slice(&text); rest.n;)
        if (slice_starts(slice_split(rest, '\0', &rest), within))
            return true;
    return false;
}

static pid_t find_worker(const char *run)
{
    DIR *processes = opendir("/proc");
    int64_t pid = 0;
    for (const struct dirent *entry; !pid && processes && (entry = readdir(processes));)
        if (!text_parse_i64(slice_of(entry->d_name), 2, INT32_MAX, &pid) || !works_for(entry->d_name, run))
            pid = 0;
    if (processes)
        closedir(processes);
    return (pid_t)pid;
}

/* If someone killed the holder, whoever of ours still runs is in the namespaces. */
static pid_t find_member(const struct layout *layout)
{
    pid_t pid = holder_of(layout->data);
    uint64_t start_time;
    if (pid || lock_holder(layout, &pid, &start_time))
        return pid;
    return find_worker(layout->run);
}

static int save_record(const struct layout *layout, pid_t pid, struct error *error)
{
    AUTO_FREE char *path = record_path(layout->data);
    uint64_t start_time = 0;
    process_start_time(pid, &start_time);
    AUTO_FREE char *text = memory_format("%d %llu -\n", (int)pid, (unsigned long long)start_time);
    return file_write(path, slice_of(text), 0644, error);
}

/* --- entering ----------------------------------------------------------------------------------------------------- */

static int open_namespace(pid_t pid, const char *kind)
{
    AUTO_FREE char *path = memory_format("/proc/%d/ns/%s", (int)pid, kind);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int enter(pid_t pid, struct error *error)
{
    AUTO_CLOSE int users = open_namespace(pid, "user");
    AUTO_CLOSE int mounts = open_namespace(pid, "mnt");
    if (users < 0 || mounts < 0 || setns(users, CLONE_NEWUSER) < 0 || setresgid(0, 0, 0) < 0 ||
        setgroups(0, NULL) < 0 || setresuid(0, 0, 0) < 0 || setns(mounts, CLONE_NEWNS) < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "the user namespace of pid %d cannot be entered: %s", (int)pid,
                         strerrordesc_np(errno));
    prctl(PR_SET_DUMPABLE, 1); /* as in hold(): `atelier local status` reads /proc/<pid> of what runs */
    return 0;
}

static bool is_foreign(const struct layout *layout)
{
    struct stat status;
    return stat(layout->data, &status) == 0 && status.st_uid != geteuid();
}

int rootless_enter(const struct layout *layout, struct error *error)
{
    if (geteuid() == 0)
        return 0;
    if (is_foreign(layout))
        return error_set(error, ERROR_FORBIDDEN, "ATELIER_DATA",
                         "%s belongs to another user: go on as who made it (with sudo, if that was root), or choose "
                         "another data directory with ATELIER_DATA",
                         layout->data);
    AUTO_CLOSE int directory = open(layout->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || flock(directory, LOCK_EX) < 0) /* two at once would make two namespaces */
        return error_set(error, ERROR_INTERNAL, "ATELIER_DATA", "%s: %s", layout->data, strerrordesc_np(errno));
    pid_t pid = find_member(layout);
    AUTO_FREE char *group = pid ? NULL : delegation_take();
    int failed = pid ? 0 : make_holder(&pid, error);
    if (!failed && pid != holder_of(layout->data))
        failed = save_record(layout, pid, error);
    if (!failed)
        failed = enter(pid, error);
    if (!failed && group)
        failed = file_write(ROOTLESS_GROUP_FILE, slice_of(group), 0644, error);
    return failed;
}

bool rootless_enter_existing(const struct layout *layout)
{
    pid_t pid = geteuid() == 0 || is_foreign(layout) ? 0 : find_member(layout);
    return pid && enter(pid, NULL) == 0;
}

void rootless_end(const struct layout *layout)
{
    AUTO_FREE char *path = record_path(layout->data);
    pid_t pid = holder_of(layout->data);
    if (pid)
        kill(pid, SIGKILL);
    unlink(path);
}
