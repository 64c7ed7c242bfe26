/* Two or more threads over the tasks of one kernel.
 *
 * The caller takes tasks like every worker and never waits for one that has not joined yet: on a busy machine a worker
 * may get no processor for longer than the whole kernel takes. Only tasks under way are waited for.
 */
#ifndef EDGEKIT_THREADPOOL_H
#define EDGEKIT_THREADPOOL_H

#include "bpu.h"

#define MAX_WORKERS 16 /* the caller among them */
#define SPINS 4000 /* iterations before a worker blocks: the next kernel of a frame usually follows in microseconds */

/* `worker`: 0 is the caller; below the number of threads that parallel_for was given, and below MAX_WORKERS. */
typedef void (*Task)(void *context, int worker, int64_t index);

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pid_t owner;                   /* threads do not survive a fork */
    int started;                   /* threads that exist besides the callers */
    int busy, open_slots, active;  /* is a job posted; how many workers may still join it; how many are in it */
    int joined;                    /* workers of this job so far, the caller among them */
    atomic_int generation;         /* of the job posted last */
    Task task;
    void *context;
    int64_t total;
    atomic_llong next;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* A fork while a kernel posts its job would leave the lock held in the child, for ever. */
static void before_fork(void) { pthread_mutex_lock(&pool.lock); }
static void after_fork_in_parent(void) { pthread_mutex_unlock(&pool.lock); }
static void after_fork_in_child(void) {
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wake, NULL);
    pool.owner = 0; /* the workers stayed behind, whatever number the child has */
}
__attribute__((constructor)) static void guard_forks(void) {
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static void run_tasks(Task task, void *context, int worker, int64_t total) {
    for (int64_t index; (index = atomic_fetch_add(&pool.next, 1)) < total;) task(context, worker, index);
}

static void *worker_main(void *unused) {
    int generation = 0;
    (void)unused;
    for (;;) {
        for (int spin = 0; spin < SPINS && atomic_load(&pool.generation) == generation; spin++) {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
        pthread_mutex_lock(&pool.lock);
        while (atomic_load(&pool.generation) == generation) pthread_cond_wait(&pool.wake, &pool.lock);
        generation = atomic_load(&pool.generation);
        const int joins = pool.open_slots > 0;
        int worker = 0;
        if (joins) {
            pool.open_slots--;
            pool.active++;
            worker = pool.joined++;
        }
        Task task = pool.task;
        void *context = pool.context;
        const int64_t total = pool.total;
        pthread_mutex_unlock(&pool.lock);
        if (!joins) continue;
        run_tasks(task, context, worker, total);
        pthread_mutex_lock(&pool.lock);
        pool.active--;
        pthread_mutex_unlock(&pool.lock);
    }
    return NULL;
}

/* How many workers a job of `threads` threads has at most. */
INLINE int worker_count(int threads) { return threads < MAX_WORKERS ? threads : MAX_WORKERS; }

/* Does tasks 0 .. total - 1 with up to `threads` threads; alone while another kernel has the workers. */
static void parallel_for(int threads, int64_t total, Task task, void *context) {
    int helpers = worker_count(threads) - 1;
    if (total - 1 < helpers) helpers = (int)(total - 1);
    pthread_mutex_lock(&pool.lock);
    if (pool.owner != getpid()) {
        pool.owner = getpid();
        pool.started = pool.busy = pool.active = 0;
    }
    const int alone = helpers < 1 || pool.busy;
    if (!alone) {
        while (pool.started < helpers) {
            pthread_t thread;
            if (pthread_create(&thread, NULL, worker_main, NULL)) break;
            pthread_detach(thread);
            pool.started++;
        }
        pool.busy = pool.joined = 1;
        pool.open_slots = helpers;
        pool.task = task;
        pool.context = context;
        pool.total = total;
        atomic_store(&pool.next, 0);
        atomic_fetch_add(&pool.generation, 1);
        pthread_cond_broadcast(&pool.wake);
    }
    pthread_mutex_unlock(&pool.lock);
    if (alone) {
        for (int64_t index = 0; index < total; index++) task(context, 0, index);
        return;
    }
    run_tasks(task, context, 0, total);
    pthread_mutex_lock(&pool.lock);
    pool.open_slots = 0;
    while (pool.active) {
        pthread_mutex_unlock(&pool.lock);
        sched_yield();
        pthread_mutex_lock(&pool.lock);
    }
    pool.busy = 0;
    pthread_mutex_unlock(&pool.lock);
}

#endif
