/* How does atelierd start, what do its signals mean, and when does it end? */
#include <signal.h>

#include "base/clock.h"
#include "base/file.h"
#include "controlplane/server.h"

#define CERTIFICATE_LOOK_S 10
#define CONFIG_FILE_MAX (256 << 10) /* the whole table, commented, is a few KiB */

/* sysexits(3) numbers, so that a supervisor can tell a mistake from a mishap. */
enum { EXIT_USAGE = 64, EXIT_SETUP = 69, EXIT_ROOT = 77, EXIT_CONFIG = 78 };

struct arguments {
    const char *config_file;
    enum { RUN, CHECK_CONFIG, PRINT_DOCS, PRINT_HELP, PRINT_VERSION } what;
};

static bool read_arguments(int count, char **texts, struct arguments *ret)
{
    *ret = (struct arguments){.config_file = getenv("ATELIER_CONFIG")};
    for (int i = 1; i < count; i++) {
        const char *text = texts[i];
        if (strcmp(text, "--config") == 0 && i + 1 < count)
            ret->config_file = texts[++i];
        else if (strncmp(text, "--config=", 9) == 0)
            ret->config_file = text + 9;
        else if (strcmp(text, "check-config") == 0)
            ret->what = CHECK_CONFIG;
        else if (strcmp(text, "--print-config-docs") == 0)
            ret->what = PRINT_DOCS;
        else if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0)
            ret->what = PRINT_HELP;
        else if (strcmp(text, "--version") == 0)
            ret->what = PRINT_VERSION;
        else {
            fprintf(stderr, "atelierd: \"%s\" is not understood; see atelierd --help\n", text);
            return false;
        }
    }
    return true;
}

static void print_help(void)
{
    AUTO_BUFFER struct buffer text = {0};
    buffer_add_text(&text,
                    "atelierd serves Atelier's API, console and tenant endpoints.\n\n"
                    "usage: atelierd [--config FILE]            serve until SIGTERM\n"
                    "       atelierd [--config FILE] check-config  print the effective settings, or what is wrong\n"
                    "       atelierd --print-config-docs        print docs/configuration.md\n"
                    "       atelierd --version\n\n"
                    "It is usually started by `atelier local up`. Settings (in FILE, or in the environment):\n\n");
    config_print_help(&text);
    fputs(text.p, stdout);
}

static int load_config(const char *path, struct config *ret, struct error *error)
{
    AUTO_BUFFER struct buffer yaml = {0};
    int status = path ? file_read(path, CONFIG_FILE_MAX, &yaml, error) : 0;
    if (status == 0)
        status = config_load(buffer_slice(&yaml), NULL, ret, error);
    return status < 0 && path ? error_wrap(error, "%s", path) : status;
}

static int print_config(const char *path)
{
    struct error error = {0};
    struct config config;
    AUTO_BUFFER struct buffer text = {0};
    if (load_config(path, &config, &error) < 0) {
        fprintf(stderr, "atelierd: %s\n", error.message);
        return EXIT_CONFIG;
    }
    config_print_values(&config, &text);
    fputs(text.p, stdout);
    config_free(&config);
    return 0;
}

/* --- serving ------------------------------------------------------------------------------------------------------ */
/* Tells the supervisor; a descriptor that is not ours to write to is left alone. */
static void notify_ready(void)
{
    const char *text = getenv("ATELIER_NOTIFY_FD");
    int64_t fd;
    if (!text || !text_parse_i64(slice_of(text), 3, INT32_MAX, &fd))
        return;
    if (write((int)fd, "ready\n", 6) != 6)
        log_line(LOG_WARN, "the supervisor could not be told that atelierd is ready");
    close((int)fd);
}

static void print_first_link(struct server *server)
{
    struct error error = {0};
    char code[64] = "";
    if (auth_first_link(server->auth, code, &error) < 0)
        log_line(LOG_WARN, "the first sign-in link could not be made", LOG_FAULT(&error));
    else if (*code) {
        printf("Sign in: http://%s:%s/auth/link/%s\n", server->config.base_domain.text, config_port(&server->config),
               code);
        fflush(stdout);
    }
    memory_wipe(code, sizeof(code));
}

