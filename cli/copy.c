/* How do files get into a notebook, or onto a Ray cluster's head, and out of it? As tar, through a command in its pod,
 * as `kubectl cp` does. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/exec.h"
#include "cli/object.h"
#include "cli/progress.h"
#include "cli/verbs.h"

extern char **environ;

/* Both unpack beside the target and rename, so that what arrives half never stands where the whole should. */
#define PACK_THERE "cd -- \"$(dirname -- \"$1\")\" && exec tar -cf - -- \"$(basename -- \"$1\")\""
#define UNPACK_THERE                                                                                                   \
    "if [ -d \"$1\" ]; then d=$1 n=$2; else d=$(dirname -- \"$1\") n=$(basename -- \"$1\"); fi; "                      \
    "t=$(mktemp -d -p \"$d\" .atelier-XXXXXX) || exit; trap 'rm -rf -- \"$t\"' EXIT; "                                 \
    "tar -xof - -C \"$t\" && mv -T -- \"$t/$2\" \"$d/$n\""

/* "nb1:data/x.csv" -> true; a local path is whatever has no name and colon before its first slash. */
static bool read_place(const char *text, struct slice *ret_name, const char **ret_path)
{
    const char *colon = strchr(text, ':');
    if (!colon || memchr(text, '/', (size_t)(colon - text)))
        return false;
    *ret_name = (struct slice){text, (size_t)(colon - text)};
    *ret_path = colon[1] ? colon + 1 : ".";
    return name_is_label(*ret_name);
}

/* --- tar here ----------------------------------------------------------------------------------------------------- */

/* Starts tar with *ret_fd as its stdin (<writes>) or stdout; the descriptor is the caller's. */
static int start_tar(const char *const *arguments, bool writes, pid_t *ret_pid, int *ret_fd, struct error *error)
{
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "pipe: %s", strerrordesc_np(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[writes ? 0 : 1], writes ? STDIN_FILENO : STDOUT_FILENO);
    int failed = posix_spawnp(ret_pid, "tar", &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[writes ? 0 : 1]);
    *ret_fd = ends[writes ? 1 : 0];
    if (!failed)
        return 0;
    close(*ret_fd);
    return error_set(error, ERROR_UNAVAILABLE, NULL, "tar cannot be started here: %s", strerrordesc_np(failed));
}

static int end_tar(pid_t pid, int fd, struct error *error)
{
    int status = 0;
    close(fd);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return error_set(error, ERROR_INTERNAL, NULL, "tar failed here");
}

/* --- both ways ---------------------------------------------------------------------------------------------------- */

static void show_progress(void *context, int64_t bytes)
{
    progress_bytes(context, bytes);
}

/* "notebook" or "raycluster": whose pod it is. */
static const char *kind_of(const struct call *call)
{
    return strncmp(call->command->words, "ray ", 4) == 0 ? "raycluster" : "notebook";
}

/* tar here and a command in the pod, joined; the command's failure is told rather than tar's, which follows. */
static int run_both(struct call *call, struct slice name, const char *const *there, unsigned there_count,
                    const char *const *here, bool upload, struct progress *progress, struct error *error)
{
    pid_t pid = -1;
    int fd = -1, code = 0, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const char *namespace = NULL;
    char pod[POD_NAME_SIZE];
    struct error own = {0};
    AUTO_FREE char *word = memory_format("%s/%.*s", kind_of(call), (int)name.n, name.p);
    int failed = call_namespace(call, &namespace, error);
    if (!failed)
        failed = pod_find(call, namespace, word, pod, error);
    if (!failed)
        failed = start_tar(here, !upload, &pid, &fd, error);
    if (failed) {
        close(null);
        return failed;
    }
    struct exec exec = {.pod = pod,
                        .arguments = there,
                        .argument_count = there_count,
                        .interactive = upload,
                        .fd_in = fd,
                        .fd_out = upload ? null : fd,
                        .moved = show_progress,
                        .context = progress};
    failed = exec_run(call, &exec, &code, error);
    int ended = end_tar(pid, fd, &own);
    close(null);
    progress_end(progress);
    if (failed)
        return failed;
    if (code)
        return error_set(error, ERROR_UPSTREAM, NULL, "nothing was copied: it ended with %d in the %s", code,
                         kind_of(call));
    if (ended)
        *error = own;
    return ended;
}

/* --- into one ----------------------------------------------------------------------------------------------------- */

static int64_t walked; /* nftw has no context */

static int add_size(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)path;
    (void)at;
    walked += kind == FTW_F ? info->st_size : 0;
    return 0;
}

