// Makes writes of one program fail: loaded in front of libc, it counts the calls that change files below a directory,
// and lets chosen ones fail. What it is to do is in the environment:
//
//   ATEX_FAULT_PROGRAM  the name of the program; in all others it does nothing
//   ATEX_FAULT_DIR      calls on files below this directory count
//   ATEX_FAULT_AT       the number of the call that fails, from 1
//   ATEX_FAULT_HOW      ENOSPC, EIO: that call fails; SHORT: it writes half of what it should;
//                       TORN: it writes half, and all calls behind it fail with ENOSPC
//   ATEX_FAULT_LAST     all calls up to this number fail; without it, that one only
//   ATEX_FAULT_COUNT    a file that gets the number of calls at the end

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;
static long first, last;
static const char *dir;
static size_t dir_length;
static int error;
static int halves, torn;

__attribute__((constructor)) static void begin(void) {
    const char *program = getenv("ATEX_FAULT_PROGRAM"), *how = getenv("ATEX_FAULT_HOW"), *at = getenv("ATEX_FAULT_AT");
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (!program || length <= 0)
        return;
    self[length] = 0;
    const char *name = strrchr(self, '/');
    if (!name || strcmp(name + 1, program) != 0)
        return;
    dir = getenv("ATEX_FAULT_DIR");
    dir_length = dir ? strlen(dir) : 0;
    first = at ? atol(at) : LONG_MAX;
    last = getenv("ATEX_FAULT_LAST") ? atol(getenv("ATEX_FAULT_LAST")) : first;
    error = how && strcmp(how, "EIO") == 0 ? EIO : ENOSPC;
    torn = how && strcmp(how, "TORN") == 0;
    halves = torn || (how && strcmp(how, "SHORT") == 0);
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("ATEX_FAULT_COUNT");
    if (!dir || !path)
        return;
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", atomic_load(&calls));
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    syscall(SYS_write, fd, text, (size_t)length);
    syscall(SYS_close, fd);
}

static int is_below(const char *path) {
    return strncmp(path, dir, dir_length) == 0 && (path[dir_length] == '/' || path[dir_length] == 0);
}

static int is_file_of(int fd) {
    char link[64], path[PATH_MAX];
    if (!dir)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return is_below(path);
}

static int is_path_of(int at, const char *path) {
    if (!dir || !path)
        return 0;
    return path[0] == '/' ? is_below(path) : at != AT_FDCWD && is_file_of(at);
}

// What is to become of a call: 0 it is made, 1 it fails, 2 it is made by half.
static int fate(void) {
    int saved = errno;
    long number = atomic_fetch_add(&calls, 1) + 1;
    int what = 0;
    if (halves)
        what = number == first ? 2 : torn && number > first && number <= last ? 1 : 0;
    else
        what = number >= first && number <= last;
    errno = what == 1 ? error : saved;
    return what;
}

static size_t part(int what, size_t size) {
    return what == 2 && size > 1 ? size / 2 : size;
}

ssize_t write(int fd, const void *bytes, size_t size) {
    int what = is_file_of(fd) ? fate() : 0;
    return what == 1 ? -1 : syscall(SYS_write, fd, bytes, part(what, size));
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    int what = is_file_of(fd) ? fate() : 0;
    return what == 1 ? -1 : syscall(SYS_pwrite64, fd, bytes, part(what, size), at);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
    return pwrite64(fd, bytes, size, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    int what = is_file_of(fd) ? fate() : 0;
    return what == 1 ? -1 : syscall(SYS_writev, fd, parts, what == 2 ? 1 : count);
}

int fsync(int fd) {
    return is_file_of(fd) && fate() == 1 ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    return is_file_of(fd) && fate() == 1 ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int sync_file_range(int fd, off64_t at, off64_t size, unsigned flags) {
    return is_file_of(fd) && fate() == 1 ? -1 : (int)syscall(SYS_sync_file_range, fd, at, size, flags);
}

int ftruncate64(int fd, off64_t length) {
    return is_file_of(fd) && fate() == 1 ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

static int opened(int at, const char *path, int flags, mode_t mode) {
    if ((flags & O_CREAT) && is_path_of(at, path) && fate() == 1)
        return -1;
    return (int)syscall(SYS_openat, at, path, flags, mode);
}

// The mode is there only if something may be made.
#define OPENS(name, at, ...)                                                                                          \
    int name(__VA_ARGS__, int flags, ...) {                                                                           \
        va_list rest;                                                                                                 \
        va_start(rest, flags);                                                                                        \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;                                     \
        va_end(rest);                                                                                                 \
        return opened(at, path, flags, mode);                                                                         \
    }

OPENS(open, AT_FDCWD, const char *path)
OPENS(open64, AT_FDCWD, const char *path)
OPENS(openat, fd, int fd, const char *path)
OPENS(openat64, fd, int fd, const char *path)

int mkdir(const char *path, mode_t mode) {
    return is_path_of(AT_FDCWD, path) && fate() == 1 ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int mkdirat(int at, const char *path, mode_t mode) {
    return is_path_of(at, path) && fate() == 1 ? -1 : (int)syscall(SYS_mkdirat, at, path, mode);
}

int rename(const char *from, const char *to) {
    return is_path_of(AT_FDCWD, to) && fate() == 1 ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    if (is_path_of(to_at, to) && fate() == 1)
        return -1;
    return (int)syscall(SYS_linkat, from_at, from, to_at, to, flags);
}
