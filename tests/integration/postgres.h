/*
 * A private PostgreSQL for one test program: made on first use, unix socket only, gone at exit however the program
 * ends.
 *
 *     AUTO_FREE char *url = postgres_database("auth"); // a fresh, empty database
 *     postgres_kill(); postgres_start();               // kill -9, and back (crash recovery; nothing committed is lost)
 *     postgres_pause(); postgres_resume();             // a server that hangs
 *
 * Who cleans up: a small janitor process that reads a pipe from the program. When the program has ended, even by
 * SIGKILL, the pipe closes; the janitor stops the server and removes its directory. Call it from one thread only.
 */
#ifndef ATELIER_TESTS_POSTGRES_H
#define ATELIER_TESTS_POSTGRES_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

#define POSTGRES_BIN "/usr/lib/postgresql/15/bin/"

static struct {
    char directory[64]; /* "" until made */
    pid_t server, janitor;
    int pipe;
    unsigned databases;
} postgres_state;

_Noreturn static inline void postgres_fail(const char *what)
{
    fprintf(stderr, "private PostgreSQL: %s: %s\n", what, strerror(errno));
    exit(2);
}

static inline void postgres_sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* PostgreSQL refuses to run as root; then it is Debian's user postgres. */
static inline void postgres_drop_root(void)
{
    if (geteuid() != 0)
        return;
    const struct passwd *user = getpwnam("postgres");
    if (!user || setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)
        _exit(126);
}

