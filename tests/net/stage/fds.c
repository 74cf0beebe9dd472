#include "fds.h"

#include "helpers.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

int
file_new(void)
{
    char directory[256], name[300];
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(name, sizeof(name), "%s/file", directory);
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    tests_directory_remove(directory);
    return fd;
}

void
ask_option(int fd, int level, int name, void *value, size_t size)
{
    socklen_t length = (socklen_t)size;
    assert_int_equal(getsockopt(fd, level, name, value, &length), 0);
}

int
option_of(int fd, int level, int name)
{
    int value = -1;
    ask_option(fd, level, name, &value, sizeof(value));
    return value;
}

void
send_fds(int over, int fd, unsigned count, const char *text)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(SEND_FDS_MOST * sizeof(int))] = {0};
    size_t size = strlen(text);
    struct iovec part = {.iov_base = (void *)text, .iov_len = size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control};
    assert_true(count <= SEND_FDS_MOST);
    header.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (unsigned i = 0; i < count; i++)
        memcpy(CMSG_DATA(rights) + i * sizeof(int), &fd, sizeof(fd));
    assert_int_equal(sendmsg(over, &header, 0), size);
}
