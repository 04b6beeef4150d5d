/* How does a person come to a container that is there already: with a command, or to look on? */
#include "engine/local/sandboxd/exec.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/random.h"
#include "engine/local/sandboxd/etc.h"
#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/session.h"
#include "engine/local/sandboxd/spec.h"

#define CONFIG_BYTES_MAX ((size_t)4 << 20)
#define STARTING ((pid_t)-1)

struct box_execs {
    pthread_mutex_t lock; /* guards everything below; a leaf */
    struct {
        pid_t pid; /* 0: free */
        char sandbox[64];
    } slots[BOX_EXECS_MAX];
};

struct box_execs *box_execs_new(void)
{
    struct box_execs *execs = memory_get(sizeof(*execs));
    pthread_mutex_init(&execs->lock, NULL);
    return execs;
}

void box_execs_free(struct box_execs *execs)
{
    if (!execs)
        return;
    pthread_mutex_destroy(&execs->lock);
    free(execs);
}

/* --- counting ----------------------------------------------------------------------------------------------------- */

/* Takes a place, and the ends of those that are over. */
static int enter(struct box_execs *execs, const char *sandbox, size_t *ret, struct error *error)
{
    size_t own = 0, place = BOX_EXECS_MAX;
    pthread_mutex_lock(&execs->lock);
    for (size_t i = 0; i < BOX_EXECS_MAX; i++) {
        pid_t pid = execs->slots[i].pid;
        if (pid > 0 && waitpid(pid, NULL, WNOHANG) != 0)
            pid = execs->slots[i].pid = 0;
        if (!pid && place == BOX_EXECS_MAX)
            place = i;
        own += pid && !strcmp(execs->slots[i].sandbox, sandbox);
    }
    bool room = place < BOX_EXECS_MAX && own < BOX_EXECS_PER_SANDBOX_MAX;
    if (room) {
        execs->slots[place].pid = STARTING;
        snprintf(execs->slots[place].sandbox, sizeof(execs->slots[place].sandbox), "%s", sandbox);
    }
    pthread_mutex_unlock(&execs->lock);
    *ret = place;
    if (room)
        return 0;
    return error_set(error, ERROR_LIMITED, NULL, "too many commands run in pods by hand (at most %d of one profile)",
                     BOX_EXECS_PER_SANDBOX_MAX);
}

static void occupy(struct box_execs *execs, size_t place, pid_t pid)
{
    pthread_mutex_lock(&execs->lock);
    execs->slots[place].pid = pid;
    pthread_mutex_unlock(&execs->lock);
}

/* --- what the runtime is told ------------------------------------------------------------------------------------- */

/* The container's own process, with another command: the same user, no capabilities, the same environment. */
static cJSON *render_process(const cJSON *config, const cJSON *command, bool tty)
{
    cJSON *process = json_copy(json_member(config, "process"));
    json_set(process, "args", json_copy(command));
    json_set_bool(process, "terminal", tty);
    if (tty)
        json_push_text(json_member(process, "env"), "TERM=xterm");
    return process;
}

static int read_config(const struct box_daemon *daemon, const struct box_pod *pod, const char *container, cJSON **ret,
                       struct error *error)
{
    static const struct json_limits limits = {
        .bytes = CONFIG_BYTES_MAX, .depth = 32, .values = 100000, .keys = BOX_ENVS_MAX};
    AUTO_FREE char *directory = box_path_container(&daemon->paths, pod->sandbox->name, pod->name, container);
    AUTO_FREE char *path = memory_format("%s/config.json", directory);
    AUTO_BUFFER struct buffer text = {0};
    int failed = file_read(path, CONFIG_BYTES_MAX, &text, error);
    return failed ? failed : json_parse(buffer_slice(&text), &limits, ret, error);
}

static int find_running(struct box_pod *pod, const char *container, char ret_id[64], struct error *error)
{
    bool running = false;
    pthread_mutex_lock(&pod->lock);
    for (size_t i = 0; i < pod->state.count; i++) {
        const struct box_container *at = &pod->state.containers[i];
        if (strcmp(at->name, container) || at->state != BOX_RUNNING)
            continue;
        running = true;
        memcpy(ret_id, at->id, sizeof(at->id));
    }
    pthread_mutex_unlock(&pod->lock);
    return running ? 0 : error_set(error, ERROR_CONFLICT, "container", "container \"%s\" is not running", container);
}

