/*
 * The command line as one table: every command's words, arguments, options, help and examples; parsing and --help come
 * from it, so they cannot disagree.
 *
 * Exit codes: 0 it worked, 1 it did not, 2 the command line was wrong. What a program would read goes to stdout, what a
 * person reads meanwhile to stderr.
 */
#ifndef ATELIER_CLI_COMMAND_H
#define ATELIER_CLI_COMMAND_H

#include "base/error.h"
#include "base/text.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct option {
    const char *name;  /* "replicas"; NULL ends a list */
    char letter;       /* 'r', or 0 */
    const char *value; /* "N" in the help; NULL for a flag; "[=N]" for one that may have a value, after '=' only */
    const char *help;
};
/* True if the next text is its value unless '=' came with it. */
bool option_takes_next(const struct option *option);

struct call;
struct command {
    const char *words;     /* "notebook create" */
    const char *arguments; /* "NAME", "" if none */
    const char *summary;
    const struct option *options;                       /* ended by a NULL name; NULL if none */
    unsigned least, most;                               /* arguments */
    bool rest;                                          /* takes "-- COMMAND..." */
    const char *examples;                               /* lines; NULL if none */
    int (*run)(struct call *call, struct error *error); /* exit code, or a negative error code */
};
extern const struct command commands[]; /* ended by NULL words */

#define CALL_OPTIONS_MAX 64
#define CALL_ARGUMENTS_MAX 16
struct client;
struct call {
    const struct command *command;
    const char *group; /* without a command: what was said is about those that begin with this word; NULL: all */
    const char *arguments[CALL_ARGUMENTS_MAX];
    unsigned argument_count;
    const char *const *rest; /* after "--" */
    unsigned rest_count;
    struct {
        const struct option *option;
        const char *value; /* NULL for a flag; "" for an optional one that was not given */
    } options[CALL_OPTIONS_MAX];
    unsigned option_count;
    struct client *client; /* opened on first use; see client.h */
    char namespace[64];    /* see call_namespace */
};

/* 0; or EXIT_USAGE with a message; or -1 when help was asked for (command NULL: for everything). */
#define COMMAND_HELP (-1)
int command_parse(int count, const char *const *texts, struct call *ret, struct error *error);
/* An option of <command> (NULL: of every command) by name, or by letter if that is not 0; NULL if there is none. The
 * first of those of every command begins their list. */
const struct option *command_option(const struct command *command, const char *name, char letter);
/* <command> NULL: the overview, of the commands that begin with the word <group> if that is not NULL. */
void command_help(const struct command *command, const char *group, struct buffer *ret);
/* Runs main()'s job. */
int command_main(int count, const char *const *texts);

const char *call_option(const struct call *call, const char *name);                    /* the last one given, or NULL */
const char *call_option_at(const struct call *call, const char *name, unsigned index); /* the index-th, or NULL */
bool call_flag(const struct call *call, const char *name);
const char *call_option_or(const struct call *call, const char *name, const char *fallback);
/* INVALID (exit 2) naming the option unless it is a whole number in that range. <fallback> if it was not given. */
int call_number(const struct call *call, const char *name, int64_t least, int64_t most, int64_t fallback, int64_t *ret,
                struct error *error);
/* EXIT_USAGE if an option that many commands take (-n, -o, --dry-run, --timeout, --ttl) has a wrong value. What one
 * command alone takes, it checks itself, before it asks the service for anything. */
int call_check(const struct call *call, struct error *error);
/* A wrong command line: returns EXIT_USAGE. */
int call_usage(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The namespace meant: -n, ATELIER_NAMESPACE, else the only profile that the caller has. */
int call_namespace(struct call *call, const char **ret, struct error *error);

#endif
