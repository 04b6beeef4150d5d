/* How does an empty directory become a database cluster of ours, and how do we know one again? */
#include "supervisor/database.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"

#define POSTGRES_ROOT "/usr/lib/postgresql"
#define POSTGRES_MAJOR_MIN 15
#define INITDB_TIMEOUT_MS 120000
#define INTERRUPTED_END_MS 5000
#define LOG_BYTES_MAX ((off_t)16 * 1024 * 1024)
#define STATE_INITIALIZING "initializing\n"
#define STATE_READY "ready\n"

static int newest_major(void)
{
    DIR *directory = opendir(POSTGRES_ROOT);
    int newest = 0;
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        int64_t major;
        AUTO_FREE char *path = memory_format(POSTGRES_ROOT "/%s/bin/initdb", entry->d_name);
        if (text_parse_i64(slice_of(entry->d_name), POSTGRES_MAJOR_MIN, 999, &major) && file_exists(path) &&
            major > newest)
            newest = (int)major;
    }
    if (directory)
        closedir(directory);
    return newest;
}

static bool is_empty(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count <= 2; /* "." and ".." */
}

/* The release of an existing cluster; 0 if there is no PG_VERSION. */
static int existing_major(const char *directory)
{
    AUTO_FREE char *path = memory_format("%s/PG_VERSION", directory);
    AUTO_BUFFER struct buffer text = {0};
    int64_t major;
    if (file_read(path, 16, &text, NULL) < 0)
        return 0;
    struct slice rest, line = slice_split(buffer_slice(&text), '\n', &rest);
    return text_parse_i64(line, 1, 999, &major) ? (int)major : 0;
}

static int find_user(struct database *database, struct error *error)
{
    const struct passwd *user = getpwnam("postgres");
    if (!user)
        return error_set(error, ERROR_INVALID, NULL,
                         "there is no system user postgres: install the package postgresql-15 (scripts/setup.sh does)");
    database->uid = user->pw_uid;
    database->gid = user->pw_gid;
    return 0;
}

static int refuse_foreign(const char *directory, const char *why, struct error *error)
{
    return error_set(error, ERROR_INVALID, "ATELIER_DATA",
                     "%s %s; move it away, or choose another data directory with ATELIER_DATA", directory, why);
}

/* Decides between a new cluster, one to be made again, and one that may be used. */
static int check_existing(const struct database *database, const char *source, struct slice state, bool *ret_create,
                          struct error *error)
{
    struct stat status;
    if (stat(source, &status) < 0 || slice_is(state, STATE_INITIALIZING)) {
        *ret_create = true;
        return 0;
    }
    if (state.n == 0 && is_empty(source)) {
        *ret_create = true;
        return 0;
    }
    if (!slice_is(state, STATE_READY))
        return refuse_foreign(source, "is not empty and was not made by Atelier", error);
    if (status.st_uid != database->uid)
        return refuse_foreign(source, "does not belong to the user postgres of this machine", error);
    *ret_create = false;
    return 0;
}

static int choose_programs(struct database *database, const char *source, bool create, struct error *error)
{
    int major = create ? newest_major() : existing_major(source);
    if (create && !major)
        return error_set(
            error, ERROR_INVALID, NULL,
            "PostgreSQL %d or newer is not installed: install the package postgresql-15 (scripts/setup.sh does)",
            POSTGRES_MAJOR_MIN);
    if (!major)
        return refuse_foreign(source, "holds no PG_VERSION: it is not a PostgreSQL data directory any more", error);
    database->programs = memory_format(POSTGRES_ROOT "/%d/bin", major);
    AUTO_FREE char *server = memory_format("%s/postgres", database->programs);
    if (file_exists(server))
        return 0;
    return error_set(
        error, ERROR_INVALID, "ATELIER_DATA",
        "%s was made by PostgreSQL %d, which is not installed here: install postgresql-%d, or dump and restore", source,
        major, major);
}

static const char *const environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", NULL};

