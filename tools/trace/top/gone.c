#include "gone.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#define BOOT 40u

/* This machine since its last start, as metadata tell it; "": unknown. */
static void
read_boot(char boot[BOOT])
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    boot[0] = '\0';
    if (file == NULL)
        return;
    if (fgets(boot, (int)BOOT, file) == NULL)
        boot[0] = '\0';
    fclose(file);
    boot[strcspn(boot, "\n")] = '\0';
}

static bool
is_gone(const struct metadata *metadata, const char *boot)
{
    if (metadata->closed)
        return true;
    if (metadata->pid == 0 || boot[0] == '\0' || strcmp(metadata->boot, boot) != 0)
        return false;
    return kill((pid_t)metadata->pid, 0) != 0 && errno == ESRCH;
}

bool
gone_all(const struct trace *trace)
{
    char boot[BOOT];
    read_boot(boot);
    for (size_t i = 0; i < trace->member_count; i++)
        if (!is_gone(trace->members[i].metadata, boot))
            return false;
    return true;
}
