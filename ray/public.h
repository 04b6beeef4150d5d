/*
 * Applications of Ray Serve that anybody may use, without signing in: the annotation atelier.dev/public-apps of a
 * RayCluster, RayJob or RayService, a list such as "/mnist, /iris". Each is a prefix (base/prefix.h) of paths below
 * /serve/{ns}/{name}.
 *
 * Whether any of it counts is the platform's setting public_apps. Functions are pure: any thread.
 */
#ifndef ATELIER_RAY_PUBLIC_H
#define ATELIER_RAY_PUBLIC_H

#include "base/json.h"

#define RAY_PUBLIC "atelier.dev/public-apps"

const char *ray_public(const cJSON *object); /* the annotation's text, in <object>; "" if there is none */
/* INVALID unless the annotation, if any, is such a list. */
int ray_public_check(const cJSON *object, struct error *error);
/* The prefix in <text> that opens a path, of which <tail> begins with '/'; empty if none does. */
struct slice ray_public_prefix(const char *text, struct slice tail);
/*
 * The applications of a RayService that run, in the configuration that it has now: how gRPC, where they are asked by
 * name, is told which paths a call belongs to. Serve answers a call for a name that it does not know with the only
 * application that there is, so no other name may pass, and none to a cluster of which this is not known. Appends
 * lines.
 */
void ray_serve_applications(const cJSON *service, struct buffer *ret);
/* The route_prefix, in these lines, of the application of that name; empty if there is none. */
struct slice ray_serve_prefix(const char *applications, struct slice name);
/* Does <now> open anything that <before> does not? */
bool ray_public_widens(const char *before, const char *now);

#endif
