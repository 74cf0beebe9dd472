#include "listen_words.h"

#include "play.h"
#include "socket_state.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

int
words_reset(void **state)
{
    (void)state;
    memset(accepted, 0, sizeof(accepted));
    return 0;
}

int
bound_tcp(bool listens)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    if (listens)
        assert_int_equal(listen(fd, 5), 0);
    return fd;
}

struct sockaddr_un
socket_path(const char *folder, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/%.20s", folder, name);
    return address;
}

tr_server *servers[4];
unsigned servers_closed;

void
say_name(tr_socket *socket)
{
    tr_socket_end_with(socket, tr_slice_constant(tr_socket_data(socket), 1));
}

static void
count_close(tr_server *server)
{
    (void)server;
    servers_closed++;
}

static const struct tr_server_events counted = {.close = count_close};

tr_server *
spawn_server(unsigned i)
{
    static char *const names[] = {"0", "1", "2", "3"};
    struct tr_server_options options = {.connection = say_name, .data = names[i], .events = &counted};
    assert_int_equal(tr_server_spawn(director, &options, &servers[i]), TR_OK);
    return servers[i];
}

int hearer;
static char wanted;
static void (*after_word)(void);

static void
look_at_word(void *argument)
{
    char word;
    (void)argument;
    long got = recv(hearer, &word, 1, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) {
        stage_after(1, look_at_word, NULL);
        return;
    }
    close(hearer);
    assert_int_equal(got, 1);
    assert_int_equal(word, wanted);
    after_word();
}

void
expect_word(int fd, char word, void (*then)(void))
{
    assert_true(fd >= 0);
    hearer = fd;
    wanted = word;
    after_word = then;
    look_at_word(NULL);
}

int
connect_unix(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

char words_directory[80];
