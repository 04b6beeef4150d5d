/* How is one answer shown: as a line, a name, JSON, YAML or what a template says of it? */
#include "cli/output.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "cli/jsonpath.h"
#include "cli/resource.h"
#include "cli/terminal.h"

#define LINE_MAX_BYTES 1024

const struct json_limits output_limits = {LIST_BYTES_MAX, 64, 4000000, 65536};
static bool quiet;

void say_quiet(bool yes)
{
    quiet = yes;
}

bool say_is_quiet(void)
{
    return quiet;
}

void say(const char *format, ...)
{
    if (quiet)
        return;
    char text[LINE_MAX_BYTES], printable[LINE_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    text_printable(slice_of(text), printable, sizeof(printable));
    fprintf(stderr, "%s\n", printable);
}

void say_failure(const struct error *error)
{
    char text[LINE_MAX_BYTES];
    const char *message = error->message[0] ? error->message : error_text(error->code);
    AUTO_FREE char *line = error->field[0] && !strstr(message, error->field)
                               ? memory_format("%s: %s", error->field, message)
                               : memory_text(message);
    text_printable(slice_of(line), text, sizeof(text));
    fflush(stdout);
    bool red = terminal_colours(STDERR_FILENO);
    fprintf(stderr, "%satelier:%s %s\n", red ? "\033[31m" : "", red ? "\033[0m" : "", text);
}

/* --- -o ----------------------------------------------------------------------------------------------------------- */

static const char *template_of(const struct call *call)
{
    const char *text = call_option(call, "output");
    return text && strncmp(text, "jsonpath=", 9) == 0 ? text + 9 : NULL;
}

int output_of(const struct call *call, enum output *ret, struct error *error)
{
    static const char *const names[] = {[OUTPUT_TABLE] = "table",
                                        [OUTPUT_WIDE] = "wide",
                                        [OUTPUT_NAME] = "name",
                                        [OUTPUT_JSON] = "json",
                                        [OUTPUT_YAML] = "yaml"};
    const char *text = call_option_or(call, "output", "table"), *template = template_of(call);
    struct jsonpath *jsonpath = NULL;
    struct error wrong = {0};
    if (template) {
        if (jsonpath_parse(slice_of(template), &jsonpath, &wrong) != 0)
            return call_usage(error, "--output jsonpath: %s", wrong.message);
        jsonpath_free(jsonpath);
        *ret = OUTPUT_JSONPATH;
        return 0;
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum output)i;
            return 0;
        }
    }
    return call_usage(error, "--output: expected table, wide, name, json, yaml or jsonpath=TEMPLATE");
}

int output_of_unnamed(const struct call *call, enum output *ret, struct error *error)
{
    int failed = output_of(call, ret, error);
    return failed || *ret != OUTPUT_NAME
               ? failed
               : call_usage(error,
                            "--output: %s shows nothing that has a name; expected table, wide, json, yaml or "
                            "jsonpath=TEMPLATE",
                            call->command->words);
}

bool output_is_table(enum output output)
{
    return output == OUTPUT_TABLE || output == OUTPUT_WIDE;
}

struct table *output_table(enum output output, const char *const *headers)
{
    return table_new(headers, (output == OUTPUT_WIDE ? TABLE_WIDE : 0u) |
                                  (terminal_colours(STDOUT_FILENO) ? TABLE_COLOURS : 0u));
}

/* --- printing ----------------------------------------------------------------------------------------------------- */

int print_text(const char *text, struct error *error)
{
    if (fputs(text ? text : "", stdout) >= 0 && fflush(stdout) == 0)
        return 0;
    return error_set(error, ERROR_INTERNAL, NULL, "stdout: %s", strerrordesc_np(errno));
}

static int print_line(const char *text, struct error *error)
{
    char printable[LINE_MAX_BYTES];
    text_printable(slice_of(text), printable, sizeof(printable));
    AUTO_FREE char *line = memory_format("%s\n", printable);
    return print_text(line, error);
}

