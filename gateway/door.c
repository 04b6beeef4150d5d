/* Where do workloads find the API inside their own sandbox? */
#include "gateway/internal.h"

/* The base domain of the doors' certificate: what Kubernetes calls its API inside a pod. */
#define DOOR_HOST "kubernetes.default"

struct door {
    struct listener listener;
    struct door *next;
    struct {
        struct message watch, unwatch;
        struct grave grave;
        struct door *door;
    } on_loop[LOOPS_MAX];
    _Atomic unsigned held; /* loops that may still look at it */
};

int gateway_doors_prepare(struct gateway *gateway, struct error *error)
{
    if (!gateway->options.door_keeper)
        return 0;
    int result =
        tls_identity_from_authority(gateway->options.door_directory, DOOR_HOST, &gateway->door_identity, error);
    return result < 0 ? error_wrap(error, "the doors' certificate")
                      : tls_server_new(tls_identity_take(gateway->door_identity), &gateway->tls[LISTENER_DOOR], error);
}

const char *gateway_door_authority(const struct gateway *gateway)
{
    return tls_identity_authority(gateway->door_identity);
}

static void free_door(struct door *door)
{
    listener_close(&door->listener);
    free(door);
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static struct door *door_of_watch(struct message *message)
{
    return OWNER_OF(message, __typeof__(((struct door *)0)->on_loop[0]), watch)->door;
}

static void run_watch(struct loop *loop, struct message *message)
{
    if (!loop->draining)
        listener_watch(&door_of_watch(message)->listener, loop);
}

static struct door **find(struct gateway *gateway, const char *namespace)
{
    struct door **at = &gateway->doors;
    while (*at && strcmp((*at)->listener.door, namespace) != 0)
        at = &(*at)->next;
    return at;
}

int gateway_door_open(struct gateway *gateway, const char *namespace, int fd, struct error *error)
{
    if (!gateway->door_identity || strlen(namespace) >= sizeof(((struct listener *)0)->door)) {
        close(fd);
        return error_set(error, ERROR_INVALID, NULL, "there are no doors here");
    }
    struct door *door = memory_get(sizeof(*door));
    door->listener = (struct listener){.kind = LISTENER_DOOR, .fd = fd};
    memcpy(door->listener.door, namespace, strlen(namespace) + 1);
    atomic_init(&door->held, gateway->loop_count);
    gateway_door_close(gateway, namespace);
    pthread_mutex_lock(&gateway->doors_lock);
    door->next = gateway->doors;
    gateway->doors = door;
    for (unsigned i = 0; i < gateway->loop_count; i++) {
        door->on_loop[i].door = door;
        door->on_loop[i].watch.run = run_watch;
        loop_post(&gateway->loops[i], &door->on_loop[i].watch);
    }
    pthread_mutex_unlock(&gateway->doors_lock);
    return 0;
}

bool gateway_door_is_open(struct gateway *gateway, const char *namespace)
{
    pthread_mutex_lock(&gateway->doors_lock);
    bool open = *find(gateway, namespace) != NULL;
    pthread_mutex_unlock(&gateway->doors_lock);
    return open;
}

/* --- closing ------------------------------------------------------------------------------------------------------ */

static void release(struct loop *loop, struct grave *grave)
{
    struct door *door = OWNER_OF(grave, __typeof__(((struct door *)0)->on_loop[0]), grave)->door;
    (void)loop;
    if (atomic_fetch_sub(&door->held, 1) == 1)
        free_door(door);
}

/* The kernel may already have reported a connection in this turn: the loop lets go of the door at its end. */
static void run_unwatch(struct loop *loop, struct message *message)
{
    __typeof__(&((struct door *)0)->on_loop[0]) here =
        OWNER_OF(message, __typeof__(((struct door *)0)->on_loop[0]), unwatch);
    listener_unwatch(&here->door->listener, loop);
    here->grave.release = release;
    loop_bury(loop, &here->grave);
}

void gateway_door_close(struct gateway *gateway, const char *namespace)
{
    pthread_mutex_lock(&gateway->doors_lock);
    struct door **at = find(gateway, namespace), *door = *at;
    if (door) {
        *at = door->next;
        listener_refuse(&door->listener);
        for (unsigned i = 0; i < gateway->loop_count; i++) {
            door->on_loop[i].unwatch.run = run_unwatch;
            loop_post(&gateway->loops[i], &door->on_loop[i].unwatch);
        }
    }
    pthread_mutex_unlock(&gateway->doors_lock);
}

/* --- stopping ----------------------------------------------------------------------------------------------------- */

void gateway_doors_unwatch(struct loop *loop)
{
    pthread_mutex_lock(&loop->gateway->doors_lock);
    for (struct door *door = loop->gateway->doors; door; door = door->next)
        listener_unwatch(&door->listener, loop);
    pthread_mutex_unlock(&loop->gateway->doors_lock);
}

void gateway_doors_refuse(struct gateway *gateway)
{
    pthread_mutex_lock(&gateway->doors_lock);
    for (struct door *door = gateway->doors; door; door = door->next)
        listener_refuse(&door->listener);
    pthread_mutex_unlock(&gateway->doors_lock);
}

void gateway_doors_free(struct gateway *gateway)
{
    while (gateway->doors) {
        struct door *door = gateway->doors;
        gateway->doors = door->next;
        free_door(door);
    }
    tls_identity_free(gateway->door_identity);
}
