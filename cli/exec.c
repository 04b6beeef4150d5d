/* How does a command run in a pod, with its input, output, exit code and terminal? */
#include "cli/exec.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/object.h"
#include "cli/pipe.h"
#include "cli/ray.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "cli/websocket.h"

#define PROTOCOL "v5.channel.k8s.io"
#define CHUNK 32768
#define STATUS_MAX ((size_t)65536)
enum { CHANNEL_IN = 0, CHANNEL_OUT = 1, CHANNEL_ERROR = 2, CHANNEL_STATUS = 3, CHANNEL_RESIZE = 4, CHANNEL_END = 255 };

struct running {
    const struct exec *exec;
    struct websocket *socket;
    struct buffer status; /* of the command, once it has ended */
    struct terminal out, error;
    int64_t moved;
    bool ended; /* the input */
};

/* --- what comes --------------------------------------------------------------------------------------------------- */

static void count(struct running *running, size_t bytes)
{
    running->moved += (int64_t)bytes;
    if (running->exec->moved)
        running->exec->moved(running->exec->context, running->moved);
}

/* A terminal there drives the terminal here; other commands' bytes do not. */
static int show(struct running *running, struct terminal *terminal, struct slice bytes, struct error *error)
{
    terminal->filtered = terminal->filtered && !running->exec->terminal;
    if (terminal_write(terminal, bytes))
        return 0;
    return error_set(error, ERROR_INTERNAL, NULL, "the output cannot be written: %s",
                     strerrordesc_np(terminal->failed));
}

static int take_message(void *context, struct slice message, struct error *error)
{
    struct running *running = context;
    if (!message.n)
        return 0;
    unsigned channel = (unsigned char)message.p[0];
    struct slice payload = slice_skip(message, 1);
    if (channel == CHANNEL_OUT) {
        count(running, payload.n);
        return running->exec->fd_out < 0 ? show(running, &running->out, payload, error)
                                         : pipe_write(running->exec->fd_out, payload, error);
    }
    if (channel == CHANNEL_ERROR)
        return show(running, &running->error, payload, error);
    if (channel == CHANNEL_STATUS && payload.n + running->status.n <= STATUS_MAX)
        buffer_add_slice(&running->status, payload);
    return 0;
}

int exec_outcome(struct slice status, int *ret_code, struct error *error)
{
    AUTO_JSON cJSON *document = NULL;
    const cJSON *cause;
    int64_t code = 0;
    if (json_parse(status, &json_limits_default, &document, NULL) != 0 || !cJSON_IsObject(document))
        return error_set(error, ERROR_UPSTREAM, NULL, "the command ended, and the service did not say how");
    if (strcmp(json_text_or("", document, "status", NULL), "Success") == 0) {
        *ret_code = 0;
        return 0;
    }
    cJSON_ArrayForEach(cause, json_at(document, "details", "causes", NULL))
    {
        if (strcmp(json_text_or("", cause, "reason", NULL), "ExitCode") == 0 &&
            text_parse_i64(slice_of(json_text_or("", cause, "message", NULL)), 0, 255, &code)) {
            *ret_code = (int)code;
            return 0;
        }
    }
    return error_set(error, ERROR_UPSTREAM, NULL, "%s", json_text_or("the command failed", document, "message", NULL));
}

/* --- what goes ---------------------------------------------------------------------------------------------------- */

