/* Convolutions: up to CHUNK_PIXELS output pixels per task, each tap an array of pointers to where its pixel begins. */
#ifndef EDGEKIT_CONV_H
#define EDGEKIT_CONV_H

#include "epilogue.h"
#include "threadpool.h"
#if defined(__AVX512VNNI__)
#include "dot_avx512.h"
#elif defined(__AVX2__)
#include "dot_avx2.h"
#else
#include "dot_generic.h"
#endif

#define TILE_PIXELS 12 /* the largest tile */
#define TILE_BLOCKS 4  /* the most blocks of channels in a tile */

typedef struct { const uint8_t *in[CHUNK_PIXELS]; } Taps;

/* What one task works on: taps of `pixels` output pixels, each tap `steps` dot products long. */
typedef struct {
    const Taps *taps;
    int tap_count, steps, pixels;
    uint8_t *out[CHUNK_PIXELS];
    const uint8_t *rhs[CHUNK_PIXELS];
} Chunk;

INLINE void conv_tile(const ConvParams *c, const Chunk *chunk, int first, int count, int pixels, int block, int blocks,
                      const int int16_input) {
    Sums sums[TILE_PIXELS][TILE_BLOCKS];
    const size_t block_bytes = (size_t)chunk->tap_count * chunk->steps * STEP_BYTES;
    const uint8_t *weights = (const uint8_t *)c->weights + block * block_bytes;
#pragma GCC unroll 12
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
        for (int b = 0; b < blocks; b++) sums[p][b] = zero_sums();
    for (int t = 0; t < chunk->tap_count; t++) {
        const uint8_t *const *in = chunk->taps[t].in + first;
        for (int k = 0; k < chunk->steps; k++, weights += STEP_BYTES) {
            Weights w[TILE_BLOCKS];
#pragma GCC unroll 4
            for (int b = 0; b < blocks; b++) w[b] = load_weights(weights + b * block_bytes, int16_input);
#pragma GCC unroll 12
            for (int p = 0; p < pixels; p++) {
                Pixel a = load_pixel(in[p] + DOT_BYTES * k, int16_input);
#pragma GCC unroll 4
                for (int b = 0; b < blocks; b++) sums[p][b] = dot(sums[p][b], a, w[b], int16_input);
            }
        }
    }
    int32_t acc[TILE_PIXELS][TILE_BLOCKS][LANES];
#pragma GCC unroll 12
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
        for (int b = 0; b < blocks; b++) store_sums(acc[p][b], sums[p][b]);
    for (int b = 0; b < blocks; b++)
        epilogue(c, (block + b) * LANES, count, acc[0][b], TILE_BLOCKS * LANES, chunk->out + first, chunk->rhs + first);
}

INLINE void conv_tiles(const ConvParams *c, const Chunk *chunk, int pixels, int block, int blocks,
                       const int int16_input) {
    for (int first = 0; first < chunk->pixels; first += pixels) {
        const int left = chunk->pixels - first;
        conv_tile(c, chunk, first, left < pixels ? left : pixels, pixels, block, blocks, int16_input);
    }
}

INLINE void conv_chunk(const ConvParams *c, const Chunk *chunk, const int int16_input) {
    const int total = (c->out_c + LANES - 1) / LANES;
    for (int block = 0; block < total;) {
#if MAX_BLOCKS == 4
        const int left = total - block;
        if (left >= 4) { conv_tiles(c, chunk, TILE_4, block, 4, int16_input); block += 4; continue; }
        if (left == 3) { conv_tiles(c, chunk, TILE_3, block, 3, int16_input); block += 3; continue; }
        if (left == 2) { conv_tiles(c, chunk, TILE_2, block, 2, int16_input); block += 2; continue; }
#endif
        conv_tiles(c, chunk, TILE_1, block, 1, int16_input);
        block += 1;
    }
}

static void conv_chunk_int8(const ConvParams *c, const Chunk *chunk) { conv_chunk(c, chunk, 0); }
static void conv_chunk_int16(const ConvParams *c, const Chunk *chunk) { conv_chunk(c, chunk, 1); }