static int make_directory(struct box_daemon *daemon, struct box_pod *pod, const char *container, const cJSON *request,
                          char **ret, struct error *error)
{
    AUTO_JSON cJSON *config = NULL;
    AUTO_FREE char *token = random_token(12);
    AUTO_FREE char *directory = memory_format("%s/exec/%s", daemon->paths.state, token);
    AUTO_FREE char *path = memory_format("%s/process.json", directory);
    int failed = read_config(daemon, pod, container, &config, error);
    if (failed)
        return failed;
    AUTO_JSON cJSON *process = render_process(config, json_member(request, "command"), json_true(request, "tty", NULL));
    AUTO_FREE char *text = json_print(process);
    failed = file_make_directories(directory, 0700, error);
    if (!failed)
        failed = box_write_file(path, slice_of(text), 0600, error);
    if (!failed)
        *ret = TAKE_POINTER(directory);
    else
        file_remove_tree(directory, NULL);
    return failed;
}

/* --- the session -------------------------------------------------------------------------------------------------- */

static pid_t launch(const char *const *argv, int fd)
{
    static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", NULL};
    const struct box_launch wanted = {.argv = argv, .environment = environment, .fd = fd};
    return box_launch(&wanted);
}

static void find_mode(const cJSON *request, char ret[8])
{
    snprintf(ret, 8, "%s%s%s%s-", json_true(request, "stdin", NULL) ? "i" : "",
             json_true(request, "stdout", NULL) ? "o" : "", json_true(request, "stderr", NULL) ? "e" : "",
             json_true(request, "tty", NULL) ? "t" : "");
}

/* This program again, as <argv> says, with the other end of *ret_fd. */
static int begin(const char *const *argv, pid_t *ret_pid, int *ret_fd, struct error *error)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "socketpair: %s", strerrordesc_np(errno));
    pid_t pid = launch(argv, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return error_set(error, ERROR_UNAVAILABLE, NULL, "fork: %s", strerrordesc_np(-pid));
    }
    *ret_pid = pid;
    *ret_fd = ends[0];
    return 0;
}

int box_exec(struct box_daemon *daemon, struct box_pod *pod, const char *container, const cJSON *request, int *ret_fd,
             struct error *error)
{
    AUTO_FREE char *directory = NULL;
    AUTO_FREE char *program = memory_format("%s/init", daemon->paths.state);
    char id[64], mode[8];
    size_t place;
    pid_t pid = 0;
    int failed = box_command_check(request, "exec", "command", error);
    if (!failed)
        failed = find_running(pod, container, id, error);
    if (!failed)
        failed = enter(daemon->execs, pod->sandbox->name, &place, error);
    if (failed)
        return failed;
    failed = make_directory(daemon, pod, container, request, &directory, error);
    find_mode(request, mode);
    const char *const argv[] = {program, "--exec", daemon->runtime.runc, daemon->runtime.root, directory, id,
                                mode,    NULL};
    if (!failed)
        failed = begin(argv, &pid, ret_fd, error);
    if (failed && directory)
        file_remove_tree(directory, NULL);
    occupy(daemon->execs, place, pid);
    return failed;
}

int box_attach(struct box_daemon *daemon, struct box_pod *pod, const char *container, const cJSON *request, int *ret_fd,
               struct error *error)
{
    AUTO_FREE char *program = memory_format("%s/init", daemon->paths.state);
    AUTO_FREE char *directory = box_path_container(&daemon->paths, pod->sandbox->name, pod->name, container);
    char id[64], mode[8];
    size_t place;
    pid_t pid = 0;
    int failed = find_running(pod, container, id, error);
    if (!failed)
        failed = enter(daemon->execs, pod->sandbox->name, &place, error);
    if (failed)
        return failed;
    find_mode(request, mode);
    const char *const argv[] = {program, "--attach", directory, mode, NULL};
    failed = begin(argv, &pid, ret_fd, error);
    occupy(daemon->execs, place, pid);
    return failed;
}
