/* How does the table of commands read as a manual page? */
#include "base/version.h"
#include "cli/object.h"
#include "cli/verbs.h"

/* groff_man(7): a line that begins with '.' or '\'' is a request, a backslash an escape, and '-' may become a hyphen.
 */
static void add_escaped(struct buffer *ret, const char *text)
{
    bool start = ret->n == 0 || ret->p[ret->n - 1] == '\n';
    for (; *text; text++) {
        if (start && (*text == '.' || *text == '\''))
            buffer_add_text(ret, "\\&");
        if (*text == '\\')
            buffer_add_text(ret, "\\e");
        else if (*text == '-')
            buffer_add_text(ret, "\\-");
        else
            buffer_add(ret, text, 1);
        start = *text == '\n';
    }
}

static void add_options(struct buffer *ret, const struct option *list)
{
    for (; list && list->name; list++) {
        buffer_add_text(ret, ".TP\n\\fB");
        if (list->letter)
            buffer_add_format(ret, "\\-%c\\fR, \\fB", list->letter);
        buffer_add_text(ret, "\\-\\-");
        add_escaped(ret, list->name);
        buffer_add_format(ret, "\\fR%s%s\n", option_takes_next(list) ? " " : "", list->value ? list->value : "");
        add_escaped(ret, list->help);
        buffer_add_text(ret, "\n");
    }
}

static void add_command(struct buffer *ret, const struct command *command)
{
    buffer_add_text(ret, ".SS ");
    add_escaped(ret, command->words);
    buffer_add_text(ret, command->arguments[0] ? " " : "");
    add_escaped(ret, command->arguments);
    buffer_add_text(ret, command->rest ? " \\-\\- COMMAND...\n" : "\n");
    add_escaped(ret, command->summary);
    buffer_add_text(ret, ".\n");
    add_options(ret, command->options);
    if (command->examples) {
        buffer_add_text(ret, ".PP\n.nf\n");
        add_escaped(ret, command->examples);
        buffer_add_text(ret, ".fi\n");
    }
}

int verb_man(struct call *call, struct error *error)
{
    AUTO_BUFFER struct buffer page = {0};
    (void)call;
    buffer_add_text(&page, ".TH ATELIER 1 \"\" \"atelier " ATELIER_VERSION
                           "\" \"Atelier\"\n.SH NAME\natelier \\- notebooks and Ray "
                           "clusters for many people\n.SH SYNOPSIS\n.B atelier\n[\\-n NS] [\\-o FORMAT] COMMAND ...\n"
                           ".SH COMMANDS\n");
    for (const struct command *command = commands; command->words; command++) {
        if (command->words[0] != '_')
            add_command(&page, command);
    }
    buffer_add_text(&page, ".SH OPTIONS EVERYWHERE\n");
    add_options(&page, command_option(NULL, "namespace", 0));
    buffer_add_text(
        &page, ".SH ENVIRONMENT\n.TP\n\\fBATELIER_URL\\fR, \\fBATELIER_TOKEN\\fR\nA service elsewhere and an API token "
               "for it; they win over contexts.\n.TP\n\\fBATELIER_CA\\fR\nThe CA that its certificate comes "
               "from.\n.TP\n\\fBATELIER_CONTEXT\\fR\nThe context to use.\n.TP\n\\fBATELIER_DATA\\fR\nData directory "
               "of the service on this machine.\n.TP\n\\fBATELIER_NAMESPACE\\fR\nWhat \\-n says when it is "
               "not given.\n.TP\n\\fBNO_COLOR\\fR\nNo colours, which only terminals get anyway.\n.SH EXIT STATUS\n0: "
               "it worked. 1: it did not. 2: the command line was wrong.\n");
    return print_text(page.p, error);
}
