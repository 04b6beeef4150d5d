/* Which Secret holds the token that a cluster asks everybody for? */
#include "ray/token.h"

#include <ctype.h>

#define OWN_MAX 50 /* KubeRay keeps so much of the end of a cluster's name (utils.CheckName) */

const char *ray_token_secret(const cJSON *cluster, char ret[RAY_TOKEN_SECRET_SIZE], bool *ret_own)
{
    const cJSON *options = json_at(cluster, "spec", "authOptions", NULL);
    const char *named = json_text_or("", options, "secretName", NULL);
    const char *name = json_text_or("", cluster, "metadata", "name", NULL);
    size_t length = strlen(name);
    /* Without authOptions its containers were told of the profile's (auth.c). */
    bool own = !*named && length > 0 && strcmp(json_text_or("", options, "mode", NULL), "token") == 0;
    if (ret_own)
        *ret_own = own || (*named && strcmp(named, RAY_TOKEN_SECRET) != 0);
    if (!own)
        named = *named ? named : RAY_TOKEN_SECRET;
    else
        named = length > OWN_MAX ? name + length - OWN_MAX : name;
    snprintf(ret, RAY_TOKEN_SECRET_SIZE, "%s", named);
    if (own && !isalpha((unsigned char)*ret))
        *ret = 'r';
    return ret;
}

char *ray_token_read(const cJSON *secret)
{
    AUTO_BUFFER struct buffer token = {0};
    const char *encoded = json_text(secret, "data", "auth_token", NULL);
    return encoded && text_unbase64(slice_of(encoded), &token) && token.n > 0 ? buffer_take(&token) : NULL;
}

void ray_token_free(char *token)
{
    if (token)
        memory_wipe(token, strlen(token));
    free(token);
}