typedef struct {
    const ConvParams *c;
    const uint8_t *in, *rhs, *padding;
    uint8_t *out;
    const int64_t *offsets; /* of the taps from the first one */
    int64_t total;          /* output pixels */
    int steps, aligned;     /* dot products per tap; channels make whole ones */
    uint8_t *scratch;       /* of all workers */
    size_t worker_bytes;    /* of one */
} ConvJob;

/* Points the taps of output pixel (n, y, x) to their pixels; outside the image: `padding`. */
static void tap_pointers(const ConvJob *job, int n, int y, int x, int slot, Taps *taps) {
    const ConvParams *c = job->c;
    const int top = y * c->stride_h - c->pad_top, left = x * c->stride_w - c->pad_left;
    const int bottom = top + (c->kernel_h - 1) * c->dilation_h, right = left + (c->kernel_w - 1) * c->dilation_w;
    const uint8_t *image = job->in + n * c->in.image;
    if (top >= 0 && left >= 0 && bottom < c->in_h && right < c->in_w) {
        const uint8_t *corner = image + top * c->in.row + left * c->in.pixel;
        for (int t = 0; t < c->kernel_h * c->kernel_w; t++) taps[t].in[slot] = corner + job->offsets[t];
        return;
    }
    for (int i = 0, t = 0; i < c->kernel_h; i++)
        for (int j = 0; j < c->kernel_w; j++, t++) {
            const int row = top + i * c->dilation_h, col = left + j * c->dilation_w;
            const int inside = row >= 0 && row < c->in_h && col >= 0 && col < c->in_w;
            taps[t].in[slot] = inside ? image + row * c->in.row + col * c->in.pixel : job->padding;
        }
}

/* All taps of one pixel behind each other, for channel counts that are no whole number of steps. */
static void im2col_row(const ConvParams *c, const Taps *taps, int slot, uint8_t *out) {
    const int run = c->kernel_w * c->in_bytes, dense = c->in.pixel == c->in_bytes && c->dilation_w == 1;
    for (int i = 0; i < c->kernel_h; i++, out += run) {
        const Taps *line = taps + i * c->kernel_w;
        if (dense && line[c->kernel_w - 1].in[slot] - line[0].in[slot] == run - c->in_bytes)
            memcpy(out, line[0].in[slot], run); /* the taps of a row lie side by side */
        else
            for (int j = 0; j < c->kernel_w; j++) memcpy(out + j * c->in_bytes, line[j].in[slot], c->in_bytes);
    }
}

/* One task: CHUNK_PIXELS output pixels. A worker's scratch holds its taps and, where channels are not aligned, one row
 * of columns per pixel, whose bytes behind the last tap stay 0. */
static void conv_task(void *context, int worker, int64_t index) {
    const ConvJob *job = context;
    const ConvParams *c = job->c;
    const int tap_count = c->kernel_h * c->kernel_w;
    Taps *taps = (Taps *)(job->scratch + worker * job->worker_bytes), joined;
    uint8_t *columns = (uint8_t *)(taps + tap_count);
    const size_t column_bytes = (size_t)job->steps * DOT_BYTES;
    const int64_t first = index * CHUNK_PIXELS;
    Chunk chunk = {job->aligned ? taps : &joined, job->aligned ? tap_count : 1, job->steps, CHUNK_PIXELS, {0}, {0}};
    if (job->total - first < CHUNK_PIXELS) chunk.pixels = (int)(job->total - first);
    int x = (int)(first % c->out_w), y = (int)(first / c->out_w % c->out_h), n = (int)(first / c->out_w / c->out_h);
    for (int slot = 0; slot < CHUNK_PIXELS; slot++) { /* slots behind the end repeat the last pixel */
        tap_pointers(job, n, y, x, slot, taps);
        chunk.out[slot] = job->out + n * c->out.image + y * c->out.row + x * c->out.pixel;
        chunk.rhs[slot] = c->rhs_kind ? job->rhs + n * c->rhs.image + y * c->rhs.row + x * c->rhs.pixel : NULL;
        if (!job->aligned) {
            joined.in[slot] = columns + slot * column_bytes;
            im2col_row(c, taps, slot, columns + slot * column_bytes);
        }
        if (slot + 1 < chunk.pixels && ++x == c->out_w) {
            x = 0;
            if (++y == c->out_h) {
                y = 0;
                n++;
            }
        }
    }
    (c->int16_input ? conv_chunk_int16 : conv_chunk_int8)(c, &chunk);
}

