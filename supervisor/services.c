/* How is each of the three processes started, and is it running already? */
#include "supervisor/services.h"

#include "supervisor/rootless.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"

#define REMOVE_PODS_TIMEOUT_MS 120000 /* pods have a grace period of 30 s each, all at once */
#define OWN_VARIABLES_MAX 16          /* those that this file adds, and the closing NULL */

extern char **environ;

/* The orderly ways: PostgreSQL's "fast" shutdown is SIGINT, its "immediate" one SIGQUIT. */
const struct service_info service_infos[SERVICE_COUNT] = {
    [SERVICE_POSTGRES] = {"postgres", SIGINT, SIGQUIT, 30000},
    [SERVICE_SANDBOXD] = {"atelier-sandboxd", SIGTERM, SIGKILL, 5000},
    [SERVICE_ATELIERD] = {"atelierd", SIGTERM, SIGKILL, 10000},
};

static void find_daemon_user(struct services *services)
{
    const struct passwd *user = getpwnam("atelier");
    services->user = "atelier";
    if (!user) {
        if (!process_is_in_user_namespace()) /* there, nobody is an id that no other service has */
            log_line(LOG_WARN,
                     "there is no system user atelier: atelierd runs as nobody, which other services may share; "
                     "scripts/setup.sh creates it");
        services->user = "nobody";
        user = getpwnam("nobody");
    }
    services->uid = user ? user->pw_uid : 65534;
    services->gid = user ? user->pw_gid : 65534;
}

static int make_directory(const struct layout *layout, const char *name, mode_t mode, uid_t uid, gid_t gid,
                          struct error *error)
{
    AUTO_FREE char *path = layout_run_path(layout, name);
    int failed = file_make_directories(path, mode, error);
    if (!failed && (chown(path, uid, gid) < 0 || chmod(path, mode) < 0))
        failed = error_set(error, ERROR_INTERNAL, NULL, "%s: %s", path, strerrordesc_np(errno));
    return failed;
}

/* Others of this machine may pass through the run directory; each part below has its own owner and mode. */
static int make_run_directory(const struct services *services, struct error *error)
{
    const struct layout *layout = services->layout;
    int failed = make_directory(layout, ".", 0711, 0, 0, error);
    if (!failed)
        failed = make_directory(layout, "atelierd", 0700, services->uid, services->gid, error);
    if (!failed)
        failed = make_directory(layout, "sandboxd", 0711, 0, 0, error);
    AUTO_FREE char *note = layout_run_path(layout, "data");
    AUTO_FREE char *text = memory_format("%s\n", layout->data);
    if (!failed)
        failed = file_write(note, slice_of(text), 0644, error);
    if (!failed)
        failed = lock_record(layout, error);
    return failed;
}

/* atelierd only reads each image's image.json, and its user may not be able to enter the directory by its real path. */
static int bind_images(const struct layout *layout, struct error *error)
{
    AUTO_FREE char *target = layout_run_path(layout, "images");
    int failed = file_make_directories(layout->images, 0755, error);
    return failed ? failed : mount_bind(layout->images, target, true, error);
}

/* The certificate authority's key is atelierd's alone; its directory is reached like the images'. */
static int bind_tls(const struct services *services, struct error *error)
{
    AUTO_FREE char *source = layout_data_path(services->layout, "tls");
    AUTO_FREE char *target = layout_run_path(services->layout, "tls");
    int failed = file_make_directories(source, 0700, error);
    if (!failed && (chown(source, services->uid, services->gid) < 0 || chmod(source, 0700) < 0))
        failed = error_set(error, ERROR_INTERNAL, NULL, "%s: %s", source, strerrordesc_np(errno));
    return failed ? failed : mount_bind(source, target, false, error);
}

