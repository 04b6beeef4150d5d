/*
 * What a caller may ask of a pod. A spec is checked once, completely; what passed is stored and read without further
 * checks. Errors name the field ("containers[0].mounts[1].path"). Pure.
 */
#ifndef ATELIER_SANDBOXD_SPEC_H
#define ATELIER_SANDBOXD_SPEC_H

#include "base/json.h"

int box_spec_check(const cJSON *spec, struct error *error);
/* <holder>.<key>: a program and its arguments. <path> names the holder in errors. */
int box_command_check(const cJSON *holder, const char *path, const char *key, struct error *error);
/* The "hosts" request's entries: [{"address","names":[…]}]. */
int box_hosts_check(const cJSON *entries, struct error *error);
/* A name in a "files" volume: one path component, [-._a-zA-Z0-9]+, as Kubernetes has for ConfigMap keys. */
bool box_file_name_ok(struct slice name);
bool box_subpath_ok(struct slice subpath); /* relative, without "..", bounded */
/* <text> with every "$(POD_IP)" replaced; malloc'ed. */
char *box_expand_address(const char *text, const char *address);

#endif
