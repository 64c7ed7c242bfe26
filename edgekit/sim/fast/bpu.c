/* Integer kernels of the simulated BPU: the arithmetic of edgekit/sim/ops, many elements at a time.
 *
 * int8 tensors are kept as x + 128 in one unsigned byte, NHWC; int16 and int32 as they are. All sums wrap modulo
 * 2^32 as the definition asks, so the order of the terms does not matter and no range has to be proven.
 * Built into wheels, or at first use (edgekit/kernels/); it needs a C library and its threads.
 * The language is GNU C11 with -fwrapv (signed sums wrap) and -fno-strict-aliasing (tensors are read as bytes and as
 * shorts): without these flags it is not this program. Every call's buffers were checked by edgekit/sim/fast/bounds.py;
 * -DEDGEKIT_CHECK checks the parameters again here.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define LANES 16  /* output channels in a block */
#define CHUNK 48  /* output pixels that one task takes: a multiple of every tile */
#define INLINE static inline __attribute__((always_inline))

#if defined(EDGEKIT_CHECK)
#include <stdio.h>
#define KERNEL_ASSERT(CONDITION)                                                        \
    do {                                                                                \
        if (!(CONDITION)) {                                                             \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #CONDITION); \
            abort();                                                                    \
        }                                                                               \
    } while (0)
#else
#define KERNEL_ASSERT(CONDITION) ((void)0)
#endif

enum { OUT_U8, OUT_S16, OUT_S32, OUT_F32 };
enum { TABLE_NONE, TABLE_8_TO_8, TABLE_16_TO_16, TABLE_16_TO_8, TABLE_16_TO_F32 };
enum { E_NONE, E_U8, E_S16, E_S32 };

typedef struct { int64_t pixel, row, image; } Strides; /* in bytes */

typedef struct {
    Strides in, out, e;
    int32_t batch, in_h, in_w, in_bytes; /* in_bytes: of the channels of one pixel */
    int32_t out_h, out_w, out_c;
    int32_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
    int32_t wide;  /* activations are int16 */
    int32_t bits;  /* of the value before the table: 8, 16 or 32 */
    int32_t relu, out_kind, table_kind, e_kind, threads;
    const void *weights;                              /* packed by weights.py */
    const int32_t *bias, *right_shift, *scale, *out_shift; /* a multiple of LANES entries each */
    const int32_t *e_scale, *e_shift;
    const float *unit;                                /* float32 output: value of one step, per channel */
    const void *table;
} Conv;

/* ---- two or more threads over the tasks of one kernel ----
 *
 * The caller takes tasks like everybody else and never waits for a helper that has not come yet: on a busy machine
 * a helper may get no processor for longer than the whole kernel takes. Only tasks under way are waited for.
 */

#define MAX_HELPERS 15
#define SPINS 4000 /* looks at the door before a helper lies down: the next kernel of a frame comes soon */

typedef void (*Task)(void *context, int64_t index);

static struct {
    pthread_mutex_t lock;
    pthread_cond_t bell;
    pid_t owner;             /* threads do not survive a fork */
    int started;             /* helpers that exist */
    int taken, seats, inside; /* is a job posted, how many helpers may still join, how many are in it */
    atomic_int number;       /* of the job posted last */
    Task task;
    void *context;
    int64_t total;
    atomic_llong next;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .bell = PTHREAD_COND_INITIALIZER};

