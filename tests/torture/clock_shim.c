/* A wall clock that can be moved under a running process: LD_PRELOAD this, CLOCK_SHIM names a file with one int64 of ms.
 *
 * Only CLOCK_REALTIME moves, as when an administrator or NTP sets the machine's time; CLOCK_MONOTONIC stays. Waits until
 * a point of the wall clock are translated back, because the kernel still counts on the real one.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define EPOCH_LIKE 1000000000L /* seconds; a deadline below is on the monotonic clock */

static volatile int64_t *shift_ms;

__attribute__((constructor)) static void map_shift(void) {
  const char *path = getenv("CLOCK_SHIM");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED) shift_ms = mapped;
  close(file);
}

static void move(struct timespec *at, int64_t by_ms) {
  int64_t ns = (int64_t)at->tv_nsec + (by_ms % 1000) * 1000000;
  at->tv_sec += by_ms / 1000 + (ns < 0 ? -1 : ns / 1000000000);
  at->tv_nsec = ns < 0 ? ns + 1000000000 : ns % 1000000000;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  int result = (int)syscall(SYS_clock_gettime, clock, at);
  if (result == 0 && shift_ms && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) move(at, *shift_ms);
  return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}

int timespec_get(struct timespec *at, int base) {
  if (base != TIME_UTC) return 0;
  clock_gettime(CLOCK_REALTIME, at);
  return base;
}

static const struct timespec *real(const struct timespec *until, struct timespec *moved) {
  if (!shift_ms || !until || until->tv_sec < EPOCH_LIKE) return until;
  *moved = *until;
  move(moved, -*shift_ms);
  return moved;
}

static void *next(const char *name, const char *version) {
  void *found = version ? dlvsym(RTLD_NEXT, name, version) : NULL;
  return found ? found : dlsym(RTLD_NEXT, name);
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
  static int (*original)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
  struct timespec moved;
  /* dlsym alone finds the oldest version, which works on another layout of a condition. */
  if (!original) original = next("pthread_cond_timedwait", "GLIBC_2.3.2");
  return original(cond, mutex, real(until, &moved));
}

int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict until) {
  static int (*original)(cnd_t *, mtx_t *, const struct timespec *);
  struct timespec moved;
  if (!original) original = next("cnd_timedwait", NULL);
  return original(cond, mutex, real(until, &moved));
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
  static int (*original)(sem_t *, const struct timespec *);
  struct timespec moved;
  if (!original) original = next("sem_timedwait", NULL);
  return original(semaphore, real(until, &moved));
}

int sem_clockwait(sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict until) {
  static int (*original)(sem_t *, clockid_t, const struct timespec *);
  struct timespec moved;
  if (!original) original = next("sem_clockwait", NULL);
  return original(semaphore, clock, clock == CLOCK_REALTIME ? real(until, &moved) : until);
}
