// Linux's calls for many datagrams at once. The C library declares them only to programs that ask for GNU extensions, and
// the module that Swift sees of it does not ask.
#ifndef TIDINGS_DATAGRAMS_H
#define TIDINGS_DATAGRAMS_H

#include <sys/socket.h>

#ifdef __linux__

// `struct mmsghdr`.
struct tidings_datagram {
    struct msghdr header;
    unsigned int length;
};

int tidings_sendmmsg(int descriptor, struct tidings_datagram *datagrams, unsigned int count, int flags)
    __asm__("sendmmsg");
int tidings_recvmmsg(
    int descriptor, struct tidings_datagram *datagrams, unsigned int count, int flags, void *timeout)
    __asm__("recvmmsg");

#endif

#endif
