/*
 * One request on its way through a handler: what it asked for, where its answer goes, what the audit log will say.
 *
 * A handler returns 0 after it has filled the response, or a negative error code with <error> set; the router turns
 * that into a response (controlplane/reply.h) and writes the audit entry. Everything here belongs to one worker thread.
 */
#ifndef ATELIER_CONTROLPLANE_CALL_H
#define ATELIER_CONTROLPLANE_CALL_H

#include "controlplane/limits.h"
#include "controlplane/server.h"

struct route_entry;
struct call_parameter {
    const char *name, *value; /* name as in the pattern, value percent-decoded; both in the request's arena or static */
};
struct call {
    struct server *server;
    const struct request *request;
    struct response *response;
    const struct route_entry *entry;
    struct call_parameter parameters[8];
    size_t parameter_count;
    /* For the audit log: handlers complete what the path does not tell. Texts live as long as the request. */
    const char *actor, *action, *namespace, *kind, *name, *detail; /* actor NULL: the caller */
    bool silent;   /* nothing worth an audit entry happened (a dry run) */
    cJSON *causes; /* of a refusal that has several: details.causes of its Status; the router frees it */
};
typedef int (*call_handler)(struct call *call, struct error *error);

/* A path parameter; "" if the pattern has none of that name. */
const char *call_parameter(const struct call *call, const char *name);
/* Notes how a client calls what it wants made, for the refusal and the audit log: printable, and not checked yet. */
void call_note_name(struct call *call, const cJSON *object);
/* A whole-number query parameter within bounds; *ret keeps its value when absent. BAD_REQUEST otherwise. */
int call_query_i64(const struct call *call, const char *name, int64_t least, int64_t most, int64_t *ret,
                   struct error *error);
bool call_query_true(const struct call *call, const char *name); /* "true", "1" */
/* The body of the people API: a JSON object with no members but <known> (NULL-ended). An empty body is {}. */
int call_body(const struct call *call, const char *const *known, cJSON **ret, struct error *error);
/* Members of a body. A missing one gives NULL, 0 or <fallback>; one of the wrong type is INVALID naming it. */
int body_text(const cJSON *body, const char *field, bool required, const char **ret, struct error *error);
int body_bool(const cJSON *body, const char *field, bool fallback, bool *ret, struct error *error);
int body_i64(const cJSON *body, const char *field, int64_t least, int64_t most, int64_t *ret, struct error *error);

/* True when a person's browser opens a page (and wants HTML), rather than a script calling an API. */
bool call_is_navigation(const struct request *request);
/* "http://localhost:8080": the origin of the main host for links that people open; in the arena. */
const char *call_main_origin(const struct call *call);
/* The same by its proper name: for links that are passed on, so that the session ends up where resources' hosts look.
 */
const char *call_link_origin(const struct call *call);
/* Who is calling, for logs and the audit: the e-mail, "local", or "anonymous". */
const char *call_actor(const struct request *request);
struct decision call_decide(const struct call *call, const char *namespace, const char *kind, const char *name,
                            enum verb verb);
/* 0, NOT_FOUND or FORBIDDEN, as a decision says. */
int call_refuse(const struct decision *decision, struct error *error);
/* Removes from <items> (of the people API) what the caller may not read by its "name"; <kind> NULL: by its "kind". */
void call_keep_readable(const struct call *call, const char *namespace, const char *kind, cJSON *items);
/* For an empty list: a profile that is gone may have left entries, but one of which there is nothing at all is
 * NOT_FOUND. */
int call_profile_exists(const struct call *call, const char *name, struct error *error);

/* Answers. */
void call_json(const struct call *call, int status, const cJSON *value);
void call_items(const struct call *call, cJSON *items); /* 200, as {"items": …}; consumes them */
void call_empty(const struct call *call, int status);
void call_redirect(const struct call *call, const char *location);

#endif
