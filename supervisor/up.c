/* How are the three kept running until someone asks them to stop? */
#include "supervisor/rootless.h"
#include "supervisor/services.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define DATA_MARKER "atelier-data 1\n"
#define RESTART_DELAY_MIN_MS 100  /* the second restart in a row; the first is at once */
#define RESTART_DELAY_MAX_MS 2000 /* well below the 5 s within which each must be back */
#define STEADY_MS 10000           /* having run this long, the next end counts as the first */
/* In a row, before it ever ran properly: then there is no point in going on. Not sooner than this, because processes
 * that a killed PostgreSQL left may hold its shared memory for some seconds. */
#define FIRST_FAILURES_MAX 5
#define FIRST_FAILURES_MS 15000

enum state { STATE_STOPPED, STATE_RUNNING, STATE_WAITING /* for its next start */ };
struct service {
    enum service_id id;
    enum state state;
    struct child child;
    bool proven; /* has been ready, or steady, under this supervisor */
    unsigned failures;
    int64_t started_ms, start_at_ms, failing_since_ms;
};
struct supervisor {
    struct services services;
    struct service service[SERVICE_COUNT];
    int signals;        /* signalfd */
    unsigned stops;     /* how often we were asked to stop; the second time means now */
    struct error fatal; /* why we stop by ourselves */
};

static const char *name_of(const struct service *service)
{
    return service_infos[service->id].name;
}

/* --- the data directory ------------------------------------------------------------------------------------------- */