static void check_conv(const ConvParams *c, const uint8_t *in, const uint8_t *out, const uint8_t *rhs) {
    KERNEL_ASSERT(in && out && c->weights && c->bias);
    KERNEL_ASSERT(c->rhs_kind == RHS_NONE || (rhs && c->rhs_scale && c->rhs_shift));
    KERNEL_ASSERT(c->batch > 0 && c->in_h > 0 && c->in_w > 0 && c->in_bytes > 0);
    KERNEL_ASSERT(c->out_h > 0 && c->out_w > 0 && c->out_c > 0 && c->kernel_h > 0 && c->kernel_w > 0);
    KERNEL_ASSERT(c->stride_h > 0 && c->stride_w > 0 && c->dilation_h > 0 && c->dilation_w > 0);
    KERNEL_ASSERT(c->pad_top >= 0 && c->pad_left >= 0 && c->threads > 0);
    KERNEL_ASSERT(c->bits == 32 || (c->right_shift && c->scale && c->out_shift && (c->bits == 8 || c->bits == 16)));
    KERNEL_ASSERT(c->in.pixel >= c->in_bytes && c->in.row >= c->in.pixel && c->in.image >= c->in.row);
    KERNEL_ASSERT(c->table_kind == TABLE_NONE || c->table);
    KERNEL_ASSERT(c->out_kind != OUT_F32 || c->table_kind == TABLE_16_TO_F32 || c->float_scale);
    (void)c, (void)in, (void)out, (void)rhs;
}

/* Depthwise: one kernel per channel. `weights` is int8 (taps, channels). One task: a row of output pixels. */
static void depthwise_task(void *context, int worker, int64_t line) {
    const ConvJob *job = context;
    const ConvParams *c = job->c;
    const int channels = c->out_c, n = (int)(line / c->out_h), y = (int)(line % c->out_h);
    int32_t *acc = (int32_t *)(job->scratch + worker * job->worker_bytes);
    for (int x = 0; x < c->out_w; x++) {
        memset(acc, 0, job->worker_bytes);
        for (int i = 0; i < c->kernel_h; i++) {
            const int row = y * c->stride_h - c->pad_top + i * c->dilation_h;
            if (row < 0 || row >= c->in_h) continue;
            for (int j = 0; j < c->kernel_w; j++) {
                const int col = x * c->stride_w - c->pad_left + j * c->dilation_w;
                if (col < 0 || col >= c->in_w) continue;
                const uint8_t *px = job->in + n * c->in.image + row * c->in.row + col * c->in.pixel;
                const int8_t *w = (const int8_t *)c->weights + (int64_t)(i * c->kernel_w + j) * channels;
                if (c->int16_input)
                    for (int k = 0; k < channels; k++) acc[k] += ((const int16_t *)px)[k] * w[k];
                else
                    for (int k = 0; k < channels; k++) acc[k] += ((int32_t)px[k] - 128) * w[k];
            }
        }
        uint8_t *to = job->out + n * c->out.image + y * c->out.row + x * c->out.pixel;
        const uint8_t *rhs = c->rhs_kind ? job->rhs + n * c->rhs.image + y * c->rhs.row + x * c->rhs.pixel : NULL;
        for (int lane = 0; lane < channels; lane += LANES) epilogue(c, lane, 1, acc + lane, 0, &to, &rhs);
    }
}

#endif
