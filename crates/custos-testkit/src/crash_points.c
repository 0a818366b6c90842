// Loaded before the C library into a program that is to die at a chosen change of what is stored.
//
// A point is the moment before a file is synchronised, named, linked, cut or deleted, and before
// the first of several writes in a row. `CRASH_AT` is the number of the point to die at;
// `CRASH_POINTS_IN` names the file that a program that lives writes the number of all points to.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long points;
static atomic_int after_write;
static long last;

static void point(int writes) {
  if (atomic_exchange(&after_write, writes) && writes) return;
  if (atomic_fetch_add(&points, 1) + 1 != last) return;
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static int is_file(int file) {
  struct stat of;
  return fstat(file, &of) == 0 && S_ISREG(of.st_mode);
}

#define NEXT(name)                        \
  static __typeof__(name) *next;          \
  if (!next) next = dlsym(RTLD_NEXT, #name)

#define CHANGE(name, parameters, ...) \
  int name parameters {               \
    NEXT(name);                       \
    point(0);                         \
    return next(__VA_ARGS__);         \
  }

CHANGE(fsync, (int file), file)
CHANGE(fdatasync, (int file), file)
CHANGE(ftruncate, (int file, off_t length), file, length)
CHANGE(ftruncate64, (int file, off64_t length), file, length)
CHANGE(rename, (const char *from, const char *to), from, to)
CHANGE(link, (const char *from, const char *to), from, to)
CHANGE(linkat, (int at, const char *from, int to_at, const char *to, int flags), at, from, to_at, to, flags)
CHANGE(unlink, (const char *path), path)
CHANGE(unlinkat, (int at, const char *path, int flags), at, path, flags)

ssize_t write(int file, const void *bytes, size_t length) {
  NEXT(write);
  if (is_file(file)) point(1);
  return next(file, bytes, length);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t at) {
  NEXT(pwrite);
  if (is_file(file)) point(1);
  return next(file, bytes, length, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t at) {
  NEXT(pwrite64);
  if (is_file(file)) point(1);
  return next(file, bytes, length, at);
}

__attribute__((constructor)) static void begin(void) {
  const char *at = getenv("CRASH_AT");
  last = at ? atol(at) : 0;
}

__attribute__((destructor)) static void end(void) {
  const char *path = getenv("CRASH_POINTS_IN");
  long counted = atomic_load(&points);
  FILE *file = path ? fopen(path, "w") : NULL;
  if (file) {
    fprintf(file, "%ld", counted);
    fclose(file);
  }
}