/* A fork while a kernel posts its job would leave the lock held in the child, for ever. */
static void before_fork(void) { pthread_mutex_lock(&pool.lock); }
static void after_fork_in_parent(void) { pthread_mutex_unlock(&pool.lock); }
static void after_fork_in_child(void) {
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.bell, NULL);
    pool.owner = 0; /* the helpers stayed behind, whatever number the child has */
}
__attribute__((constructor)) static void guard_forks(void) {
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static void work(Task task, void *context, int64_t total) {
    for (int64_t index; (index = atomic_fetch_add(&pool.next, 1)) < total;) task(context, index);
}

static void *help(void *unused) {
    int seen = 0;
    (void)unused;
    for (;;) {
        for (int spin = 0; spin < SPINS && atomic_load(&pool.number) == seen; spin++) {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
        pthread_mutex_lock(&pool.lock);
        while (atomic_load(&pool.number) == seen) pthread_cond_wait(&pool.bell, &pool.lock);
        seen = atomic_load(&pool.number);
        int joins = pool.seats > 0;
        if (joins) {
            pool.seats--;
            pool.inside++;
        }
        Task task = pool.task;
        void *context = pool.context;
        int64_t total = pool.total;
        pthread_mutex_unlock(&pool.lock);
        if (!joins) continue;
        work(task, context, total);
        pthread_mutex_lock(&pool.lock);
        pool.inside--;
        pthread_mutex_unlock(&pool.lock);
    }
    return NULL;
}

/* Does tasks 0 .. total - 1 with up to `threads` threads; where another kernel has the helpers, alone. */
static void share(int threads, int64_t total, Task task, void *context) {
    int helpers = threads - 1 < MAX_HELPERS ? threads - 1 : MAX_HELPERS;
    if (total - 1 < helpers) helpers = (int)(total - 1);
    pthread_mutex_lock(&pool.lock);
    if (pool.owner != getpid()) {
        pool.owner = getpid();
        pool.started = pool.taken = pool.inside = 0;
    }
    int alone = helpers < 1 || pool.taken;
    if (!alone) {
        while (pool.started < helpers) {
            pthread_t thread;
            if (pthread_create(&thread, NULL, help, NULL)) break;
            pthread_detach(thread);
            pool.started++;
        }
        pool.taken = 1;
        pool.seats = helpers;
        pool.task = task;
        pool.context = context;
        pool.total = total;
        atomic_store(&pool.next, 0);
        atomic_fetch_add(&pool.number, 1);
        pthread_cond_broadcast(&pool.bell);
    }
    pthread_mutex_unlock(&pool.lock);
    if (alone) {
        for (int64_t index = 0; index < total; index++) task(context, index);
        return;
    }
    work(task, context, total);
    pthread_mutex_lock(&pool.lock);
    pool.seats = 0;
    while (pool.inside) {
        pthread_mutex_unlock(&pool.lock);
        sched_yield();
        pthread_mutex_lock(&pool.lock);
    }
    pool.taken = 0;
    pthread_mutex_unlock(&pool.lock);
}

/* ---- sixteen 32-bit sums, and the product of 4 bytes of activations with a block of weights ---- */

#if defined(__AVX512VNNI__)
typedef __m512i Sums;
typedef __m512i Weights;
typedef __m512i Pixel;
INLINE Sums zero_sums(void) { return _mm512_setzero_si512(); }
INLINE Weights load_weights(const void *p, int wide) { (void)wide; return _mm512_loadu_si512(p); }
INLINE Pixel load_pixel(const uint8_t *p, int wide) { int32_t v; (void)wide; memcpy(&v, p, 4); return _mm512_set1_epi32(v); }
INLINE Sums dot(Sums s, Pixel a, Weights w, int wide) {
    return wide ? _mm512_dpwssd_epi32(s, a, w) : _mm512_dpbusd_epi32(s, a, w);
}
INLINE void store_sums(int32_t *p, Sums s) { _mm512_storeu_si512(p, s); }
#define TILE_1 12
#define TILE_2 12
#define TILE_3 8
#define TILE_4 6
#define MAX_BLOCKS 4
#elif defined(__AVX2__)
/* No 8-bit dot product that cannot saturate: even and odd bytes are widened to 16 bits. */
typedef struct { __m256i half[2]; } Sums;
typedef struct { __m256i even[2], odd[2]; } Weights;
typedef struct { __m256i even, odd; } Pixel;
INLINE Sums zero_sums(void) { Sums s = {{_mm256_setzero_si256(), _mm256_setzero_si256()}}; return s; }
INLINE Weights load_weights(const void *p, int wide) {
    Weights w;
    for (int h = 0; h < 2; h++) {
        __m256i v = _mm256_loadu_si256((const __m256i *)p + h);
        w.even[h] = wide ? v : _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8);
        w.odd[h] = wide ? v : _mm256_srai_epi16(v, 8);
    }
    return w;
}
INLINE Pixel load_pixel(const uint8_t *p, int wide) {
    int32_t v;
    memcpy(&v, p, 4);
    __m256i a = _mm256_set1_epi32(v);
    Pixel out = {wide ? a : _mm256_and_si256(a, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(a, 8)};
    return out;
}
INLINE Sums dot(Sums s, Pixel a, Weights w, int wide) {
    for (int h = 0; h < 2; h++) {
        s.half[h] = _mm256_add_epi32(s.half[h], _mm256_madd_epi16(a.even, w.even[h]));
        if (!wide) s.half[h] = _mm256_add_epi32(s.half[h], _mm256_madd_epi16(a.odd, w.odd[h]));
    }
    return s;
}
INLINE void store_sums(int32_t *p, Sums s) {
    for (int h = 0; h < 2; h++) _mm256_storeu_si256((__m256i *)p + h, s.half[h]);
}
#define TILE_1 4
#define MAX_BLOCKS 1
#else
typedef struct { int32_t v[LANES]; } Sums;
typedef struct { int16_t v[LANES][4]; } Weights;
typedef struct { int16_t v[4]; } Pixel;
INLINE Sums zero_sums(void) { Sums s; memset(&s, 0, sizeof s); return s; }
INLINE Weights load_weights(const void *p, int wide) {
    Weights w;
    memset(&w, 0, sizeof w);
    for (int i = 0; i < LANES; i++)
        for (int k = 0; k < (wide ? 2 : 4); k++)
            w.v[i][k] = wide ? ((const int16_t *)p)[2 * i + k] : ((const int8_t *)p)[4 * i + k];
    return w;
}
INLINE Pixel load_pixel(const uint8_t *p, int wide) {
    Pixel a = {{0, 0, 0, 0}};
    int16_t pair[2];
    memcpy(pair, p, 4);
    for (int k = 0; k < (wide ? 2 : 4); k++) a.v[k] = wide ? pair[k] : p[k];
    return a;
}
INLINE Sums dot(Sums s, Pixel a, Weights w, int wide) {
    for (int i = 0; i < LANES; i++)
        for (int k = 0; k < (wide ? 2 : 4); k++)
            s.v[i] = (int32_t)((uint32_t)s.v[i] + (uint32_t)(a.v[k] * (int32_t)w.v[i][k]));
    return s;
}
INLINE void store_sums(int32_t *p, Sums s) { memcpy(p, s.v, sizeof s.v); }
#define TILE_1 4
#define MAX_BLOCKS 1
#endif

/* ---- from the accumulator to the output: edgekit/sim/ops/epilogue.py ---- */

INLINE int32_t clamp(int32_t v, int32_t low, int32_t high) { return v < low ? low : v > high ? high : v; }

INLINE void look_up_bytes(const uint8_t *restrict table, const uint8_t *restrict in, uint8_t *restrict out, int n) {
    int i = 0;
#if defined(__AVX512VBMI__)
    const __m512i t0 = _mm512_loadu_si512(table), t1 = _mm512_loadu_si512(table + 64);
    const __m512i t2 = _mm512_loadu_si512(table + 128), t3 = _mm512_loadu_si512(table + 192);
    while (i < n) {
        int left = n - i;
        __mmask64 valid = left >= 64 ? ~0ull : (1ull << left) - 1;
        __m512i index = _mm512_maskz_loadu_epi8(valid, in + i);
        __m512i low = _mm512_permutex2var_epi8(t0, index, t1), high = _mm512_permutex2var_epi8(t2, index, t3);
        _mm512_mask_storeu_epi8(out + i, valid, _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high));
        i += 64;
    }
#endif
    for (; i < n; i++) out[i] = table[in[i]];
}

INLINE void join_e(const Conv *c, int lane, int count, int32_t *acc, const uint8_t *e) {
    for (int i = 0; i < count; i++) {
        int64_t value = c->e_kind == E_U8    ? (int64_t)e[lane + i] - 128
                        : c->e_kind == E_S16 ? ((const int16_t *)e)[lane + i]
                                             : ((const int32_t *)e)[lane + i];
        int64_t product = value * c->e_scale[lane + i];
        int32_t shift = c->e_shift[lane + i];
        product = shift >= 0 ? (int64_t)((uint64_t)product << shift) : product >> -shift;
        acc[i] = (int32_t)((uint32_t)acc[i] + (uint32_t)product);
    }
}

INLINE void finish_pixel(const Conv *c, int lane, int count, int32_t *restrict acc, uint8_t *out, const uint8_t *e) {
    int32_t y[LANES];
    for (int i = 0; i < LANES; i++) acc[i] = (int32_t)((uint32_t)acc[i] + (uint32_t)c->bias[lane + i]);
    if (c->e_kind != E_NONE) join_e(c, lane, count, acc, e);
    if (c->bits == 32) {
        for (int i = 0; i < LANES; i++) y[i] = c->relu && acc[i] < 0 ? 0 : acc[i];
    } else {
        const int32_t low = -(1 << (c->bits - 1)), high = (1 << (c->bits - 1)) - 1;
        for (int i = 0; i < LANES; i++) {
            int32_t v = clamp(acc[i] >> c->right_shift[lane + i], c->relu ? 0 : -32768, 32767);
            int32_t product = (int32_t)((uint32_t)v * (uint32_t)c->scale[lane + i]);
            y[i] = clamp(product >> c->out_shift[lane + i], low, high);
        }
    }
    if (c->out_kind == OUT_U8) {
        uint8_t bytes[LANES], looked_up[LANES];
        const uint8_t *result = bytes;
        if (c->table_kind == TABLE_16_TO_8) {
            for (int i = 0; i < LANES; i++) bytes[i] = ((const uint8_t *)c->table)[y[i] + 32768];
        } else {
            for (int i = 0; i < LANES; i++) bytes[i] = (uint8_t)(y[i] + 128);
            if (c->table_kind == TABLE_8_TO_8) {
                look_up_bytes(c->table, bytes, looked_up, LANES);
                result = looked_up;
            }
        }
        memcpy(out + lane, result, count);
    } else if (c->out_kind == OUT_S16) {
        int16_t shorts[LANES];
        if (c->table_kind == TABLE_16_TO_16)
            for (int i = 0; i < LANES; i++) shorts[i] = ((const int16_t *)c->table)[y[i] + 32768];
        else
            for (int i = 0; i < LANES; i++) shorts[i] = (int16_t)y[i];
        memcpy(out + 2 * lane, shorts, 2 * count);
    } else if (c->out_kind == OUT_S32) {
        memcpy(out + 4 * lane, y, 4 * count);
    } else {
        float floats[LANES];
        if (c->table_kind == TABLE_16_TO_F32)
            for (int i = 0; i < LANES; i++) floats[i] = ((const float *)c->table)[y[i] + 32768];
        else
            for (int i = 0; i < LANES; i++) floats[i] = (float)y[i] * c->unit[lane + i];
        memcpy(out + 4 * lane, floats, 4 * count);
    }
}

/* A block of channels of several pixels: `acc` holds LANES sums per pixel, `step` apart, without bias.
 * The common cases (8-bit results with or without a table, accumulators as integers or floats) keep the block's
 * parameters in registers; finish_pixel says what they compute. */
static __attribute__((noinline)) void finish(const Conv *c, int lane, int pixels, int32_t *acc, int step,
                                             uint8_t *const *out, const uint8_t *const *e) {
    const int count = c->out_c - lane < LANES ? c->out_c - lane : LANES;
#if defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512VBMI__)
    const int bytes = c->out_kind == OUT_U8 && c->bits == 8, words = c->bits == 32;
    if ((bytes || words) && c->e_kind == E_NONE) {
        const __mmask16 valid = (__mmask16)((1u << count) - 1);
        const __m512i bias = _mm512_loadu_si512(c->bias + lane), zero = _mm512_setzero_si512();
        if (words) {
            const int floats = c->out_kind == OUT_F32;
            const __m512 unit = floats ? _mm512_loadu_ps(c->unit + lane) : _mm512_setzero_ps();
            for (int p = 0; p < pixels; p++, acc += step) {
                __m512i y = _mm512_add_epi32(_mm512_loadu_si512(acc), bias);
                if (c->relu) y = _mm512_max_epi32(y, zero);
                if (floats) _mm512_mask_storeu_ps(out[p] + 4 * lane, valid, _mm512_mul_ps(_mm512_cvtepi32_ps(y), unit));
                else _mm512_mask_storeu_epi32(out[p] + 4 * lane, valid, y);
            }
            return;
        }
        const __m512i right = _mm512_loadu_si512(c->right_shift + lane), scale = _mm512_loadu_si512(c->scale + lane);
        const __m512i down = _mm512_loadu_si512(c->out_shift + lane);
        const __m512i low = _mm512_set1_epi32(c->relu ? 0 : -32768), high = _mm512_set1_epi32(32767);
        const int looked_up = c->table_kind == TABLE_8_TO_8;
        const uint8_t *table = looked_up ? c->table : NULL;
        const __m512i t0 = looked_up ? _mm512_loadu_si512(table) : zero, t1 = looked_up ? _mm512_loadu_si512(table + 64) : zero;
        const __m512i t2 = looked_up ? _mm512_loadu_si512(table + 128) : zero, t3 = looked_up ? _mm512_loadu_si512(table + 192) : zero;
        for (int p = 0; p < pixels; p++, acc += step) {
            __m512i v = _mm512_srav_epi32(_mm512_add_epi32(_mm512_loadu_si512(acc), bias), right);
            v = _mm512_min_epi32(_mm512_max_epi32(v, low), high);
            v = _mm512_srav_epi32(_mm512_mullo_epi32(v, scale), down);
            __m128i y = _mm_xor_si128(_mm512_cvtsepi32_epi8(v), _mm_set1_epi8((char)0x80));
            if (looked_up) {
                __m512i index = _mm512_castsi128_si512(y);
                __m512i lower = _mm512_permutex2var_epi8(t0, index, t1), upper = _mm512_permutex2var_epi8(t2, index, t3);
                y = _mm512_castsi512_si128(_mm512_mask_blend_epi8(_mm512_movepi8_mask(index), lower, upper));
            }
            _mm_mask_storeu_epi8(out[p] + lane, valid, y);
        }
        return;
    }
#endif
    for (int p = 0; p < pixels; p++, acc += step) finish_pixel(c, lane, count, acc, out[p], e[p]);
}

/* ---- convolution: up to CHUNK output pixels, each tap an array of pointers to where its pixel begins ---- */

typedef struct { const uint8_t *in[CHUNK]; } Taps;

INLINE void tile(const Conv *c, const Taps *taps, int tap_count, int steps, int first, int valid, int pixels,
                 int block, int blocks, uint8_t *const *out, const uint8_t *const *e, const int wide) {
    Sums sums[12][4];
    const uint8_t *weights = (const uint8_t *)c->weights + (size_t)block * tap_count * steps * 64;
    const size_t block_bytes = (size_t)tap_count * steps * 64;
#pragma GCC unroll 12
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
        for (int b = 0; b < blocks; b++) sums[p][b] = zero_sums();
    for (int t = 0; t < tap_count; t++) {
        const uint8_t *const *in = taps[t].in + first;
        for (int k = 0; k < steps; k++, weights += 64) {
            Weights w[4];
#pragma GCC unroll 4
            for (int b = 0; b < blocks; b++) w[b] = load_weights(weights + b * block_bytes, wide);
#pragma GCC unroll 12
            for (int p = 0; p < pixels; p++) {
                Pixel a = load_pixel(in[p] + 4 * k, wide);
#pragma GCC unroll 4
                for (int b = 0; b < blocks; b++) sums[p][b] = dot(sums[p][b], a, w[b], wide);
            }
        }
    }
    int32_t acc[12][4][LANES];
#pragma GCC unroll 12
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
        for (int b = 0; b < blocks; b++) store_sums(acc[p][b], sums[p][b]);
    for (int b = 0; b < blocks; b++)
        finish(c, (block + b) * LANES, valid, acc[0][b], (int)(sizeof acc[0] / sizeof acc[0][0][0]), out + first, e + first);
}

#define RUN_TILES(BLOCKS, PIXELS)                                                                        \
    for (int first = 0; first < pixels; first += PIXELS)                                                 \
        tile(c, taps, tap_count, steps, first, pixels - first < PIXELS ? pixels - first : PIXELS, PIXELS, \
             block, BLOCKS, out, e, wide);

INLINE void chunk(const Conv *c, const Taps *taps, int tap_count, int steps, int pixels, uint8_t *const *out,
                  const uint8_t *const *e, const int wide) {
    int total = (c->out_c + LANES - 1) / LANES;
    for (int block = 0; block < total;) {
        int left = total - block;
#if MAX_BLOCKS == 4
        if (left >= 4) { RUN_TILES(4, TILE_4) block += 4; continue; }
        if (left == 3) { RUN_TILES(3, TILE_3) block += 3; continue; }
        if (left == 2) { RUN_TILES(2, TILE_2) block += 2; continue; }
#endif
        (void)left;
        RUN_TILES(1, TILE_1)
        block += 1;
    }
}

static void chunk_narrow(const Conv *c, const Taps *t, int n, int s, int p, uint8_t *const *o, const uint8_t *const *e) {
    chunk(c, t, n, s, p, o, e, 0);
}
static void chunk_wide(const Conv *c, const Taps *t, int n, int s, int p, uint8_t *const *o, const uint8_t *const *e) {
    chunk(c, t, n, s, p, o, e, 1);
}

/* Where the taps of output pixel (n, y, x) begin; outside the image: `padding`. */
static void point(const Conv *c, const uint8_t *in, const uint8_t *padding, const int64_t *offsets, int n, int y, int x,
                  int slot, Taps *taps) {
    const int top = y * c->stride_h - c->pad_top, left = x * c->stride_w - c->pad_left;
    const int bottom = top + (c->kernel_h - 1) * c->dilation_h, right = left + (c->kernel_w - 1) * c->dilation_w;
    const uint8_t *image = in + n * c->in.image;
    if (top >= 0 && left >= 0 && bottom < c->in_h && right < c->in_w) {
        const uint8_t *corner = image + top * c->in.row + left * c->in.pixel;
        for (int t = 0; t < c->kernel_h * c->kernel_w; t++) taps[t].in[slot] = corner + offsets[t];
        return;
    }
    for (int i = 0, t = 0; i < c->kernel_h; i++)
        for (int j = 0; j < c->kernel_w; j++, t++) {
            int row = top + i * c->dilation_h, col = left + j * c->dilation_w;
            int inside = row >= 0 && row < c->in_h && col >= 0 && col < c->in_w;
            taps[t].in[slot] = inside ? image + row * c->in.row + col * c->in.pixel : padding;
        }
}

/* All taps of one pixel behind each other, for channel counts that are no whole 4 bytes. */
static void gather(const Conv *c, const Taps *taps, int slot, uint8_t *out) {
    const int run = c->kernel_w * c->in_bytes, dense = c->in.pixel == c->in_bytes && c->dilation_w == 1;
    for (int i = 0; i < c->kernel_h; i++, out += run) {
        const Taps *line = taps + i * c->kernel_w;
        if (dense && line[c->kernel_w - 1].in[slot] - line[0].in[slot] == run - c->in_bytes)
            memcpy(out, line[0].in[slot], run); /* the taps of a row lie side by side */
        else
            for (int j = 0; j < c->kernel_w; j++) memcpy(out + j * c->in_bytes, line[j].in[slot], c->in_bytes);
    }
}

typedef struct {
    const Conv *c;
    const uint8_t *in, *e, *padding;
    uint8_t *out;
    const int64_t *offsets; /* of the taps from the first one */
    int64_t total;          /* output pixels */
    int steps, whole;       /* of 4 bytes per tap; channels make whole steps */
    atomic_int failed;
} ConvJob;

static void conv_task(void *context, int64_t index) {
    ConvJob *job = context;
    const Conv *c = job->c;
    const int tap_count = c->kernel_h * c->kernel_w;
    Taps *taps = malloc(sizeof(Taps) * tap_count), one;
    uint8_t *gathered = job->whole ? NULL : calloc(CHUNK, (size_t)job->steps * 4);
    if (!taps || (!job->whole && !gathered)) {
        job->failed = 1;
        free(taps);
        free(gathered);
        return;
    }
    uint8_t *outs[CHUNK];
    const uint8_t *es[CHUNK];
    const int64_t first = index * CHUNK;
    const int pixels = job->total - first < CHUNK ? (int)(job->total - first) : CHUNK;
    int x = (int)(first % c->out_w), y = (int)(first / c->out_w % c->out_h), n = (int)(first / c->out_w / c->out_h);
    for (int slot = 0; slot < CHUNK; slot++) { /* slots behind the end repeat the last pixel */
        point(c, job->in, job->padding, job->offsets, n, y, x, slot, taps);
        outs[slot] = job->out + n * c->out.image + y * c->out.row + x * c->out.pixel;
        es[slot] = c->e_kind ? job->e + n * c->e.image + y * c->e.row + x * c->e.pixel : NULL;
        if (!job->whole) {
            one.in[slot] = gathered + (size_t)slot * job->steps * 4;
            gather(c, taps, slot, gathered + (size_t)slot * job->steps * 4);
        }
        if (slot + 1 < pixels && ++x == c->out_w) {
            x = 0;
            if (++y == c->out_h) {
                y = 0;
                n++;
            }
        }
    }
    (c->wide ? chunk_wide : chunk_narrow)(c, job->whole ? taps : &one, job->whole ? tap_count : 1, job->steps, pixels, outs, es);
    free(taps);
    free(gathered);
}

static void check_conv(const Conv *c, const uint8_t *in, const uint8_t *out, const uint8_t *e) {
    KERNEL_ASSERT(in && out && c->weights && c->bias && (c->e_kind == E_NONE || (e && c->e_scale && c->e_shift)));
    KERNEL_ASSERT(c->batch > 0 && c->in_h > 0 && c->in_w > 0 && c->in_bytes > 0);
    KERNEL_ASSERT(c->out_h > 0 && c->out_w > 0 && c->out_c > 0 && c->kernel_h > 0 && c->kernel_w > 0);
    KERNEL_ASSERT(c->stride_h > 0 && c->stride_w > 0 && c->dilation_h > 0 && c->dilation_w > 0);
    KERNEL_ASSERT(c->pad_top >= 0 && c->pad_left >= 0 && c->threads > 0);
    KERNEL_ASSERT(c->bits == 32 || (c->right_shift && c->scale && c->out_shift && (c->bits == 8 || c->bits == 16)));
    KERNEL_ASSERT(c->in.pixel >= c->in_bytes && c->in.row >= c->in.pixel && c->in.image >= c->in.row);
    KERNEL_ASSERT(c->table_kind == TABLE_NONE || c->table);
    KERNEL_ASSERT(c->out_kind != OUT_F32 || c->table_kind == TABLE_16_TO_F32 || c->unit);
    (void)c, (void)in, (void)out, (void)e;
}

int edgekit_conv(const Conv *c, const uint8_t *in, uint8_t *out, const uint8_t *e) {
    check_conv(c, in, out, e);
    const int tap_count = c->kernel_h * c->kernel_w, whole = c->in_bytes % 4 == 0;
    uint8_t *padding = malloc(c->in_bytes + 4);
    int64_t *offsets = malloc(sizeof(int64_t) * tap_count);
    int failed = !padding || !offsets;
    if (!failed) {
        memset(padding, c->wide ? 0 : 128, c->in_bytes + 4);
        for (int t = 0; t < tap_count; t++)
            offsets[t] = t / c->kernel_w * c->dilation_h * c->in.row + t % c->kernel_w * c->dilation_w * c->in.pixel;
        int steps = whole ? c->in_bytes / 4 : (tap_count * c->in_bytes + 3) / 4;
        int64_t total = (int64_t)c->batch * c->out_h * c->out_w;
        ConvJob job = {c, in, e, padding, out, offsets, total, steps, whole, 0};
        share(c->threads, (total + CHUNK - 1) / CHUNK, conv_task, &job);
        failed = job.failed;
    }
    free(padding);
    free(offsets);
    return failed ? -1 : 0;
}

/* Depthwise: one kernel per channel. `weights` is int8 (taps, channels). One task: a row of output pixels. */
static void depthwise_task(void *context, int64_t line) {
    ConvJob *job = context;
    const Conv *c = job->c;
    const int channels = c->out_c, padded = (channels + LANES - 1) / LANES * LANES;
    const int n = (int)(line / c->out_h), y = (int)(line % c->out_h);
    int32_t *acc = malloc(sizeof(int32_t) * padded);
    if (!acc) {
        job->failed = 1;
        return;
    }
    for (int x = 0; x < c->out_w; x++) {
        memset(acc, 0, sizeof(int32_t) * padded);
        for (int i = 0; i < c->kernel_h; i++) {
            int row = y * c->stride_h - c->pad_top + i * c->dilation_h;
            if (row < 0 || row >= c->in_h) continue;
            for (int j = 0; j < c->kernel_w; j++) {
                int col = x * c->stride_w - c->pad_left + j * c->dilation_w;
                if (col < 0 || col >= c->in_w) continue;
                const uint8_t *px = job->in + n * c->in.image + row * c->in.row + col * c->in.pixel;
                const int8_t *w = (const int8_t *)c->weights + (int64_t)(i * c->kernel_w + j) * channels;
                if (c->wide)
                    for (int k = 0; k < channels; k++) acc[k] += ((const int16_t *)px)[k] * w[k];
                else
                    for (int k = 0; k < channels; k++) acc[k] += ((int32_t)px[k] - 128) * w[k];
            }
        }
        uint8_t *to = job->out + n * c->out.image + y * c->out.row + x * c->out.pixel;
        const uint8_t *from = c->e_kind ? job->e + n * c->e.image + y * c->e.row + x * c->e.pixel : NULL;
        for (int lane = 0; lane < channels; lane += LANES) finish(c, lane, 1, acc + lane, 0, &to, &from);
    }
    free(acc);
}

int edgekit_depthwise(const Conv *c, const uint8_t *in, uint8_t *out, const uint8_t *e) {
    check_conv(c, in, out, e);
    ConvJob job = {c, in, e, NULL, out, NULL, 0, 0, 1, 0};
    share(c->threads, (int64_t)c->batch * c->out_h, depthwise_task, &job);
    return job.failed ? -1 : 0;
}

/* ---- element by element, by tables that the reference filled ---- */

typedef struct {
    Strides in, out, e;
    int32_t batch, height, width, channels; /* of the output */
    int32_t in_kind, out_kind;              /* bytes per element: 1 (x + 128) or 2 */
    int32_t per_channel;                    /* tables of bytes: one of 256 entries for every channel */
    int32_t repeat_h, repeat_w;             /* copies: how often a pixel is repeated */
    int32_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left, in_h, in_w; /* pools */
    int32_t threads;
    const void *table;
} Map;

INLINE void map_pixel(const Map *m, const uint8_t *from, uint8_t *to) {
    if (m->in_kind == 2) {
        const int16_t *x = (const int16_t *)from;
        if (m->out_kind == 2)
            for (int k = 0; k < m->channels; k++) ((int16_t *)to)[k] = ((const int16_t *)m->table)[x[k] + 32768];
        else
            for (int k = 0; k < m->channels; k++) to[k] = ((const uint8_t *)m->table)[x[k] + 32768];
    } else if (m->out_kind == 2) {
        for (int k = 0; k < m->channels; k++) ((int16_t *)to)[k] = ((const int16_t *)m->table)[from[k]];
    } else if (m->per_channel) {
        for (int k = 0; k < m->channels; k++) to[k] = ((const uint8_t *)m->table)[256 * k + from[k]];
    } else {
        look_up_bytes(m->table, from, to, m->channels);
    }
}

typedef struct {
    const Map *m;
    const uint8_t *in, *e;
    uint8_t *out;
} MapJob;

/* Every task below is a row of output pixels. */
#define ROW(JOB, FIELD, BASE) ((JOB)->BASE + line / m->height * m->FIELD.image)

static void map_task(void *context, int64_t line) {
    const MapJob *job = context;
    const Map *m = job->m;
    const int64_t y = line % m->height;
    const uint8_t *from = ROW(job, in, in) + y * m->in.row;
    uint8_t *to = ROW(job, out, out) + y * m->out.row;
    for (int x = 0; x < m->width; x++) map_pixel(m, from + x * m->in.pixel, to + x * m->out.pixel);
}

/* Two int8 operands: table[x + 128][e + 128]. */
static void pairs_task(void *context, int64_t line) {
    const MapJob *job = context;
    const Map *m = job->m;
    const uint8_t *table = m->table;
    const int64_t y = line % m->height;
    for (int x = 0; x < m->width; x++) {
        const uint8_t *a = ROW(job, in, in) + y * m->in.row + x * m->in.pixel;
        const uint8_t *b = ROW(job, e, e) + y * m->e.row + x * m->e.pixel;
        uint8_t *to = ROW(job, out, out) + y * m->out.row + x * m->out.pixel;
        for (int k = 0; k < m->channels; k++) to[k] = table[a[k] << 8 | b[k]];
    }
}

/* Two operands of 8 or 16 bits by arithmetic; `table` holds the operation, whether the end rounds to nearest, the bytes
   of an element of e, then seven numbers per channel in rows. */
enum { ADD, SUB, MUL };
enum { BLEND_HEAD = 3, BLEND_CHANNELS = 64 };

INLINE void load_ints(const uint8_t *from, int kind, int first, int n, int32_t *to) {
    if (kind == 2)
        for (int k = 0; k < n; k++) to[k] = ((const int16_t *)from)[first + k];
    else
        for (int k = 0; k < n; k++) to[k] = (int32_t)from[first + k] - 128;
}

static void blend_task(void *context, int64_t line) {
    const MapJob *job = context;
    const Map *m = job->m;
    const int32_t *head = m->table, *row = head + BLEND_HEAD;
    const int64_t y = line % m->height;
    for (int x = 0; x < m->width; x++) {
        const uint8_t *a = ROW(job, in, in) + y * m->in.row + x * m->in.pixel;
        const uint8_t *b = ROW(job, e, e) + y * m->e.row + x * m->e.pixel;
        uint8_t *to = ROW(job, out, out) + y * m->out.row + x * m->out.pixel;
        for (int first = 0; first < m->channels; first += BLEND_CHANNELS) {
            const int n = m->channels - first < BLEND_CHANNELS ? m->channels - first : BLEND_CHANNELS;
            const int32_t *x_shift = row + first, *e_scale = x_shift + m->channels, *e_shift = e_scale + m->channels,
                          *bias = e_shift + m->channels, *accu = bias + m->channels, *scale = accu + m->channels,
                          *shift = scale + m->channels;
            int32_t p[BLEND_CHANNELS], q[BLEND_CHANNELS];
            load_ints(a, m->in_kind, first, n, p);
            load_ints(b, head[2], first, n, q);
            if (head[0] == MUL)
                for (int k = 0; k < n; k++) p[k] = p[k] * q[k];
            else if (head[0] == ADD)
                for (int k = 0; k < n; k++)
                    p[k] = (int32_t)(((uint32_t)p[k] << x_shift[k]) + ((uint32_t)(q[k] * e_scale[k]) << e_shift[k]));
            else
                for (int k = 0; k < n; k++) p[k] = (int32_t)(((uint32_t)p[k] << x_shift[k]) - (uint32_t)(q[k] * e_scale[k]));
            for (int k = 0; k < n; k++) {
                const int32_t v = clamp((p[k] + bias[k]) >> accu[k], INT16_MIN, INT16_MAX);
                p[k] = (v * scale[k] + (head[1] ? (1 << shift[k]) >> 1 : 0)) >> shift[k];
            }
            if (m->out_kind == 2)
                for (int k = 0; k < n; k++) ((int16_t *)to)[first + k] = (int16_t)clamp(p[k], INT16_MIN, INT16_MAX);
            else
                for (int k = 0; k < n; k++) to[first + k] = (uint8_t)(clamp(p[k], INT8_MIN, INT8_MAX) + 128);
        }
    }
}

/* Copies pixels, each repeated repeat_h x repeat_w times. */
static void copy_task(void *context, int64_t line) {
    const MapJob *job = context;
    const Map *m = job->m;
    const size_t bytes = (size_t)m->channels * m->in_kind;
    const int64_t y = line % m->height;
    const uint8_t *from = ROW(job, in, in) + y / m->repeat_h * m->in.row;
    uint8_t *to = ROW(job, out, out) + y * m->out.row;
    for (int x = 0; x < m->width; x++) memcpy(to + x * m->out.pixel, from + x / m->repeat_w * m->in.pixel, bytes);
}

static void max_bytes(uint8_t *restrict to, const uint8_t *restrict from, int n) {
    for (int k = 0; k < n; k++) to[k] = from[k] > to[k] ? from[k] : to[k];
}
static void max_words(int16_t *restrict to, const int16_t *restrict from, int n) {
    for (int k = 0; k < n; k++) to[k] = from[k] > to[k] ? from[k] : to[k];
}

static void max_pool_task(void *context, int64_t line) {
    const MapJob *job = context;
    const Map *m = job->m;
    const int64_t y = line % m->height;
    for (int x = 0; x < m->width; x++) {
        uint8_t *to = ROW(job, out, out) + y * m->out.row + x * m->out.pixel;
        for (int k = 0; k < m->channels; k++) /* the least there is: padding never wins */
            if (m->in_kind == 2) ((int16_t *)to)[k] = INT16_MIN; else to[k] = 0;
        for (int i = 0; i < m->kernel_h; i++) {
            int64_t row = y * m->stride_h - m->pad_top + i;
            if (row < 0 || row >= m->in_h) continue;
            for (int j = 0; j < m->kernel_w; j++) {
                int64_t col = (int64_t)x * m->stride_w - m->pad_left + j;
                if (col < 0 || col >= m->in_w) continue;
                const uint8_t *px = ROW(job, in, in) + row * m->in.row + col * m->in.pixel;
                if (m->in_kind == 2) max_words((int16_t *)to, (const int16_t *)px, m->channels);
                else max_bytes(to, px, m->channels);
            }
        }
    }
}

static void check_map(const Map *m, const uint8_t *in, const uint8_t *out) {
    KERNEL_ASSERT(in && out && m->threads > 0);
    KERNEL_ASSERT(m->batch > 0 && m->height > 0 && m->width > 0 && m->channels > 0);
    KERNEL_ASSERT(m->in_kind == 1 || m->in_kind == 2 || m->in_kind == 4);
    KERNEL_ASSERT(m->out.pixel >= (int64_t)m->channels * m->out_kind);
    (void)m, (void)in, (void)out;
}

#define MAP_KERNEL(NAME)                                                                              \
    int edgekit_##NAME(const Map *m, const uint8_t *in, uint8_t *out, const uint8_t *e) {             \
        check_map(m, in, out);                                                                        \
        MapJob job = {m, in, e, out};                                                                 \
        share(m->threads, (int64_t)m->batch * m->height, NAME##_task, &job);                          \
        return 0;                                                                                     \
    }
MAP_KERNEL(map)
MAP_KERNEL(pairs)
MAP_KERNEL(blend)
MAP_KERNEL(copy)
MAP_KERNEL(max_pool)

int edgekit_abi(void) { return (int)(sizeof(Conv) * 1000 + sizeof(Map)); }
