/* Element by element: tables that the reference filled, arithmetic of two operands, copies and poolings.
 * Every task is a row of output pixels. */
#ifndef EDGEKIT_ELEMENTWISE_H
#define EDGEKIT_ELEMENTWISE_H

#include "epilogue.h"
#include "threadpool.h"

typedef struct {
    const MapParams *m;
    const uint8_t *in, *rhs;
    uint8_t *out;
} MapJob;

/* Where the image of output row `line` begins in a tensor. */
INLINE int64_t image_offset(const MapParams *m, Strides strides, int64_t line) {
    return line / m->height * strides.image;
}

INLINE void lut_pixel(const MapParams *m, const uint8_t *from, uint8_t *to) {
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

static void lut_task(void *context, int worker, int64_t line) {
    const MapJob *job = context;
    const MapParams *m = job->m;
    const int64_t y = line % m->height;
    const uint8_t *from = job->in + image_offset(m, m->in, line) + y * m->in.row;
    uint8_t *to = job->out + image_offset(m, m->out, line) + y * m->out.row;
    (void)worker;
    for (int x = 0; x < m->width; x++) lut_pixel(m, from + x * m->in.pixel, to + x * m->out.pixel);
}

/* Two int8 operands: table[x + 128][rhs + 128]. */
static void lut2_task(void *context, int worker, int64_t line) {
    const MapJob *job = context;
    const MapParams *m = job->m;
    const uint8_t *table = m->table;
    const int64_t y = line % m->height;
    (void)worker;
    for (int x = 0; x < m->width; x++) {
        const uint8_t *a = job->in + image_offset(m, m->in, line) + y * m->in.row + x * m->in.pixel;
        const uint8_t *b = job->rhs + image_offset(m, m->rhs, line) + y * m->rhs.row + x * m->rhs.pixel;
        uint8_t *to = job->out + image_offset(m, m->out, line) + y * m->out.row + x * m->out.pixel;
        for (int k = 0; k < m->channels; k++) to[k] = table[a[k] << 8 | b[k]];
    }
}

enum { ELTWISE_CHANNELS = 64 }; /* that are computed at once */

INLINE void load_ints(const uint8_t *from, int bytes, int first, int n, int32_t *to) {
    if (bytes == 2)
        for (int k = 0; k < n; k++) to[k] = ((const int16_t *)from)[first + k];
    else
        for (int k = 0; k < n; k++) to[k] = (int32_t)from[first + k] - 128;
}

/* Channels `first` to `first + n` of one pixel. */
INLINE void eltwise_channels(const MapParams *m, const uint8_t *a, const uint8_t *b, uint8_t *to, int first, int n) {
    const EltwiseNumbers *numbers = m->table;
    const int32_t *row[ELTWISE_ROWS];
    for (int r = 0; r < ELTWISE_ROWS; r++) row[r] = numbers->rows + (int64_t)r * m->channels + first;
    const int32_t *x_shift = row[ROW_X_SHIFT], *rhs_scale = row[ROW_RHS_SCALE], *rhs_shift = row[ROW_RHS_SHIFT];
    const int32_t *bias = row[ROW_BIAS], *accu_shift = row[ROW_ACCU_SHIFT], *scale = row[ROW_SCALE];
    const int32_t *out_shift = row[ROW_OUT_SHIFT];
    int32_t p[ELTWISE_CHANNELS], q[ELTWISE_CHANNELS];
    load_ints(a, m->in_kind, first, n, p);
    load_ints(b, numbers->rhs_bytes, first, n, q);
    if (numbers->operation == ELTWISE_MUL)
        for (int k = 0; k < n; k++) p[k] = p[k] * q[k];
    else if (numbers->operation == ELTWISE_ADD)
        for (int k = 0; k < n; k++)
            p[k] = (int32_t)(((uint32_t)p[k] << x_shift[k]) + ((uint32_t)(q[k] * rhs_scale[k]) << rhs_shift[k]));
    else
        for (int k = 0; k < n; k++)
            p[k] = (int32_t)(((uint32_t)p[k] << x_shift[k]) - (uint32_t)(q[k] * rhs_scale[k]));
    for (int k = 0; k < n; k++) {
        const int32_t v = clamp((p[k] + bias[k]) >> accu_shift[k], INT16_MIN, INT16_MAX);
        p[k] = (v * scale[k] + (numbers->to_nearest ? (1 << out_shift[k]) >> 1 : 0)) >> out_shift[k];
    }
    if (m->out_kind == 2)
        for (int k = 0; k < n; k++) ((int16_t *)to)[first + k] = (int16_t)clamp(p[k], INT16_MIN, INT16_MAX);
    else
        for (int k = 0; k < n; k++) to[first + k] = (uint8_t)(clamp(p[k], INT8_MIN, INT8_MAX) + 128);
}

/* Two operands of 8 or 16 bits by arithmetic: edgekit/sim/ops/elementwise_*.py. */
static void eltwise_task(void *context, int worker, int64_t line) {
    const MapJob *job = context;
    const MapParams *m = job->m;
    const int64_t y = line % m->height;
    (void)worker;
    for (int x = 0; x < m->width; x++) {
        const uint8_t *a = job->in + image_offset(m, m->in, line) + y * m->in.row + x * m->in.pixel;
        const uint8_t *b = job->rhs + image_offset(m, m->rhs, line) + y * m->rhs.row + x * m->rhs.pixel;
        uint8_t *to = job->out + image_offset(m, m->out, line) + y * m->out.row + x * m->out.pixel;
        for (int first = 0; first < m->channels; first += ELTWISE_CHANNELS) {
            const int left = m->channels - first;
            eltwise_channels(m, a, b, to, first, left < ELTWISE_CHANNELS ? left : ELTWISE_CHANNELS);
        }
    }
}

/* Copies pixels, each repeated repeat_h x repeat_w times. */
static void copy_task(void *context, int worker, int64_t line) {
    const MapJob *job = context;
    const MapParams *m = job->m;
    const size_t bytes = (size_t)m->channels * m->in_kind;
    const int64_t y = line % m->height;
    const uint8_t *from = job->in + image_offset(m, m->in, line) + y / m->repeat_h * m->in.row;
    uint8_t *to = job->out + image_offset(m, m->out, line) + y * m->out.row;
    (void)worker;
    for (int x = 0; x < m->width; x++) memcpy(to + x * m->out.pixel, from + x / m->repeat_w * m->in.pixel, bytes);
}

static void max_bytes(uint8_t *restrict to, const uint8_t *restrict from, int n) {
    for (int k = 0; k < n; k++) to[k] = from[k] > to[k] ? from[k] : to[k];
}
static void max_words(int16_t *restrict to, const int16_t *restrict from, int n) {
    for (int k = 0; k < n; k++) to[k] = from[k] > to[k] ? from[k] : to[k];
}

static void max_pool_task(void *context, int worker, int64_t line) {
    const MapJob *job = context;
    const MapParams *m = job->m;
    const uint8_t *image = job->in + image_offset(m, m->in, line);
    const int64_t y = line % m->height;
    (void)worker;
    for (int x = 0; x < m->width; x++) {
        uint8_t *to = job->out + image_offset(m, m->out, line) + y * m->out.row + x * m->out.pixel;
        for (int k = 0; k < m->channels; k++) /* the least there is: padding never wins */
            if (m->in_kind == 2) ((int16_t *)to)[k] = INT16_MIN; else to[k] = 0;
        for (int i = 0; i < m->kernel_h; i++) {
            const int64_t row = y * m->stride_h - m->pad_top + i;
            if (row < 0 || row >= m->in_h) continue;
            for (int j = 0; j < m->kernel_w; j++) {
                const int64_t col = (int64_t)x * m->stride_w - m->pad_left + j;
                if (col < 0 || col >= m->in_w) continue;
                const uint8_t *px = image + row * m->in.row + col * m->in.pixel;
                if (m->in_kind == 2) max_words((int16_t *)to, (const int16_t *)px, m->channels);
                else max_bytes(to, px, m->channels);
            }
        }
    }
}

static void check_map(const MapParams *m, const uint8_t *in, const uint8_t *out) {
    KERNEL_ASSERT(in && out && m->threads > 0);
    KERNEL_ASSERT(m->batch > 0 && m->height > 0 && m->width > 0 && m->channels > 0);
    KERNEL_ASSERT(m->in_kind == 1 || m->in_kind == 2 || m->in_kind == 4);
    KERNEL_ASSERT(m->out.pixel >= (int64_t)m->channels * m->out_kind);
    (void)m, (void)in, (void)out;
}

#endif