/* Starts argv as the server's user; what it says goes to DIRECTORY/log. It dies with us. */
static inline pid_t postgres_spawn(const char *const *argv)
{
    char log[96];
    pid_t parent = getpid();
    snprintf(log, sizeof(log), "%s/log", postgres_state.directory);
    pid_t pid = fork();
    if (pid < 0)
        postgres_fail("fork");
    if (pid > 0)
        return pid;
    int in = open("/dev/null", O_RDONLY);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (in < 0 || out < 0 || (geteuid() == 0 && fchown(out, getpwnam("postgres")->pw_uid, (gid_t)-1) != 0))
        _exit(126);
    dup2(in, 0);
    dup2(out, 1);
    dup2(out, 2);
    setsid(); /* Ctrl-C at the terminal is for the test */
    postgres_drop_root();
    if (chdir("/") != 0 || prctl(PR_SET_PDEATHSIG, SIGQUIT) != 0 || getppid() != parent)
        _exit(126);
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

/* The janitor: waits for the program's end, then for the server's, then removes everything. */
_Noreturn static inline void postgres_janitor(int from_program)
{
    char byte, path[96], line[32] = "";
    setsid();
    for (int fd = 0; fd < 64; fd++)
        if (fd != from_program)
            close(fd);
    while (read(from_program, &byte, 1) > 0 || errno == EINTR)
        ;
    snprintf(path, sizeof(path), "%s/data/postmaster.pid", postgres_state.directory);
    int fd = open(path, O_RDONLY);
    if (fd >= 0 && read(fd, line, sizeof(line) - 1) > 0) {
        pid_t server = (pid_t)strtol(line, NULL, 10);
        kill(server, SIGCONT);
        kill(server, SIGQUIT);
        for (int i = 0; i < 500 && kill(server, 0) == 0; i++)
            postgres_sleep_ms(10);
    }
    file_remove_tree(postgres_state.directory, NULL);
    _exit(0);
}

static inline void postgres_stop(void)
{
    if (!postgres_state.janitor)
        return;
    if (postgres_state.server) {
        kill(postgres_state.server, SIGCONT);
        kill(postgres_state.server, SIGQUIT);
        waitpid(postgres_state.server, NULL, 0); /* reaped here, or it would look alive to the janitor */
    }
    close(postgres_state.pipe);
    waitpid(postgres_state.janitor, NULL, 0);
    postgres_state.janitor = postgres_state.server = 0;
}

static inline void postgres_forked_exit(void)
{
    static pid_t owner;
    if (!owner)
        owner = getpid();
    else if (owner == getpid())
        postgres_stop();
}

static inline void postgres_make_directory(void)
{
    int ends[2];
    snprintf(postgres_state.directory, sizeof(postgres_state.directory), "/tmp/atpg-XXXXXX"); /* short: socket paths */
    if (!mkdtemp(postgres_state.directory) || pipe2(ends, O_CLOEXEC) != 0)
        postgres_fail("directory");
    if (geteuid() == 0 && chown(postgres_state.directory, getpwnam("postgres")->pw_uid, (gid_t)-1) != 0)
        postgres_fail("chown");
    postgres_state.janitor = fork();
    if (postgres_state.janitor < 0)
        postgres_fail("fork");
    if (postgres_state.janitor == 0)
        postgres_janitor(ends[0]);
    close(ends[0]);
    postgres_state.pipe = ends[1];
    postgres_forked_exit();
    atexit(postgres_forked_exit);
}

static inline void postgres_init(void)
{
    char data[96];
    int status;
    postgres_make_directory();
    snprintf(data, sizeof(data), "%s/data", postgres_state.directory);
    const char *const argv[] = {
        POSTGRES_BIN "initdb", "-D", data, "-U", "atelier", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync",
        "--no-instructions",   NULL};
    pid_t pid = postgres_spawn(argv);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        postgres_fail("initdb");
}

/* The connection string of a database on it; the caller's. */
static inline char *postgres_url(const char *database)
{
    return memory_format("host=%s user=atelier dbname=%s", postgres_state.directory, database);
}

static inline PGconn *postgres_connect(const char *database)
{
    AUTO_FREE char *url = postgres_url(database);
    return PQconnectdb(url);
}

static inline void postgres_spawn_server(void)
{
    char data[96];
    snprintf(data, sizeof(data), "%s/data", postgres_state.directory);
    const char *const argv[] = {POSTGRES_BIN "postgres",
                                "-D",
                                data,
                                "-k",
                                postgres_state.directory,
                                "-clisten_addresses=",
                                "-cfsync=off",
                                "-cshared_buffers=16MB",
                                "-cmax_connections=60",
                                "-cautovacuum=off",
                                NULL};
    postgres_state.server = postgres_spawn(argv);
}

/* (Re)starts the server and waits until it answers. */
static inline void postgres_start(void)
{
    unsigned tries = 0;
    if (!postgres_state.directory[0])
        postgres_init();
    if (postgres_state.server)
        return;
    postgres_spawn_server();
    for (int i = 0; i < 3000; i++) {
        PGconn *pg = postgres_connect("postgres");
        bool up = PQstatus(pg) == CONNECTION_OK;
        PQfinish(pg);
        if (up)
            return;
        if (waitpid(postgres_state.server, NULL, WNOHANG) == postgres_state.server) {
            postgres_state.server = 0;
            if (++tries == 200) /* children of a killed server hold its shared memory a little longer */
                postgres_fail("the server does not start; see its log");
            postgres_sleep_ms(50);
            postgres_spawn_server();
        }
        postgres_sleep_ms(10);
    }
    postgres_fail("the server does not answer");
}

/* A fresh database; returns its connection string, the caller's. */
static inline char *postgres_database(const char *name)
{
    char unique[64], sql[96];
    postgres_start();
    snprintf(unique, sizeof(unique), "%s_%u", name, postgres_state.databases++);
    snprintf(sql, sizeof(sql), "CREATE DATABASE \"%s\"", unique);
    PGconn *pg = postgres_connect("postgres");
    PGresult *result = PQexec(pg, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        postgres_fail(PQerrorMessage(pg));
    PQclear(result);
    PQfinish(pg);
    return postgres_url(unique);
}

/* The server and all of its backends; the list is read first, because a dead parent has no children. */
static inline void postgres_signal_all(int signal)
{
    AUTO_FREE char *path = memory_format("/proc/%d/task/%d/children", postgres_state.server, postgres_state.server);
    FILE *children = fopen(path, "re");
    int pids[128];
    size_t count = 0;
    while (children && count < COUNT_OF(pids) && fscanf(children, "%d", &pids[count]) == 1)
        count++;
    if (children)
        fclose(children);
    kill(postgres_state.server, signal);
    for (size_t i = 0; i < count; i++)
        kill(pids[i], signal);
}

/* kill -9 of the server and its children. */
static inline void postgres_kill(void)
{
    if (!postgres_state.server)
        return;
    postgres_signal_all(SIGKILL);
    waitpid(postgres_state.server, NULL, 0);
    postgres_state.server = 0;
}

/* They stand still, as behind a dead network. */
static inline void postgres_pause(void)
{
    postgres_signal_all(SIGSTOP);
}

static inline void postgres_resume(void)
{
    postgres_signal_all(SIGCONT);
}

#endif