static int send_input(struct running *running, struct error *error)
{
    char chunk[1 + CHUNK];
    ssize_t count_read = read(running->exec->fd_in, chunk + 1, CHUNK);
    if (count_read < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (count_read > 0) {
        chunk[0] = CHANNEL_IN;
        count(running, (size_t)count_read);
        return websocket_send(running->socket, chunk, 1 + (size_t)count_read, error);
    }
    char end[2] = {(char)CHANNEL_END, CHANNEL_IN};
    running->ended = true;
    return websocket_send(running->socket, end, sizeof(end), error);
}

static int send_size(struct running *running, struct error *error)
{
    struct winsize size;
    char text[64];
    if (ioctl(running->exec->fd_in, TIOCGWINSZ, &size) < 0 || !size.ws_row)
        return 0;
    int length =
        snprintf(text, sizeof(text), "%c{\"Width\":%u,\"Height\":%u}", CHANNEL_RESIZE, size.ws_col, size.ws_row);
    return websocket_send(running->socket, text, (size_t)length, error);
}

/* --- the terminal here -------------------------------------------------------------------------------------------- */

static struct termios before;
static int raw_fd = -1;
static volatile sig_atomic_t resized;

static void restore(void)
{
    if (raw_fd >= 0)
        tcsetattr(raw_fd, TCSADRAIN, &before);
    raw_fd = -1;
}

static void on_resize(int signal_number)
{
    (void)signal_number;
    resized = 1;
}

/* Keys go there as they are typed, Ctrl-C among them, so that nothing but the end of the command ends this. */
static void make_raw(int fd)
{
    struct termios raw;
    if (tcgetattr(fd, &before) < 0)
        return;
    raw = before;
    cfmakeraw(&raw);
    raw_fd = fd;
    tcsetattr(fd, TCSADRAIN, &raw);
    sigaction(SIGWINCH, &(struct sigaction){.sa_handler = on_resize}, NULL);
    resized = 1;
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static char *exec_path(const char *namespace, const struct exec *exec)
{
    AUTO_BUFFER struct buffer path = {0};
    AUTO_FREE char *base = resource_path(resource_by_word("pods"), namespace, exec->pod);
    buffer_add_format(&path, "%s/exec?stdin=%s&stdout=true&stderr=%s&tty=%s", base,
                      exec->interactive ? "true" : "false", exec->terminal ? "false" : "true",
                      exec->terminal ? "true" : "false");
    if (exec->container) {
        buffer_add_text(&path, "&container=");
        text_percent(slice_of(exec->container), &path);
    }
    for (unsigned i = 0; i < exec->argument_count; i++) {
        buffer_add_text(&path, "&command=");
        text_percent(slice_of(exec->arguments[i]), &path);
    }
    return buffer_take(&path);
}

static int carry(struct running *running, struct error *error)
{
    const struct exec *exec = running->exec;
    int failed = websocket_receive(running->socket, take_message, running, error);
    while (!failed && !websocket_closed(running->socket)) {
        bool reads = exec->interactive && !running->ended;
        struct pollfd fds[2] = {{.fd = websocket_fd(running->socket), .events = POLLIN},
                                {.fd = reads ? exec->fd_in : -1, .events = POLLIN}};
        if (exec->terminal && resized) {
            resized = 0;
            failed = send_size(running, error);
        }
        if (!failed && poll(fds, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return error_set(error, ERROR_INTERNAL, NULL, "poll: %s", strerrordesc_np(errno));
        }
        if (!failed && fds[1].revents)
            failed = send_input(running, error);
        if (!failed)
            failed = websocket_receive(running->socket, take_message, running, error);
    }
    return failed;
}

int exec_run(struct call *call, const struct exec *exec, int *ret_code, struct error *error)
{
    struct running running = {.exec = exec};
    struct client *client = NULL;
    const char *namespace = NULL;
    terminal_start(&running.out, stdout);
    terminal_start(&running.error, stderr);
    int failed = call_namespace(call, &namespace, error);
    if (!failed)
        failed = client_of(call, &client, error);
    if (failed)
        return failed;
    AUTO_FREE char *path = exec_path(namespace, exec);
    failed = websocket_open(client, path, PROTOCOL, &running.socket, error);
    if (!failed) {
        if (exec->terminal)
            make_raw(exec->fd_in);
        failed = carry(&running, error);
        restore();
    }
    if (running.status.n) { /* the command has ended: how the connection then did is nobody's business */
        if (error)
            *error = (struct error){0};
        failed = exec_outcome(buffer_slice(&running.status), ret_code, error);
    } else if (!failed) {
        failed = error_set(error, ERROR_UPSTREAM, NULL, "the connection ended before the command");
    }
    websocket_free(running.socket);
    buffer_free(&running.status);
    return failed;
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

/* The command after --, in the pod that <word> means, on this terminal. */
static int run_here(struct call *call, const char *word, bool interactive, bool terminal, const char *const *arguments,
                    unsigned argument_count, struct error *error)
{
    char pod[POD_NAME_SIZE];
    const char *namespace = NULL;
    int code = 0;
    struct exec exec = {.pod = pod,
                        .container = call_option(call, "container"),
                        .arguments = arguments,
                        .argument_count = argument_count,
                        .interactive = interactive,
                        .terminal = terminal,
                        .fd_in = STDIN_FILENO,
                        .fd_out = -1};
    if (terminal && isatty(STDIN_FILENO) != 1)
        return call_usage(error, "--tty needs a terminal here: leave it out when stdin is a file or a pipe");
    int failed = call_namespace(call, &namespace, error);
    if (!failed)
        failed = pod_find(call, namespace, word, pod, error);
    if (!failed)
        failed = exec_run(call, &exec, &code, error);
    return failed ? failed : code;
}

int verb_exec(struct call *call, struct error *error)
{
    bool terminal = call_flag(call, "tty");
    return run_here(call, call->arguments[0], terminal || call_flag(call, "stdin"), terminal, call->rest,
                    call->rest_count, error);
}

int verb_notebook_exec(struct call *call, struct error *error)
{
    AUTO_FREE char *word = memory_format("notebook/%s", call->arguments[0]);
    call->arguments[0] = word;
    return verb_exec(call, error);
}

int ray_attach(struct call *call, const char *cluster, struct error *error)
{
    static const char *const shell[] = {"sh", "-c", "command -v bash >/dev/null && exec bash || exec sh"};
    AUTO_FREE char *word = memory_format("raycluster/%s", cluster);
    bool terminal = isatty(STDIN_FILENO) == 1;
    return run_here(call, word, true, terminal, shell, COUNT_OF(shell), error);
}
