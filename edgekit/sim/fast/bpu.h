/* Parameters, constants and macros that the kernels of the simulated BPU share. structs.py mirrors the structures; the
 * build asserts every field, size and number of that mirror. */
#ifndef EDGEKIT_BPU_H
#define EDGEKIT_BPU_H

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

#define LANES 16       /* output channels in a block */
#define CHUNK_PIXELS 48 /* output pixels that one task takes: a multiple of every tile */
#define DOT_BYTES 4    /* bytes of activations that one dot product takes: a step */
#define STEP_BYTES (LANES * DOT_BYTES) /* bytes of weights that one step takes */
#define INLINE static inline __attribute__((always_inline))

#if defined(EDGEKIT_CHECK)
#include <stdio.h>
#define KERNEL_ASSERT(CONDITION)                                                          \
    do {                                                                                  \
        if (!(CONDITION)) {                                                               \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #CONDITION); \
            abort();                                                                      \
        }                                                                                 \
    } while (0)
#else
#define KERNEL_ASSERT(CONDITION) ((void)0)
#endif

enum { OUT_U8, OUT_S16, OUT_S32, OUT_F32 };
enum { TABLE_NONE, TABLE_8_TO_8, TABLE_16_TO_16, TABLE_16_TO_8, TABLE_16_TO_F32 };
enum { RHS_NONE, RHS_U8, RHS_S16, RHS_S32 };
enum { ELTWISE_ADD, ELTWISE_SUB, ELTWISE_MUL };

typedef struct { int64_t pixel, row, image; } Strides; /* in bytes */

/* A convolution, its optional sum-in (`rhs`) and its output stage. Arrays per channel hold whole blocks of LANES. */
typedef struct {
    Strides in, out, rhs;
    int32_t batch, in_h, in_w, in_bytes; /* in_bytes: of the channels of one pixel */
    int32_t out_h, out_w, out_c;
    int32_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
    int32_t int16_input; /* activations are int16 */
    int32_t bits;        /* of the value before the table: 8, 16 or 32 */
    int32_t relu, out_kind, table_kind, rhs_kind, threads;
    const void *weights;                                   /* packed by weights.py */
    const int32_t *bias, *right_shift, *scale, *out_shift; /* per channel, as are the next three */
    const int32_t *rhs_scale, *rhs_shift;
    const float *float_scale; /* float32 output: value of one integer step */
    const void *table;
} ConvParams;

/* Everything that works pixel by pixel or window by window without weights. */
typedef struct {
    Strides in, out, rhs;
    int32_t batch, height, width, channels; /* of the output */
    int32_t in_kind, out_kind;              /* bytes per element: 1 (x + 128) or 2 */
    int32_t per_channel;                    /* tables of bytes: one of 256 entries for every channel */
    int32_t repeat_h, repeat_w;             /* copies: how often a pixel is repeated */
    int32_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left, in_h, in_w; /* pools */
    int32_t threads;
    const void *table;
} MapParams;

/* What `table` of an element-wise operation points to: rows of one number per channel, in the order of the enum. */
typedef struct {
    int32_t operation, to_nearest, rhs_bytes; /* ELTWISE_*; whether the last shift rounds; bytes per element of rhs */
    int32_t rows[];
} EltwiseNumbers;
enum { ROW_X_SHIFT, ROW_RHS_SCALE, ROW_RHS_SHIFT, ROW_BIAS, ROW_ACCU_SHIFT, ROW_SCALE, ROW_OUT_SHIFT, ELTWISE_ROWS };

INLINE int32_t clamp(int32_t v, int32_t low, int32_t high) { return v < low ? low : v > high ? high : v; }

#endif
