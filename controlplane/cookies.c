/* How does a browser keep a session? */
#include "controlplane/cookies.h"

#include "base/clock.h"
#include "gateway/cookie.h"

static void set(const struct call *call, const char *value, int64_t age_s)
{
    const struct request *request = call->request;
    AUTO_FREE char *text = memory_format("%s=%s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Lax%s",
                                         cookie_session_name(*request->host_resource != '\0', request->secure), value,
                                         (long long)age_s, request->secure ? "; Secure" : "");
    response_header(call->response, "Set-Cookie", text);
    memory_wipe(text, strlen(text));
}

void cookies_set(const struct call *call, const struct auth_session *session)
{
    int64_t age_s = (session->expires_ms - clock_wall_ms()) / 1000;
    set(call, session->secret, age_s > 0 ? age_s : 0);
}

void cookies_clear(const struct call *call)
{
    set(call, "", 0);
}
