/* What of a stranger's bytes may reach a terminal, and does it take colours? */
#include "cli/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

bool terminal_is(int fd)
{
    return isatty(fd) == 1;
}

bool terminal_colours(int fd)
{
    const char *none = getenv("NO_COLOR"), *kind = getenv("TERM");
    return terminal_is(fd) && (!none || !none[0]) && (!kind || strcmp(kind, "dumb") != 0);
}

void terminal_start(struct terminal *terminal, FILE *file)
{
    *terminal = (struct terminal){.file = file, .filtered = terminal_is(fileno(file))};
}

static void put(struct terminal *terminal, const char *bytes, size_t count)
{
    if (!terminal->failed && count && fwrite(bytes, 1, count, terminal->file) != count)
        terminal->failed = errno ? errno : EIO;
}

static bool ends_escape(char c)
{
    return c != ';' && (c < '0' || c > '9');
}

static void put_escape(struct terminal *terminal, char c)
{
    terminal->held[terminal->held_count++] = c;
    bool opening = terminal->held_count == 2 && c == '[';
    if (opening || (terminal->held_count > 2 && !ends_escape(c) && terminal->held_count < sizeof(terminal->held)))
        return;
    if (c == 'm' && terminal->held_count > 2) /* SGR: colours and weight only */
        put(terminal, terminal->held, terminal->held_count);
    terminal->in_escape = false;
}

static void put_safe(struct terminal *terminal, char c)
{
    unsigned char byte = (unsigned char)c;
    if (terminal->in_escape) {
        put_escape(terminal, c);
    } else if (c == '\033') {
        terminal->held[0] = c;
        terminal->held_count = 1;
        terminal->in_escape = true;
    } else if (byte >= 0x20 ? byte != 0x7f : c == '\n' || c == '\t' || c == '\r') {
        put(terminal, &c, 1);
    }
}

bool terminal_write(struct terminal *terminal, struct slice part)
{
    if (!terminal->filtered)
        put(terminal, part.p, part.n);
    for (size_t i = 0; terminal->filtered && i < part.n; i++)
        put_safe(terminal, part.p[i]);
    if (!terminal->failed && fflush(terminal->file) != 0)
        terminal->failed = errno;
    return !terminal->failed;
}

int terminal_print(struct slice text, struct error *error)
{
    struct terminal terminal;
    terminal_start(&terminal, stdout);
    if (terminal_write(&terminal, text))
        return 0;
    return error_set(error, ERROR_INTERNAL, NULL, "stdout: %s", strerrordesc_np(terminal.failed));
}

int terminal_ask(const char *question, bool echo, char *ret, size_t size, struct error *error)
{
    struct termios before, quiet;
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    if (terminal) {
        fputs(question, stderr);
        quiet = before;
        if (!echo)
            quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    const char *line = fgets(ret, (int)size, stdin);
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputs(echo ? "" : "\n", stderr);
    }
    if (line)
        ret[strcspn(ret, "\r\n")] = '\0';
    if (!line || !ret[0])
        return error_set(error, ERROR_INVALID, NULL, "stdin holds no answer to \"%.*s\"", (int)strcspn(question, ":"),
                         question);
    return 0;
}
