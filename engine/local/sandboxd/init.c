/*
 * Who reaps orphans and answers SIGTERM in a container? A program that is pid 1 without being written for it does
 * neither: the kernel ignores signals it has no handler for, and dead grandchildren fill the pids limit.
 */
#include "engine/local/sandboxd/init.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include <stdbool.h>

#include "base/memory.h"

static pid_t start(char *const *argv, const sigset_t *inherited)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    /* A session of its own: its group is what a terminal or a shell script expects, and never ours. */
    setsid();
    sigprocmask(SIG_SETMASK, inherited, NULL);
    execvp(argv[0], argv);
    int reason = errno;
    dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerrordesc_np(reason));
    _exit(reason == ENOENT ? 127 : 126);
}

/* Collects every ended child. True when the program itself has ended. */
static bool reap(pid_t program, int *ret_status)
{
    bool ended = false;
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == program) {
            *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            ended = true;
        }
    return ended;
}

_Noreturn void box_init_run(char *const *argv)
{
    sigset_t all, inherited;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &inherited);
    sigemptyset(&inherited);
    pid_t program = start(argv, &inherited);
    int status = 125;
    for (;;) {
        int number = program > 0 ? sigwaitinfo(&all, NULL) : SIGCHLD;
        if (number == SIGCHLD && (program < 0 || reap(program, &status)))
            _exit(status); /* the kernel ends what is left of the pid namespace */
        if (number > 0 && number != SIGCHLD)
            kill(program, number);
    }
}