/* Settings that say where things are, which only this program decides. */
static bool is_ours(const char *variable)
{
    static const char *const names[] = {
        "ATELIER_DATA=",      "ATELIER_RUN_DIR=",         "ATELIER_ADMIN_SOCKET=", "ATELIER_IMAGES=",
        "ATELIER_TOKEN=",     "ATELIER_SANDBOXD_SOCKET=", "ATELIER_URL=",          "ATELIER_NOTIFY_FD=",
        "ATELIER_NAMESPACE=", "ATELIER_TLS_DIRECTORY="};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

#define SYSTEM_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* What every daemon gets; sandboxd takes its settings as arguments and needs nothing else. */
static const char **base_environment(const struct services *services, size_t *ret_count)
{
    size_t count = 0, given = 0;
    while (environ[given])
        given++;
    const char **variables = arena_get(services->arena, (given + OWN_VARIABLES_MAX) * sizeof(char *));
    variables[count++] = SYSTEM_PATH;
    variables[count++] = "LANG=C.UTF-8";
    for (char **variable = environ; *variable; variable++)
        if (strncmp(*variable, "TZ=", 3) == 0)
            variables[count++] = *variable;
    if (isatty(STDERR_FILENO) == 1)
        variables[count++] = "ATELIER_LOG_FORMAT=text"; /* a FIFO stands between the daemon and the terminal */
    *ret_count = count;
    return variables;
}

static const char *const *atelierd_environment(const struct services *services)
{
    const struct layout *layout = services->layout;
    struct arena *arena = services->arena;
    size_t count;
    const char **variables = base_environment(services, &count);
    for (char **variable = environ; *variable; variable++)
        if ((strncmp(*variable, "ATELIER_", 8) == 0 && !is_ours(*variable)) ||
            (strncmp(*variable, "DATABASE_URL", 12) == 0 && !services->embedded))
            variables[count++] = *variable;
    variables[count++] = arena_format(arena, "HOME=%s/atelierd", layout->run);
    variables[count++] = arena_format(arena, "ATELIER_DATA=%s", layout->data);
    variables[count++] = arena_format(arena, "ATELIER_RUN_DIR=%s/atelierd", layout->run);
    variables[count++] = arena_format(arena, "ATELIER_ADMIN_SOCKET=%s", layout->admin_socket);
    variables[count++] = arena_format(arena, "ATELIER_SANDBOXD_SOCKET=%s", layout->sandboxd_socket);
    variables[count++] = arena_format(arena, "ATELIER_IMAGES=%s/images", layout->run);
    variables[count++] = arena_format(arena, "ATELIER_TLS_DIRECTORY=%s/tls", layout->run);
    variables[count++] = "ATELIER_NOTIFY_FD=3"; /* CHILD_NOTIFY_FD */
    if (services->embedded)
        variables[count++] =
            arena_format(arena, "DATABASE_URL=host=%s/db port=5432 user=atelier dbname=atelier", layout->run);
    return variables;
}

static const char *const *sandboxd_arguments(const struct layout *layout, bool down, uid_t uid, gid_t gid,
                                             struct arena *arena)
{
    const char **arguments = arena_get(arena, 24 * sizeof(char *));
    size_t count = 0;
    arguments[count++] = "atelier-sandboxd";
    arguments[count++] = "--run-dir";
    arguments[count++] = arena_format(arena, "%s/sandboxd", layout->run);
    arguments[count++] = "--data-dir";
    arguments[count++] = arena_format(arena, "%s/sandboxes", layout->data);
    arguments[count++] = "--images-dir";
    arguments[count++] = layout->images;
    arguments[count++] = "--socket";
    arguments[count++] = layout->sandboxd_socket;
    AUTO_BUFFER struct buffer group = {0};
    if (process_is_in_user_namespace() && file_read(ROOTLESS_GROUP_FILE, PATH_MAX, &group, NULL) == 0) {
        arguments[count++] = "--cgroup-parent";
        arguments[count++] = arena_text_n(arena, group.p, group.n);
    }
    const char *devices = getenv("ATELIER_GPU_DEVICES"), *driver = getenv("ATELIER_GPU_DRIVER");
    if (devices && *devices) {
        arguments[count++] = "--gpu-devices";
        arguments[count++] = devices;
    }
    if (driver && *driver) {
        arguments[count++] = "--gpu-driver";
        arguments[count++] = driver;
    }
    const char *start = getenv("ATELIER_CPU_START_S");
    if (start && *start && !down) {
        arguments[count++] = "--cpu-start";
        arguments[count++] = start;
    }
    if (down) {
        arguments[count++] = "--down";
    } else {
        arguments[count++] = "--socket-user";
        arguments[count++] = arena_format(arena, "%u:%u", (unsigned)uid, (unsigned)gid);
    }
    return arguments;
}

static struct program sandboxd_program(const struct services *services)
{
    size_t count;
    return (struct program){
        .directory = services->layout->programs,
        .file = service_infos[SERVICE_SANDBOXD].name,
        .arguments = sandboxd_arguments(services->layout, false, services->uid, services->gid, services->arena),
        .environment = base_environment(services, &count),
        .user = "root",
        .input = -1,
        .output = services->relay.errors,
        .errors = services->relay.errors,
        .record = services->records[SERVICE_SANDBOXD],
    };
}

static struct program atelierd_program(const struct services *services)
{
    static const char *const arguments[] = {"atelierd", NULL};
    return (struct program){
        .directory = services->layout->programs,
        .file = service_infos[SERVICE_ATELIERD].name,
        .arguments = arguments,
        .environment = atelierd_environment(services),
        .user = services->user,
        .uid = services->uid,
        .gid = services->gid,
        .drop_privileges = true,
        .notifies = true,
        .ignores_usr1 = true,
        .many_files = true,
        .input = -1,
        .output = services->relay.output,
        .errors = services->relay.errors,
        .record = services->records[SERVICE_ATELIERD],
    };
}

int services_prepare(const struct layout *layout, struct services *ret, struct error *error)
{
    const char *url = getenv("DATABASE_URL"), *url_file = getenv("DATABASE_URL_FILE");
    *ret = (struct services){.layout = layout, .postgres_log = -1, .relay = {.output = -1, .errors = -1}};
    ret->arena = arena_new(4096);
    ret->embedded = !(url && url[0]) && !(url_file && url_file[0]);
    find_daemon_user(ret);
    int failed = make_run_directory(ret, error);
    for (int i = 0; i < SERVICE_COUNT; i++) {
        AUTO_FREE char *name = memory_format("%s.pid", service_infos[i].name);
        ret->records[i] = layout_run_path(layout, name);
    }
    if (!failed)
        failed = bind_images(layout, error);
    if (!failed)
        failed = bind_tls(ret, error);
    if (!failed && ret->embedded)
        failed = database_prepare(layout, ret->user, ret->gid, &ret->database, error);
    if (!failed && ret->embedded)
        failed = database_open_log(layout, &ret->postgres_log, error);
    if (!failed)
        failed = relay_open(layout, &ret->relay, error);
    if (failed)
        return failed;
    if (ret->embedded)
        ret->programs[SERVICE_POSTGRES] = database_program(&ret->database, ret->postgres_log);
    ret->programs[SERVICE_SANDBOXD] = sandboxd_program(ret);
    ret->programs[SERVICE_ATELIERD] = atelierd_program(ret);
    return 0;
}

void services_free(struct services *services)
{
    for (int i = 0; i < SERVICE_COUNT; i++)
        free(services->records[i]);
    if (services->postgres_log >= 0)
        close(services->postgres_log);
    database_free(&services->database);
    relay_close(&services->relay);
    arena_free(services->arena);
    *services = (struct services){.postgres_log = -1, .relay = {.output = -1, .errors = -1}};
}

bool services_wanted(const struct services *services, enum service_id id)
{
    return id != SERVICE_POSTGRES || services->embedded;
}

bool service_find(const struct layout *layout, enum service_id id, struct child *ret,
                  char ret_fingerprint[CHILD_FINGERPRINT_SIZE])
{
    char fingerprint[CHILD_FINGERPRINT_SIZE] = "";
    pid_t pid;
    uint64_t start_time;
    AUTO_FREE char *name = memory_format("%s.pid", service_infos[id].name);
    AUTO_FREE char *record = layout_run_path(layout, name);
    bool recorded = child_recall(record, &pid, &start_time, fingerprint);
    if (ret_fingerprint)
        snprintf(ret_fingerprint, CHILD_FINGERPRINT_SIZE, "%s", recorded ? fingerprint : "");
    if (id == SERVICE_POSTGRES && database_find(layout, ret))
        return true;
    return recorded && child_hold(pid, start_time, ret);
}

int services_remove_pods(const struct layout *layout, struct error *error)
{
    AUTO_ARENA struct arena *arena = arena_new(1024);
    static const char *const environment[] = {SYSTEM_PATH, "LANG=C.UTF-8", NULL};
    struct program program = {.directory = layout->programs,
                              .file = service_infos[SERVICE_SANDBOXD].name,
                              .environment = environment,
                              .arguments = sandboxd_arguments(layout, true, 0, 0, arena),
                              .user = "root",
                              .input = -1,
                              .output = STDERR_FILENO,
                              .errors = STDERR_FILENO};
    return child_run(&program, REMOVE_PODS_TIMEOUT_MS, error);
}