static int upload(struct call *call, const char *source, struct slice name, const char *target, struct error *error)
{
    char full[PATH_MAX];
    struct progress progress;
    if (!realpath(source, full))
        return error_set(error, ERROR_INVALID, NULL, "%s: %s", source, strerrordesc_np(errno));
    char *slash = strrchr(full, '/');
    if (!slash[1])
        return call_usage(error, "the whole machine is too much to copy");
    *slash = '\0';
    const char *base = slash + 1;
    const char *const here[] = {"tar", "-cf", "-", "-C", full[0] ? full : "/", "--", base, NULL};
    const char *const there[] = {"sh", "-c", UNPACK_THERE, "sh", target, base};
    walked = 0;
    nftw(source, add_size, 16, FTW_PHYS);
    AUTO_FREE char *what = memory_format("copying %s", source);
    progress_begin(&progress, what, walked);
    return run_both(call, name, there, COUNT_OF(there), here, true, &progress, error);
}

/* --- out of one --------------------------------------------------------------------------------------------------- */

/* The one thing that was unpacked. */
static int only_entry(const char *directory, char ret[NAME_MAX + 1], struct error *error)
{
    DIR *open = opendir(directory);
    int found = 0;
    for (struct dirent *entry; open && (entry = readdir(open));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(ret, NAME_MAX + 1, "%s", entry->d_name);
        found++;
    }
    if (open)
        closedir(open);
    return found == 1 ? 0 : error_set(error, ERROR_UPSTREAM, NULL, "what came is no single file or folder");
}

static int put_in_place(const char *temporary, const char *target, struct error *error)
{
    char name[NAME_MAX + 1];
    struct stat info;
    int failed = only_entry(temporary, name, error);
    if (failed)
        return failed;
    bool inside = stat(target, &info) == 0 && S_ISDIR(info.st_mode);
    AUTO_FREE char *from = memory_format("%s/%s", temporary, name);
    AUTO_FREE char *to = inside ? memory_format("%s/%s", target, name) : memory_text(target);
    if (rename(from, to) == 0)
        return 0;
    return error_set(error, ERROR_EXISTS, NULL, "%s: %s", to, strerrordesc_np(errno));
}

static int download(struct call *call, struct slice name, const char *source, const char *target, struct error *error)
{
    char full[PATH_MAX];
    struct stat info;
    struct progress progress;
    bool inside = stat(target, &info) == 0 && S_ISDIR(info.st_mode);
    const char *slash = strrchr(target, '/');
    AUTO_FREE char *parent = inside            ? memory_text(target)
                             : !slash          ? memory_text(".")
                             : slash == target ? memory_text("/")
                                               : memory_text_n(target, (size_t)(slash - target));
    if (!realpath(parent, full))
        return error_set(error, ERROR_INVALID, NULL, "%s: %s", parent, strerrordesc_np(errno));
    AUTO_FREE char *temporary = memory_format("%s/.atelier-XXXXXX", full);
    if (!mkdtemp(temporary))
        return error_set(error, ERROR_INVALID, NULL, "%s: %s", parent, strerrordesc_np(errno));
    const char *const here[] = {"tar", "-xf", "-", "--no-same-owner", "-C", temporary, NULL};
    const char *const there[] = {"sh", "-c", PACK_THERE, "sh", source};
    AUTO_FREE char *what = memory_format("copying %s", source);
    progress_begin(&progress, what, 0);
    int failed = run_both(call, name, there, COUNT_OF(there), here, false, &progress, error);
    if (!failed)
        failed = put_in_place(temporary, target, error);
    file_remove_tree(temporary, NULL);
    return failed;
}

static int copy(struct call *call, const char *where, struct error *error)
{
    struct slice from = {0}, to = {0};
    const char *source = call->arguments[0], *target = call->arguments[1], *inside = NULL, *there = NULL;
    bool comes = read_place(source, &from, &inside), goes = read_place(target, &to, &there);
    if (comes == goes)
        return call_usage(error, "one of both must be %s:PATH", where);
    int failed = comes ? download(call, from, inside, target, error) : upload(call, source, to, there, error);
    AUTO_FREE char *line = memory_format("%s copied to %s", source, target);
    return failed ? failed : print_done(call, NULL, line, error);
}

int verb_notebook_cp(struct call *call, struct error *error)
{
    return copy(call, "in a notebook, NAME", error);
}

int verb_ray_cp(struct call *call, struct error *error)
{
    return copy(call, "on a cluster's head, CLUSTER", error);
}
