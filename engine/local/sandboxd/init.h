/* The first process of every container: starts the program, passes signals on, reaps what is orphaned. */
#ifndef ATELIER_SANDBOXD_INIT_H
#define ATELIER_SANDBOXD_INIT_H

/* argv[0] is the program to run. Does not return; the exit status is the program's (128 + signal if killed). */
_Noreturn void box_init_run(char *const *argv);

#endif