static void reload(struct server *server, const char *path)
{
    struct error error = {0};
    struct config fresh;
    unsigned ignored = 0;
    if (load_config(path, &fresh, &error) < 0) {
        log_line(LOG_ERROR, "the configuration was not reloaded", LOG_FAULT(&error));
        return;
    }
    config_reload(&server->config, &fresh, &ignored);
    config_free(&fresh);
    log_start("atelierd", config_log_level(&server->config));
    log_line(LOG_INFO, "configuration reloaded", LOG_NUMBER("needs_restart", ignored));
}

/* Whoever renews a certificate writes its files; many cannot send a signal, least of all into a pod. */
static void refresh_certificate(struct server *server)
{
    struct error error = {0};
    if (gateway_tls_refresh(server->gateway, &error) < 0)
        log_line(LOG_WARN, "the changed certificate cannot be used; the old one stays", LOG_FAULT(&error));
}

/* Until SIGTERM or SIGINT. */
static void wait_for_signals(struct server *server, const char *path, const sigset_t *signals)
{
    for (;;) {
        siginfo_t info;
        const struct timespec look_again = {.tv_sec = CERTIFICATE_LOOK_S};
        int number = sigtimedwait(signals, &info, &look_again);
        if (number == SIGHUP)
            reload(server, path);
        if (number == SIGHUP || number < 0)
            refresh_certificate(server);
        if (number == SIGUSR1) /* a new supervisor adopted us: it has not seen the link */
            print_first_link(server);
        else if (number == SIGTERM || number == SIGINT)
            return;
    }
}

static int serve(const char *path)
{
    struct server server = {0};
    struct error error = {0};
    int64_t began_ms = clock_monotonic_ms();
    sigset_t signals;
    if (geteuid() == 0) {
        fprintf(stderr, "atelierd never runs as root: run it through `atelier local up`, or as an ordinary user\n");
        return EXIT_ROOT;
    }
    if (load_config(path, &server.config, &error) < 0) {
        fprintf(stderr, "atelierd: %s\n", error.message);
        return EXIT_CONFIG;
    }
    if (!*server.config.database_url.text) {
        fprintf(stderr,
                "atelierd: DATABASE_URL is not set: give the PostgreSQL to use, or run `atelier local up`, which "
                "brings its own\n");
        config_free(&server.config);
        return EXIT_CONFIG;
    }
    log_start("atelierd", config_log_level(&server.config));
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL); /* before any thread: they inherit it */
    signal(SIGPIPE, SIG_IGN);
    if (server_start(&server, &error) < 0) {
        log_line(LOG_ERROR, "atelierd cannot start", LOG_FAULT(&error));
        config_free(&server.config);
        return EXIT_SETUP;
    }
    notify_ready();
    log_line(LOG_INFO, "serving", LOG_TEXT("listen", server.config.listen.text),
             LOG_TEXT("tls_listen", server.config.tls_listen.text),
             LOG_NUMBER("started_ms", clock_monotonic_ms() - began_ms));
    print_first_link(&server);
    wait_for_signals(&server, path, &signals);
    log_line(LOG_INFO, "stopping");
    server_stop(&server);
    config_free(&server.config);
    log_line(LOG_INFO, "stopped");
    return 0;
}

int main(int count, char **texts)
{
    struct arguments arguments;
    AUTO_BUFFER struct buffer text = {0};
    if (!read_arguments(count, texts, &arguments))
        return EXIT_USAGE;
    switch (arguments.what) {
    case PRINT_HELP:
        print_help();
        return 0;
    case PRINT_DOCS:
        config_print_docs(&text);
        fputs(text.p, stdout);
        return 0;
    case PRINT_VERSION:
        puts("atelierd " ATELIER_VERSION);
        return 0;
    case CHECK_CONFIG:
        return print_config(arguments.config_file);
    case RUN:
        break;
    }
    return serve(arguments.config_file);
}