static struct program program_of(const struct database *database, const char *file, const char *const *arguments)
{
    return (struct program){.directory = database->programs,
                            .file = file,
                            .arguments = arguments,
                            .environment = environment,
                            .user = "postgres",
                            .uid = database->uid,
                            .gid = database->gid,
                            .drop_privileges = true,
                            .record = database->record,
                            .input = -1,
                            .output = -1,
                            .errors = -1};
}

static int run_initdb(const struct database *database, int log, struct error *error)
{
    AUTO_FREE char *path = memory_format("%s/initdb", database->programs); /* it looks for `postgres` beside itself */
    const char *const arguments[] = {path, "-D",   database->directory, "-U", "postgres", "-E", "UTF8", "--locale=C",
                                     "-A", "peer", "--no-instructions", NULL};
    struct program program = program_of(database, "initdb", arguments);
    program.output = program.errors = log;
    return child_run(&program, INITDB_TIMEOUT_MS, error);
}

/* The role and the database, in single-user mode: no server has to listen for that. */
static int run_first_statements(const struct database *database, int log, struct error *error)
{
    static const char statements[] = "CREATE ROLE atelier LOGIN;\n"
                                     "CREATE DATABASE atelier OWNER atelier;\n"
                                     "REVOKE ALL ON DATABASE atelier FROM PUBLIC;\n"
                                     "REVOKE ALL ON DATABASE postgres FROM PUBLIC;\n";
    AUTO_FREE char *path = memory_format("%s/postgres", database->programs);
    const char *const arguments[] = {path, "--single",         "-D",       database->directory,
                                     "-c", "exit_on_error=on", "postgres", NULL};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "pipe: %s", strerrordesc_np(errno));
    AUTO_CLOSE int input = ends[0];
    ssize_t written = write(ends[1], statements, sizeof(statements) - 1); /* far below a pipe's capacity */
    close(ends[1]);
    struct program program = program_of(database, "postgres", arguments);
    program.input = input;
    program.output = program.errors = log;
    if (written != (ssize_t)sizeof(statements) - 1)
        return error_set(error, ERROR_INTERNAL, NULL, "pipe: short write");
    return child_run(&program, INITDB_TIMEOUT_MS, error);
}

static int make_empty(const struct database *database, const char *source, struct error *error)
{
    int failed = mount_remove(database->directory, error);
    if (!failed)
        failed = file_remove_tree(source, error);
    if (!failed)
        failed = file_make_directories(source, 0700, error);
    if (!failed && (chown(source, database->uid, database->gid) < 0 || chmod(source, 0700) < 0))
        failed = error_set(error, ERROR_INTERNAL, NULL, "%s cannot be given to user postgres: %s", source,
                           strerrordesc_np(errno));
    return failed;
}

/* An initdb that outlived a killed supervisor must not write into the directory that is about to be made anew. */
static void end_interrupted(const char *record)
{
    struct child child;
    pid_t pid;
    uint64_t start_time;
    char fingerprint[CHILD_FINGERPRINT_SIZE];
    if (!child_recall(record, &pid, &start_time, fingerprint) || !child_hold(pid, start_time, &child))
        return;
    struct pollfd ended = {.fd = child.pidfd, .events = POLLIN};
    kill(-pid, SIGKILL); /* its group: the leader, held here, is alive, so the number is its own */
    child_signal(&child, SIGKILL);
    poll(&ended, 1, INTERRUPTED_END_MS);
    child_release(&child);
}

static int create_cluster(struct database *database, const char *source, const char *state, struct error *error)
{
    AUTO_CLOSE int log = -1;
    log_line(LOG_INFO, "creating the database", LOG_TEXT("directory", source));
    end_interrupted(database->record);
    int failed = file_write(state, SLICE(STATE_INITIALIZING), 0600, error);
    if (!failed)
        failed = make_empty(database, source, error);
    if (!failed)
        failed = mount_bind(source, database->directory, false, error);
    if (!failed)
        failed = database_open_log(database->layout, &log, error);
    if (!failed)
        failed = run_initdb(database, log, error);
    if (!failed)
        failed = run_first_statements(database, log, error);
    if (failed)
        return error_wrap(error, "the database could not be created (see %s/postgres.log)", database->layout->data);
    database->fresh = true;
    return file_write(state, SLICE(STATE_READY), 0600, error);
}