/* As kubectl, without a line end of its own; a prompt should not stand behind it, though. */
static int print_template(const struct call *call, const cJSON *tree, struct error *error)
{
    AUTO_BUFFER struct buffer text = {0};
    struct jsonpath *jsonpath = NULL;
    int failed = jsonpath_parse(slice_of(template_of(call)), &jsonpath, error);
    if (!failed)
        failed = jsonpath_print(jsonpath, tree, &text, error);
    jsonpath_free(jsonpath);
    if (!failed && text.n && terminal_is(STDOUT_FILENO) && !slice_ends(buffer_slice(&text), "\n"))
        buffer_add_text(&text, "\n");
    return failed ? failed : terminal_print(buffer_slice(&text), error);
}

int print_tree(const struct call *call, enum output output, const cJSON *tree, struct error *error)
{
    AUTO_BUFFER struct buffer text = {0};
    if (output == OUTPUT_JSONPATH)
        return print_template(call, tree, error);
    if (output == OUTPUT_JSON) {
        AUTO_FREE char *json = json_print(tree);
        buffer_add_format(&text, "%s\n", json);
    } else {
        yaml_print(tree, &text);
    }
    return print_text(text.p, error);
}

int print_document(const struct call *call, enum output output, struct slice raw, struct error *error)
{
    AUTO_JSON cJSON *document = NULL;
    if (output == OUTPUT_JSON) {
        AUTO_FREE char *text =
            memory_format("%.*s%s", (int)raw.n, raw.n ? raw.p : "", slice_ends(raw, "\n") ? "" : "\n");
        return print_text(text, error);
    }
    int failed = json_parse(raw, &output_limits, &document, error);
    return failed ? failed : print_tree(call, output, document, error);
}

/* "notebook.kubeflow.org/nb1"; NULL if it is no object of a kind that is known. */
static char *name_of(const cJSON *object)
{
    const struct resource *resource =
        resource_by_manifest(json_text_or("", object, "apiVersion", NULL), json_text_or("", object, "kind", NULL));
    return resource ? resource_name(resource, json_text_or("", object, "metadata", "name", NULL)) : NULL;
}

int print_manifest(const struct call *call, const cJSON *object, struct error *error)
{
    enum output output;
    AUTO_BUFFER struct buffer text = {0};
    int failed = output_of(call, &output, error);
    if (failed || output == OUTPUT_JSON || output == OUTPUT_JSONPATH)
        return failed ? failed : print_tree(call, output, object, error);
    AUTO_FREE char *name = output == OUTPUT_NAME ? name_of(object) : NULL;
    if (name)
        return print_line(name, error);
    buffer_add_text(&text, "---\n");
    yaml_print(object, &text);
    return print_text(text.p, error);
}

int print_answer(const struct call *call, const struct buffer *raw, const char *summary, struct error *error)
{
    enum output output;
    int failed = output_of(call, &output, error);
    if (failed)
        return failed;
    if (!output_is_table(output) && output != OUTPUT_NAME)
        return print_document(call, output, buffer_slice(raw), error);
    AUTO_JSON cJSON *object = NULL;
    if (output == OUTPUT_NAME)
        (void)json_parse(buffer_slice(raw), &output_limits, &object, NULL);
    AUTO_FREE char *name = object ? name_of(object) : NULL;
    return print_line(name ? name : summary, error);
}

int print_done(const struct call *call, const struct buffer *raw, const char *line, struct error *error)
{
    enum output output;
    int failed = output_of(call, &output, error);
    if (failed)
        return failed;
    if (output_is_table(output) || output == OUTPUT_NAME)
        return print_line(line, error);
    if (raw && raw->n)
        return print_document(call, output, buffer_slice(raw), error);
    AUTO_JSON cJSON *status = json_object();
    json_set_text(status, "kind", "Status");
    json_set_text(status, "apiVersion", "v1");
    json_set_text(status, "status", "Success");
    json_set_text(status, "message", line);
    return print_tree(call, output, status, error);
}