/* What may lie in it before the first start: the lock just taken, and images, which are built before. */
static bool is_expected(const char *name)
{
    static const char *const names[] = {".", "..", "lock", "images", "cache", ".gitignore", "namespace.pid"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static int check_unmarked(const char *path, struct error *error)
{
    DIR *directory = opendir(path);
    int failed = 0;
    if (!directory)
        return error_set(error, ERROR_INTERNAL, "ATELIER_DATA", "%s: %s", path, strerrordesc_np(errno));
    for (struct dirent *entry; !failed && (entry = readdir(directory));) {
        char shown[128];
        text_printable(slice_of(entry->d_name), shown, sizeof(shown));
        if (!is_expected(entry->d_name))
            failed = error_set(error, ERROR_INVALID, "ATELIER_DATA",
                               "%s was not made by Atelier: it holds \"%s\"; choose an empty or new directory with "
                               "ATELIER_DATA",
                               path, shown);
    }
    closedir(directory);
    return failed;
}

/* Before anything is written there: a foreign directory stays as it was. */
static int check_data_directory(const struct layout *layout, struct error *error)
{
    AUTO_FREE char *marker = layout_data_path(layout, "atelier");
    AUTO_BUFFER struct buffer text = {0};
    if (!file_exists(layout->data))
        return file_make_directories(layout->data, 0711, error);
    if (file_exists(marker)) {
        int failed = file_read(marker, 64, &text, error);
        if (!failed && !slice_is(buffer_slice(&text), DATA_MARKER))
            failed = error_set(error, ERROR_INVALID, "ATELIER_DATA", "%s was made by another release of Atelier (%s)",
                               layout->data, marker);
        return failed;
    }
    return check_unmarked(layout->data, error);
}

static int mark_data_directory(const struct layout *layout, struct error *error)
{
    AUTO_FREE char *marker = layout_data_path(layout, "atelier");
    return file_exists(marker) ? 0 : file_write(marker, SLICE(DATA_MARKER), 0644, error);
}

/* A daemon's word for "starting me again changes nothing": 3, or the sysexits for usage, unavailable (a port that is
 * taken, a database that does not answer for a minute), permission, configuration. */
static bool is_hopeless(int status)
{
    return status == 3 || status == 64 || status == 69 || status == 77 || status == 78;
}

/* --- starting ----------------------------------------------------------------------------------------------------- */

static void give_up(struct supervisor *supervisor, const struct service *service, const char *what, int status)
{
    const char *where =
        service->id == SERVICE_POSTGRES ? "postgres.log in the data directory says why" : "its messages above say why";
    if (supervisor->fatal.code)
        return;
    error_set(&supervisor->fatal, ERROR_UNAVAILABLE, NULL, "%s %s (status %d): %s", name_of(service), what, status,
              where);
    supervisor->stops++;
}

static void schedule(struct service *service)
{
    int64_t delay = 0;
    if (service->failures == 0)
        service->failing_since_ms = clock_monotonic_ms();
    else
        delay = service->failures > 5 ? RESTART_DELAY_MAX_MS : (int64_t)RESTART_DELAY_MIN_MS << (service->failures - 1);
    if (delay > RESTART_DELAY_MAX_MS)
        delay = RESTART_DELAY_MAX_MS;
    service->failures++;
    service->state = STATE_WAITING;
    service->start_at_ms = clock_monotonic_ms() + delay;
}

static void start(struct supervisor *supervisor, struct service *service)
{
    struct error error = {0};
    struct child child;
    /* A server that a killed process of ours left behind, or that an earlier attempt did not see yet. */
    if (service->id == SERVICE_POSTGRES && database_find(supervisor->services.layout, &child)) {
        service->child = child;
        service->state = STATE_RUNNING;
        service->started_ms = clock_monotonic_ms();
        return;
    }
    if (service->id == SERVICE_POSTGRES)
        database_forget_dead(supervisor->services.layout);
    if (child_start(&supervisor->services.programs[service->id], &service->child, &error) < 0) {
        log_line(LOG_ERROR, "a process could not be started", LOG_TEXT("process", name_of(service)), LOG_FAULT(&error));
        if (!service->proven && !supervisor->fatal.code) {
            supervisor->fatal = error;
            supervisor->stops++;
        }
        schedule(service);
        return;
    }
    service->state = STATE_RUNNING;
    service->started_ms = clock_monotonic_ms();
    log_line(LOG_INFO, "started", LOG_TEXT("process", name_of(service)), LOG_NUMBER("pid", service->child.pid));
}

static void ended(struct supervisor *supervisor, struct service *service, int status)
{
    bool steady = clock_monotonic_ms() - service->started_ms >= STEADY_MS;
    log_line(supervisor->stops ? LOG_INFO : LOG_WARN, "ended", LOG_TEXT("process", name_of(service)),
             LOG_NUMBER("pid", service->child.pid), LOG_NUMBER("status", status));
    child_release(&service->child);
    service->state = STATE_STOPPED;
    if (supervisor->stops)
        return;
    if (steady)
        service->failures = 0;
    service->proven = service->proven || steady;
    if (!service->proven && is_hopeless(status))
        give_up(supervisor, service, "could not start", status);
    else if (!service->proven && service->failures >= FIRST_FAILURES_MAX &&
             clock_monotonic_ms() - service->failing_since_ms >= FIRST_FAILURES_MS)
        give_up(supervisor, service, "ends again and again", status);
    else
        schedule(service);
}

static void note_ready(struct service *service)
{
    char text[16];
    ssize_t count = read(service->child.notify, text, sizeof(text));
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    close(service->child.notify);
    service->child.notify = -1;
    if (count < 6 || memcmp(text, "ready\n", 6) != 0)
        return;
    service->proven = true;
    service->failures = 0;
    log_line(LOG_INFO, "ready", LOG_TEXT("process", name_of(service)));
}

/* --- one turn of the loop ----------------------------------------------------------------------------------------- */

static void take_signal(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;
    while (read(supervisor->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        supervisor->stops++;
        log_line(LOG_INFO, supervisor->stops == 1 ? "stopping; pods go on" : "stopping at once",
                 LOG_NUMBER("signal", info.ssi_signo));
    }
}

/* Waits for something to happen, at most until <deadline_ms> on the monotonic clock (-1: for ever), and handles it. */
static void turn(struct supervisor *supervisor, int64_t deadline_ms)
{
    struct pollfd polls[3 + 2 * SERVICE_COUNT];
    nfds_t count = 0;
    polls[count++] = (struct pollfd){.fd = supervisor->signals, .events = POLLIN};
    polls[count++] = (struct pollfd){.fd = supervisor->services.relay.output, .events = POLLIN};
    polls[count++] = (struct pollfd){.fd = supervisor->services.relay.errors, .events = POLLIN};
    for (int i = 0; i < SERVICE_COUNT; i++) {
        const struct service *service = &supervisor->service[i];
        polls[count++] = (struct pollfd){.fd = service->child.pidfd, .events = POLLIN};
        polls[count++] = (struct pollfd){.fd = service->child.notify, .events = POLLIN};
        if (service->state == STATE_WAITING && (deadline_ms < 0 || service->start_at_ms < deadline_ms))
            deadline_ms = service->start_at_ms;
    }
    int64_t left = deadline_ms < 0 ? -1 : deadline_ms - clock_monotonic_ms();
    poll(polls, count, left < 0 ? (deadline_ms < 0 ? -1 : 0) : left > 60000 ? 60000 : (int)left);
    take_signal(supervisor);
    relay_run(&supervisor->services.relay);
    for (int i = 0; i < SERVICE_COUNT; i++) {
        struct service *service = &supervisor->service[i];
        int status;
        if (service->state == STATE_RUNNING && service->child.notify >= 0)
            note_ready(service);
        if (service->state == STATE_RUNNING && child_ended(&service->child, &status))
            ended(supervisor, service, status);
    }
}

static void start_due(struct supervisor *supervisor)
{
    int64_t now = clock_monotonic_ms();
    for (int i = 0; i < SERVICE_COUNT && !supervisor->stops; i++)
        if (supervisor->service[i].state == STATE_WAITING && supervisor->service[i].start_at_ms <= now)
            start(supervisor, &supervisor->service[i]);
}

/* --- stopping ----------------------------------------------------------------------------------------------------- */

static void stop(struct supervisor *supervisor, struct service *service)
{
    const struct service_info *info = &service_infos[service->id];
    if (service->state == STATE_WAITING)
        service->state = STATE_STOPPED;
    if (service->state != STATE_RUNNING)
        return;
    unsigned asked = supervisor->stops;
    int64_t deadline = clock_monotonic_ms() + info->stop_ms;
    child_signal(&service->child, info->stop);
    while (service->state == STATE_RUNNING && clock_monotonic_ms() < deadline &&
           (supervisor->stops == asked || supervisor->stops < 2))
        turn(supervisor, deadline);
    if (service->state == STATE_RUNNING) {
        log_line(LOG_WARN, "did not stop in time", LOG_TEXT("process", name_of(service)));
        child_signal(&service->child, info->stop_now);
        deadline = clock_monotonic_ms() + info->stop_ms;
        while (service->state == STATE_RUNNING && clock_monotonic_ms() < deadline)
            turn(supervisor, deadline);
    }
    if (service->state == STATE_RUNNING)
        child_signal(&service->child, SIGKILL);
}

/* What depends on the others goes first. Pods are not touched: they are no children of these. */
static void stop_all(struct supervisor *supervisor)
{
    if (!supervisor->stops)
        supervisor->stops = 1;
    for (int i = SERVICE_COUNT - 1; i >= 0; i--)
        stop(supervisor, &supervisor->service[i]);
    relay_run(&supervisor->services.relay);
}

/* --- adoption ----------------------------------------------------------------------------------------------------- */

/* Whether what runs is what we would start: the same program file, arguments and settings, on the same database. */
static bool may_adopt(const struct supervisor *supervisor, enum service_id id, const char *recorded)
{
    char fingerprint[CHILD_FINGERPRINT_SIZE];
    struct child server;
    if (id == SERVICE_POSTGRES) {
        bool same = database_find(supervisor->services.layout, &server); /* not one on a directory since removed */
        if (same)
            child_release(&server);
        return same;
    }
    if (supervisor->services.database.fresh)
        return false;
    child_fingerprint(&supervisor->services.programs[id], fingerprint);
    return strcmp(fingerprint, recorded) == 0;
}

static void adopt_or_start(struct supervisor *supervisor, struct service *service)
{
    char recorded[CHILD_FINGERPRINT_SIZE];
    struct child child;
    if (!service_find(supervisor->services.layout, service->id, &child, recorded)) {
        start(supervisor, service);
        return;
    }
    service->child = child;
    service->state = STATE_RUNNING;
    service->started_ms = clock_monotonic_ms();
    if (may_adopt(supervisor, service->id, recorded)) {
        service->proven = true;
        log_line(LOG_INFO, "adopted", LOG_TEXT("process", name_of(service)), LOG_NUMBER("pid", child.pid));
        if (service->id == SERVICE_ATELIERD)
            child_signal(&child, SIGUSR1); /* prints the sign-in line again if the link is still unused */
        return;
    }
    log_line(LOG_INFO, "replacing: its program or settings have changed", LOG_TEXT("process", name_of(service)),
             LOG_NUMBER("pid", child.pid));
    supervisor->stops++;
    stop(supervisor, service);
    supervisor->stops--;
    start(supervisor, service);
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static int block_signals(int *ret_fd, struct error *error)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) < 0 || hangup.sa_handler != SIG_IGN) /* nohup means what it says */
        sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return *ret_fd >= 0 ? 0 : error_set(error, ERROR_INTERNAL, NULL, "signalfd: %s", strerrordesc_np(errno));
}

/* The lock went with a data directory that someone removed, but not the one who held it. */
static int refuse_stray(const struct layout *layout, struct error *error)
{
    struct child stray;
    if (!lock_find_stray(layout, &stray))
        return 0;
    error_set(error, ERROR_EXISTS, "ATELIER_DATA",
              "atelier (pid %d) still runs on the former %s, which was removed under it; `atelier local down` ends it",
              (int)stray.pid, layout->data);
    child_release(&stray);
    return -ERROR_EXISTS;
}

static int run(struct supervisor *supervisor, const struct layout *layout, struct error *error)
{
    int failed = services_prepare(layout, &supervisor->services, error);
    if (failed)
        return failed;
    for (int i = 0; i < SERVICE_COUNT; i++) {
        supervisor->service[i] = (struct service){.id = (enum service_id)i, .child = CHILD_NONE};
        if (services_wanted(&supervisor->services, (enum service_id)i) && !supervisor->stops)
            adopt_or_start(supervisor, &supervisor->service[i]);
    }
    while (!supervisor->stops) {
        turn(supervisor, -1);
        start_due(supervisor);
    }
    stop_all(supervisor);
    if (!supervisor->fatal.code)
        return 0;
    if (error)
        *error = supervisor->fatal;
    return -(int)supervisor->fatal.code;
}

int supervisor_up(const struct layout *layout, struct error *error)
{
    struct supervisor supervisor = {.signals = -1};
    AUTO_CLOSE int lock = -1;
    int failed = check_data_directory(layout, error);
    if (!failed)
        failed = rootless_enter(layout, error);
    if (!failed)
        failed = lock_take(layout, &lock, error);
    if (!failed)
        failed = refuse_stray(layout, error);
    if (!failed)
        failed = mark_data_directory(layout, error);
    if (!failed)
        failed = block_signals(&supervisor.signals, error);
    if (!failed)
        failed = run(&supervisor, layout, error);
    services_free(&supervisor.services);
    if (supervisor.signals >= 0)
        close(supervisor.signals);
    return failed;
}