/* root and the server's own user may act as the superuser, atelierd's user and root as `atelier`; nobody else connects.
 */
static int write_access_rules(const struct database *database, struct error *error)
{
    AUTO_FREE char *rules = layout_run_path(database->layout, "pg_hba.conf");
    AUTO_FREE char *users = layout_run_path(database->layout, "pg_ident.conf");
    AUTO_FREE char *map = memory_format("atelier postgres postgres\natelier root postgres\natelier root atelier\n"
                                        "atelier %s atelier\n",
                                        database->client_user);
    int failed = file_write(users, slice_of(map), 0644, error);
    if (failed)
        return failed;
    return file_write(rules, SLICE("local all postgres peer map=atelier\nlocal atelier atelier peer map=atelier\n"),
                      0644, error);
}

static int make_socket_directory(const struct database *database, struct error *error)
{
    AUTO_FREE char *path = layout_run_path(database->layout, "db");
    int failed = file_make_directories(path, 0710, error);
    if (!failed && (chown(path, database->uid, database->client_group) < 0 || chmod(path, 0710) < 0))
        failed = error_set(error, ERROR_INTERNAL, NULL, "%s: %s", path, strerrordesc_np(errno));
    return failed;
}

/* Settings on the command line: a changed postgresql.conf cannot open the server to the network. */
static void fill_arguments(struct database *database)
{
    const char *run = database->layout->run;
    const char *settings[] = {
        "listen_addresses=",
        arena_format(database->arena, "unix_socket_directories=%s/db", run),
        "unix_socket_permissions=0777", /* the directory above decides who gets there */
        "port=5432",
        arena_format(database->arena, "hba_file=%s/pg_hba.conf", run),
        arena_format(database->arena, "ident_file=%s/pg_ident.conf", run),
        "fsync=on",
        "shared_buffers=64MB",
        "max_connections=40",
        "max_wal_senders=0",
        "max_logical_replication_workers=0",
        "max_wal_size=256MB",
        "min_wal_size=80MB",
        "max_parallel_workers=2",
        "autovacuum_max_workers=2",
        "jit=off",
        "huge_pages=off",
        "logging_collector=off",
        "log_destination=stderr",
        "log_line_prefix=%m [%p] ",
    };
    size_t count = 0;
    database->arguments = arena_get(database->arena, (4 + 2 * COUNT_OF(settings)) * sizeof(char *));
    database->arguments[count++] = arena_format(database->arena, "%s/postgres", database->programs);
    database->arguments[count++] = "-D";
    database->arguments[count++] = database->directory;
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        database->arguments[count++] = "-c";
        database->arguments[count++] = settings[i];
    }
}

static int open_cluster(struct database *database, struct error *error)
{
    AUTO_FREE char *source = layout_data_path(database->layout, "postgres");
    AUTO_FREE char *state = layout_data_path(database->layout, "postgres.state");
    AUTO_BUFFER struct buffer text = {0};
    bool create = false;
    if (file_exists(state)) {
        int failed = file_read(state, 64, &text, error);
        if (failed)
            return failed;
    }
    int failed = check_existing(database, source, buffer_slice(&text), &create, error);
    if (!failed)
        failed = choose_programs(database, source, create, error);
    if (failed)
        return failed;
    return create ? create_cluster(database, source, state, error)
                  : mount_bind(source, database->directory, false, error);
}

