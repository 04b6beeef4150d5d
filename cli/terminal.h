/* What a terminal is given: colours where it takes them, and nothing of a stranger's that could drive it. */
#ifndef ATELIER_CLI_TERMINAL_H
#define ATELIER_CLI_TERMINAL_H

#include <stdio.h>

#include "base/error.h"
#include "base/text.h"

bool terminal_is(int fd);
/* On a terminal, unless NO_COLOR is set (no-color.org) or TERM is dumb. */
bool terminal_colours(int fd);

/* Bytes as they are into a pipe or file; to a terminal text, tabs, line ends and colours (SGR) only. Begin with
 * terminal_start; what is held back between two parts is an unfinished escape. */
struct terminal {
    FILE *file;
    bool filtered, in_escape;
    char held[24];
    size_t held_count;
    int failed; /* errno of <file>; once set, nothing more is written */
};
void terminal_start(struct terminal *terminal, FILE *file);
/* Writes and flushes; false once that has failed. */
bool terminal_write(struct terminal *terminal, struct slice part);
/* One whole text to stdout. */
int terminal_print(struct slice text, struct error *error);

/* One line of stdin; on a terminal after <question>, and not shown while it is typed unless <echo>. INVALID if there is
 * none. */
int terminal_ask(const char *question, bool echo, char *ret, size_t size, struct error *error);

#endif
