#include "member.h"

#include <stdio.h>
#include <troupe/core/trace.h>

struct tri_member tri_member;
unsigned tri_member_runtimes;
char tri_member_directory[PATH_MAX];

void
tri_trace_be_member(const char *cluster, const char *member, unsigned serial, const char *directory)
{
    tri_member_runtimes = 0;
    tri_member.serial = serial;
    snprintf(tri_member.cluster, sizeof(tri_member.cluster), "%s", cluster);
    snprintf(tri_member.name, sizeof(tri_member.name), "%s", member);
    snprintf(tri_member_directory, sizeof(tri_member_directory), "%s", directory != NULL ? directory : "");
}