int database_prepare(const struct layout *layout, const char *client_user, gid_t client_group, struct database *ret,
                     struct error *error)
{
    *ret = (struct database){.layout = layout, .client_user = client_user, .client_group = client_group};
    ret->arena = arena_new(4096);
    ret->directory = layout_run_path(layout, "postgres");
    ret->record = layout_run_path(layout, "postgres.pid");
    int failed = find_user(ret, error);
    if (!failed)
        failed = open_cluster(ret, error);
    if (!failed)
        failed = make_socket_directory(ret, error);
    if (!failed)
        failed = write_access_rules(ret, error);
    if (!failed)
        fill_arguments(ret);
    return failed;
}

void database_free(struct database *database)
{
    free(database->programs);
    free(database->directory);
    free(database->record);
    arena_free(database->arena);
    *database = (struct database){0};
}

struct program database_program(const struct database *database, int log)
{
    struct program program = program_of(database, "postgres", database->arguments);
    program.output = program.errors = log;
    return program;
}

/* The line of postmaster.pid with that number (from 1), into <ret>. Lines: pid, directory, start, port, socket
 * directory, address, shared memory, status (PostgreSQL's utils/pidfile.h). */
static bool pid_file_line(const struct layout *layout, int number, char *ret, size_t size)
{
    AUTO_FREE char *path = layout_data_path(layout, "postgres/postmaster.pid");
    AUTO_BUFFER struct buffer text = {0};
    if (file_read(path, 4096, &text, NULL) < 0)
        return false;
    struct slice rest = buffer_slice(&text), line = rest;
    for (int i = 0; i < number; i++)
        line = slice_split(rest, '\n', &rest);
    line = slice_trim(line);
    snprintf(ret, size, "%.*s", (int)line.n, line.p ? line.p : "");
    return line.n > 0;
}

/* A postmaster's working directory is its data directory: that, not the pid alone, says whose it is. */
static bool works_in(pid_t pid, const char *directory)
{
    struct stat own, its;
    AUTO_FREE char *path = memory_format("/proc/%d/cwd", (int)pid);
    return stat(path, &its) == 0 && stat(directory, &own) == 0 && own.st_dev == its.st_dev && own.st_ino == its.st_ino;
}

static bool is_server(pid_t pid)
{
    char target[PATH_MAX];
    AUTO_FREE char *path = memory_format("/proc/%d/exe", (int)pid);
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    target[length > 0 ? length : 0] = '\0';
    return slice_ends(slice_of(target), "/bin/postgres") || slice_ends(slice_of(target), "/bin/postgres (deleted)");
}

bool database_find(const struct layout *layout, struct child *ret)
{
    char line[64];
    int64_t pid;
    uint64_t start_time;
    struct child child;
    AUTO_FREE char *directory = layout_data_path(layout, "postgres");
    if (!pid_file_line(layout, 1, line, sizeof(line)) || !text_parse_i64(slice_of(line), 1, INT32_MAX, &pid) ||
        !process_start_time((pid_t)pid, &start_time) || !child_hold((pid_t)pid, start_time, &child))
        return false;
    if (!is_server(child.pid) || !works_in(child.pid, directory)) {
        child_release(&child);
        return false;
    }
    *ret = child;
    return true;
}

void database_forget_dead(const struct layout *layout)
{
    AUTO_FREE char *path = layout_data_path(layout, "postgres/postmaster.pid");
    AUTO_FREE char *socket_lock = layout_run_path(layout, "db/.s.PGSQL.5432.lock");
    struct child child;
    if (database_find(layout, &child)) {
        child_release(&child);
        return;
    }
    unlink(path);
    unlink(socket_lock);
}

bool database_is_ready(const struct layout *layout)
{
    char line[64];
    return pid_file_line(layout, 8, line, sizeof(line)) && strcmp(line, "ready") == 0;
}

int database_open_log(const struct layout *layout, int *ret, struct error *error)
{
    AUTO_FREE char *path = layout_data_path(layout, "postgres.log");
    AUTO_FREE char *old = layout_data_path(layout, "postgres.log.1");
    struct stat status;
    if (stat(path, &status) == 0 && status.st_size > LOG_BYTES_MAX)
        rename(path, old);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "%s: %s", path, strerrordesc_np(errno));
    *ret = fd;
    return 0;
}
