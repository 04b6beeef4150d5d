/* What passes between a command in a container and whoever asked for it? */
#include "engine/local/sandboxd/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/runtime.h"
#include "engine/local/sandboxd/terminal.h"

enum channel { STDIN = 0, STDOUT = 1, STDERR = 2, ENDING = 3, RESIZE = 4, CLOSE = 255 };

struct packet {
    char bytes[BOX_EXEC_PACKET_BYTES];
    size_t from, to;
};
struct session {
    const char *runtime, *root, *directory, *id;
    bool with_in, with_out, with_err, terminal;
    int in, out, err; /* our ends, non-blocking; -1: none, or closed; with a terminal <in> and <out> are its master */
    pid_t program;    /* and the number of its session (setsid(2) by the runtime) */
    int program_end;  /* a pidfd; readable once it has ended */
    int status;       /* as waitpid has it */
    bool ended, close_in;
    struct packet input, output;
};

static bool waits(const struct packet *packet)
{
    return packet->to > packet->from;
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* --- the last message --------------------------------------------------------------------------------------------- */

static void send_status(cJSON *status)
{
    AUTO_FREE char *text = json_print(status);
    AUTO_FREE char *message = memory_format("%c%s", ENDING, text);
    send(BOX_LAUNCH_FD, message, strlen(message), MSG_NOSIGNAL);
}

static cJSON *status_object(const char *outcome)
{
    cJSON *status = json_object();
    json_set(status, "metadata", json_object());
    json_set_text(status, "status", outcome);
    return status;
}

void box_session_tell_exit(int code)
{
    AUTO_JSON cJSON *status = status_object(code ? "Failure" : "Success");
    if (code) {
        AUTO_FREE char *message = memory_format("command terminated with exit code %d", code);
        char digits[16];
        snprintf(digits, sizeof(digits), "%d", code);
        json_set_text(status, "message", message);
        json_set_text(status, "reason", "NonZeroExitCode");
        cJSON *causes = json_set(json_object_in(status, "details"), "causes", json_array());
        cJSON *cause = json_push(causes, json_object());
        json_set_text(cause, "reason", "ExitCode");
        json_set_text(cause, "message", digits);
    }
    send_status(status);
}

int box_session_tell_failure(const char *message)
{
    AUTO_JSON cJSON *status = status_object("Failure");
    json_set_text(status, "message", message);
    json_set_text(status, "reason", "InternalError");
    json_set_i64(status, "code", 500);
    send_status(status);
    return 1;
}

/* --- entering the container --------------------------------------------------------------------------------------- */

/* What is not wanted is /dev/null. */
static int open_pipe(bool wanted, bool towards_us, int *ret_ours, int *ret_theirs)
{
    int ends[2];
    *ret_ours = -1;
    if (!wanted)
        return (*ret_theirs = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0 ? -errno : 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    *ret_ours = towards_us ? ends[0] : ends[1];
    *ret_theirs = towards_us ? ends[1] : ends[0];
    return fcntl(*ret_ours, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static _Noreturn void become_runtime(const struct session *session, const int theirs[3], const char *console)
{
    AUTO_FREE char *process = memory_format("%s/process.json", session->directory);
    AUTO_FREE char *pid = memory_format("%s/pid", session->directory);
    AUTO_FREE char *log = memory_format("%s/log", session->directory);
    const char *const piped[] = {session->runtime, "--root",    session->root, "--log",      log, "--log-format",
                                 "json",           "exec",      "--detach",    "--pid-file", pid, "--process",
                                 process,          session->id, NULL};
    const char *const with_console[] = {session->runtime, "--root",     session->root, "--log",     log,
                                        "--log-format",   "json",       "exec",        "--detach",  "--console-socket",
                                        console,          "--pid-file", pid,           "--process", process,
                                        session->id,      NULL};
    for (int i = 0; i < 3; i++)
        dup2(theirs[i], i);
    close(BOX_LAUNCH_FD);
    signal(SIGPIPE, SIG_DFL);
    execv(session->runtime, (char *const *)(uintptr_t)(console ? with_console : piped));
    _exit(127);
}

/* What the runtime wrote last: {"level":"error","msg":"exec failed: …"} a line. */
static int tell_refusal(const struct session *session)
{
    AUTO_FREE char *path = memory_format("%s/log", session->directory);
    AUTO_BUFFER struct buffer log = {0};
    AUTO_JSON cJSON *line = NULL;
    char shown[400];
    file_read(path, 65536, &log, NULL);
    struct slice rest = buffer_slice(&log), last = {0};
    while (rest.n) {
        struct slice next = slice_split(rest, '\n', &rest);
        last = next.n ? next : last;
    }
    if (last.n)
        json_parse(last, &json_limits_default, &line, NULL);
    text_printable(slice_of(json_text_or("the container's runtime gave no reason", line, "msg", NULL)), shown,
                   sizeof(shown));
    AUTO_FREE char *message = memory_format("the command was not started: %s", shown);
    return box_session_tell_failure(message);
}

static bool read_pid(const struct session *session, pid_t *ret)
{
    AUTO_FREE char *path = memory_format("%s/pid", session->directory);
    AUTO_BUFFER struct buffer text = {0};
    int64_t pid;
    if (file_read(path, 64, &text, NULL) || !text_parse_i64(slice_trim(buffer_slice(&text)), 2, INT32_MAX, &pid))
        return false;
    *ret = (pid_t)pid;
    return true;
}

/* The runtime leaves the command to us: we are the reaper of whatever it orphans. */
static int enter(struct session *session)
{
    AUTO_FREE char *console = session->terminal ? memory_format("%s/console", session->directory) : NULL;
    AUTO_CLOSE int listener = console ? box_terminal_listen(console) : -1;
    int ours[3] = {-1, -1, -1}, theirs[3] = {-1, -1, -1}, failed = 0;
    bool piped = !session->terminal;
    failed = open_pipe(piped && session->with_in, false, &ours[0], &theirs[0]);
    if (!failed)
        failed = open_pipe(piped && session->with_out, true, &ours[1], &theirs[1]);
    if (!failed)
        failed = open_pipe(piped && session->with_err, true, &ours[2], &theirs[2]);
    pid_t runtime = failed || (console && listener < 0) ? -1 : fork();
    if (runtime == 0)
        become_runtime(session, theirs, console);
    for (int i = 0; i < 3; i++)
        close_end(&theirs[i]);
    session->in = ours[0];
    session->out = ours[1];
    session->err = ours[2];
    if (runtime < 0)
        return box_session_tell_failure("no process can be started for the command");
    if (console)
        session->in = session->out = box_terminal_accept(listener, runtime, BOX_RUNTIME_TIMEOUT_MS);
    int status = 0;
    while (waitpid(runtime, &status, 0) < 0 && errno == EINTR)
        ;
    if (status || !read_pid(session, &session->program))
        return tell_refusal(session);
    session->program_end = (int)syscall(SYS_pidfd_open, session->program, 0u);
    return session->program_end < 0 ? box_session_tell_failure("the command was lost") : 0;
}

/* --- towards the command ------------------------------------------------------------------------------------------ */

static void resize(const struct session *session, struct slice text)
{
    AUTO_JSON cJSON *size = NULL;
    int64_t columns, rows;
    if (!session->terminal || text.n > BOX_EXEC_RESIZE_BYTES || json_parse(text, &json_limits_default, &size, NULL) ||
        !json_i64(json_member(size, "Width"), &columns) || !json_i64(json_member(size, "Height"), &rows) ||
        columns < 1 || columns > UINT16_MAX || rows < 1 || rows > UINT16_MAX)
        return;
    const struct winsize wanted = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
    ioctl(session->in, TIOCSWINSZ, &wanted);
}

static void close_stdin(struct session *session)
{
    session->close_in = false;
    if (!session->terminal) /* a terminal stays open: its end is said with ^D */
        close_end(&session->in);
}

static void write_input(struct session *session)
{
    struct packet *input = &session->input;
    if (!waits(input))
        return;
    ssize_t count = session->in < 0 ? -1 : write(session->in, input->bytes + input->from, input->to - input->from);
    if (count > 0)
        input->from += (size_t)count;
    else if (session->in < 0 || (errno != EAGAIN && errno != EINTR))
        input->from = input->to; /* nobody reads it any more */
    if (!waits(input) && session->close_in)
        close_stdin(session);
}

/* False once the caller is gone. */
static bool take_message(struct session *session)
{
    struct packet *input = &session->input;
    ssize_t count = recv(BOX_LAUNCH_FD, input->bytes, sizeof(input->bytes), MSG_DONTWAIT);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    if (count == 0)
        return false;
    unsigned char channel = (unsigned char)input->bytes[0];
    input->from = 1;
    input->to = (size_t)count;
    if (channel == STDIN) {
        write_input(session);
        return true;
    }
    struct slice data = {input->bytes + 1, input->to - 1};
    input->to = input->from;
    if (channel == RESIZE)
        resize(session, data);
    else if (channel == CLOSE && data.n == 1 && data.p[0] == STDIN)
        close_stdin(session);
    return true;
}

/* --- from the command --------------------------------------------------------------------------------------------- */

static bool flush(struct session *session)
{
    struct packet *output = &session->output;
    if (!waits(output))
        return true;
    ssize_t count = send(BOX_LAUNCH_FD, output->bytes, output->to, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    output->from = output->to = 0;
    return true;
}

/* True if something was read; an end closes <fd>. */
static bool take_output(struct session *session, int *fd, enum channel channel)
{
    struct packet *output = &session->output;
    if (*fd < 0 || waits(output))
        return false;
    ssize_t count = read(*fd, output->bytes + 1, sizeof(output->bytes) - 1);
    if (count > 0) {
        output->bytes[0] = (char)channel;
        output->from = 0;
        output->to = (size_t)count + 1;
        return true;
    }
    if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        if (session->terminal) /* EIO: nobody has the terminal open */
            session->in = -1;
        close_end(fd);
    }
    return false;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

/* Field 6 of /proc/PID/stat, after the program's name in parentheses. */
static bool is_of_session(const char *pid, pid_t session)
{
    AUTO_FREE char *path = memory_format("/proc/%s/stat", pid);
    AUTO_BUFFER struct buffer text = {0};
    if (file_read(path, 4096, &text, NULL) || !text.p)
        return false;
    const char *after = strrchr(text.p, ')');
    int found = 0;
    return after && sscanf(after + 1, " %*c %*d %*d %d", &found) == 1 && found == session;
}

static void signal_session(pid_t session, int number)
{
    DIR *processes = opendir("/proc");
    const struct dirent *entry;
    while (processes && (entry = readdir(processes))) {
        int64_t pid;
        if (text_parse_i64(slice_of(entry->d_name), 2, INT32_MAX, &pid) && is_of_session(entry->d_name, session))
            kill((pid_t)pid, number);
    }
    if (processes)
        closedir(processes);
}

static void end_session(struct session *session)
{
    struct pollfd ending = {.fd = session->program_end, .events = POLLIN};
    close_end(&session->out);
    close_end(&session->err);
    signal_session(session->program, SIGHUP);
    signal_session(session->program, SIGCONT);
    if (!session->ended)
        poll(&ending, 1, BOX_EXEC_GRACE_MS);
    signal_session(session->program, SIGKILL);
}

static void collect(struct session *session)
{
    if (waitpid(session->program, &session->status, WNOHANG) == session->program)
        session->ended = true;
}

/* Waits for something to do. */
static void wait_for_news(const struct session *session, short *ret_socket)
{
    bool full = waits(&session->output), fed = waits(&session->input);
    struct pollfd polls[] = {
        {.fd = BOX_LAUNCH_FD, .events = (short)(POLLRDHUP | (fed ? 0 : POLLIN) | (full ? POLLOUT : 0))},
        {.fd = full ? -1 : session->out, .events = POLLIN},
        {.fd = full ? -1 : session->err, .events = POLLIN},
        {.fd = fed ? session->in : -1, .events = POLLOUT},
        {.fd = session->ended ? -1 : session->program_end, .events = POLLIN},
    };
    poll(polls, COUNT_OF(polls), -1);
    *ret_socket = polls[0].revents;
}

/* Until the command has ended and all it wrote is on its way, or nobody listens. True in the first case. */
static bool pass(struct session *session)
{
    for (;;) {
        short news = 0;
        if (!flush(session)) /* first: a packet that waited would hide that there is more behind it */
            return false;
        /* What a command left running may hold its output open: after its end what is there is taken, and no more. */
        if (take_output(session, &session->out, STDOUT) || take_output(session, &session->err, STDERR))
            continue;
        if (session->ended && !waits(&session->output))
            return true;
        wait_for_news(session, &news);
        if (news & (POLLRDHUP | POLLHUP | POLLERR))
            return false;
        write_input(session);
        if ((news & POLLIN) && !waits(&session->input) && !take_message(session))
            return false;
        if (!session->ended)
            collect(session);
    }
}

/* Closing with messages unread would make the kernel throw away what the other end has yet to read. */
void box_session_linger(void)
{
    char ignored[BOX_EXEC_PACKET_BYTES];
    struct pollfd socket = {.fd = BOX_LAUNCH_FD, .events = POLLIN};
    int64_t end = clock_monotonic_ms() + BOX_EXEC_LINGER_MS, left;
    shutdown(BOX_LAUNCH_FD, SHUT_WR);
    while ((left = end - clock_monotonic_ms()) > 0 && poll(&socket, 1, (int)left) > 0)
        if (recv(BOX_LAUNCH_FD, ignored, sizeof(ignored), MSG_DONTWAIT) <= 0)
            return;
}

int box_session_run(char *const argv[SESSION_ARGUMENTS])
{
    const char *mode = argv[5];
    struct session session = {.runtime = argv[1],
                              .root = argv[2],
                              .directory = argv[3],
                              .id = argv[4],
                              .with_in = strchr(mode, 'i') != NULL,
                              .with_out = strchr(mode, 'o') != NULL,
                              .with_err = strchr(mode, 'e') != NULL,
                              .terminal = strchr(mode, 't') != NULL,
                              .program_end = -1};
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fcntl(BOX_LAUNCH_FD, F_SETFD, FD_CLOEXEC);
    int failed = enter(&session);
    file_remove_tree(session.directory, NULL);
    if (!failed && pass(&session))
        box_session_tell_exit(WIFEXITED(session.status) ? WEXITSTATUS(session.status) : 128 + WTERMSIG(session.status));
    else if (!failed)
        end_session(&session);
    box_session_linger();
    return failed;
}
