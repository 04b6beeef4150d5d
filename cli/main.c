/* Where does the command line start? */
#include "cli/command.h"

int main(int count, char **texts)
{
    return command_main(count, (const char *const *)texts);
}
