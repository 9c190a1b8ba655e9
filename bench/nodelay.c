/* LD_PRELOAD shim: every TCP socket that is connected or accepted gets TCP_NODELAY.
 * DCMTK as packaged leaves Nagle's algorithm on and then waits 41 ms for most messages
 * on loopback; with this shim a comparison weighs the code, without it what users see. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static int without_delay(int fd)
{
    int on = 1;
    if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    int (*next)(int, struct sockaddr *, socklen_t *) = dlsym(RTLD_NEXT, "accept");
    return without_delay(next(fd, address, length));
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    without_delay(fd);
    return next(fd, address, length);
}
