#include "packets_play.h"

#include "cast.h"
#include "fds.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#define TAIL 50u

int watched = -1;
int packets_file = -1, wrong_file = -1;

size_t
size_of(char letter)
{
    return letter == 'h' ? HEAD : letter == 'f' ? FILE_SIZE : letter == 't' ? TAIL : BIG;
}

const char *
bytes_of(char letter)
{
    static char bytes[BIG];
    memset(bytes, letter, size_of(letter));
    return bytes;
}

int
packets_set_up(void **state)
{
    char name[] = "/tmp/packets.XXXXXX";
    (void)state;
    packets_file = mkstemp(name);
    assert_true(packets_file >= 0);
    unlink(name);
    assert_int_equal(write(packets_file, bytes_of('f'), FILE_SIZE), FILE_SIZE);
    wrong_file = open("/", O_RDONLY | O_CLOEXEC);
    return 0;
}

int
packets_tear_down(void **state)
{
    (void)state;
    close(packets_file);
    close(wrong_file);
    return 0;
}

struct tcp_info
tcp_info_of(int fd)
{
    struct tcp_info info = {0};
    ask_option(fd, IPPROTO_TCP, TCP_INFO, &info, sizeof(info));
    return info;
}

int
unsent(int fd)
{
    int bytes = 0;
    assert_int_equal(ioctl(fd, SIOCOUTQNSD, &bytes), 0);
    return bytes;
}

void
put_bytes(char letter)
{
    assert_true(tr_socket_write(client.socket, bytes_of(letter), size_of(letter)) >= TR_OK);
}

tr_status
put_file(uint64_t offset, uint64_t length)
{
    return tr_socket_write_file(client.socket, packets_file, offset, length, NULL, NULL);
}

void
put_head(void)
{
    put_bytes('h');
}

void
put_head_and_file(void)
{
    put_bytes('h');
    assert_true(put_file(0, 0) >= TR_OK);
}

uint32_t segments_before;
