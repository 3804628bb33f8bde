/* Calls that fail with REFUSE_ERRNO: REFUSE_CALL names one of open, write, rename, flock, fork, sem_open. Of the first
   three only those that concern a path with REFUSE_PATH in it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int refused(const char *call, const char *path) {
    const char *wanted = getenv("REFUSE_CALL"), *part = getenv("REFUSE_PATH");
    if (!wanted || strcmp(wanted, call) || (path && part && !strstr(path, part))) return 0;
    errno = atoi(getenv("REFUSE_ERRNO"));
    return 1;
}

#define OPEN(name)                                                     \
    int name(const char *path, int flags, ...) {                       \
        va_list more;                                                  \
        va_start(more, flags);                                         \
        int mode = va_arg(more, int);                                  \
        va_end(more);                                                  \
        if ((flags & (O_WRONLY | O_RDWR)) && refused("open", path)) return -1; \
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name); \
        return real(path, flags, mode);                                \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *bytes, size_t count) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = 0;
    if (refused("write", path)) return -1;
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    return real(fd, bytes, count);
}

int rename(const char *from, const char *to) {
    if (refused("rename", to)) return -1;
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    return real(from, to);
}

int flock(int fd, int operation) {
    if (refused("flock", NULL)) return -1;
    int (*real)(int, int) = dlsym(RTLD_NEXT, "flock");
    return real(fd, operation);
}

pid_t fork(void) {
    if (refused("fork", NULL)) return -1;
    pid_t (*real)(void) = dlsym(RTLD_NEXT, "fork");
    return real();
}

sem_t *sem_open(const char *name, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    unsigned value = va_arg(more, unsigned);
    va_end(more);
    if (refused("sem_open", NULL)) return SEM_FAILED;
    sem_t *(*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "sem_open");
    return real(name, flags, mode, value);
}
