/* Integer kernels of the simulated BPU: the arithmetic of edgekit/sim/ops, many elements at a time.
 *
 * int8 tensors are kept as x + 128 in one unsigned byte, NHWC; int16 and int32 as they are. All sums wrap modulo
 * 2^32 as the definition asks, so the order of the terms does not matter and no range has to be proven.
 * One translation unit: bpu.h has the parameters, threadpool.h the threads, dot_*.h the dot product of each instruction
 * set, epilogue.h the way from accumulators to outputs, conv.h and elementwise.h the tasks; here are the entries.
 * Built into wheels, or at first use (edgekit/kernels/); it needs a C library and its threads.
 * The language is GNU C11 with -fwrapv (signed sums wrap) and -fno-strict-aliasing (tensors are read as bytes and as
 * shorts): without these flags it is not this program. Every call's buffers were checked by edgekit/sim/fast/bounds.py;
 * -DEDGEKIT_CHECK checks the parameters again here.
 */
#include "bpu.h"

#include "conv.h"
#include "elementwise.h"

/* Entries return 0, or -1 where no memory is left. `rhs` is the second operand, or the sum-in; NULL if there is none.
 * All memory of a call is one block: padding, the taps' offsets, and the scratch of every worker. */

static size_t aligned_size(size_t bytes) { return (bytes + 63) / 64 * 64; }

int edgekit_conv(const ConvParams *c, const uint8_t *in, uint8_t *out, const uint8_t *rhs) {
    check_conv(c, in, out, rhs);
    const int tap_count = c->kernel_h * c->kernel_w, aligned = c->in_bytes % DOT_BYTES == 0;
    const int steps = aligned ? c->in_bytes / DOT_BYTES : (tap_count * c->in_bytes + DOT_BYTES - 1) / DOT_BYTES;
    const int64_t total = (int64_t)c->batch * c->out_h * c->out_w;
    const size_t padding_bytes = aligned_size((size_t)c->in_bytes + DOT_BYTES);
    const size_t offset_bytes = aligned_size(sizeof(int64_t) * tap_count);
    const size_t column_bytes = aligned ? 0 : (size_t)CHUNK_PIXELS * steps * DOT_BYTES;
    const size_t worker_bytes = aligned_size(sizeof(Taps) * tap_count + column_bytes);
    const size_t shared_bytes = padding_bytes + offset_bytes;
    uint8_t *memory = malloc(shared_bytes + worker_count(c->threads) * worker_bytes);
    if (!memory) return -1;
    int64_t *offsets = (int64_t *)(memory + padding_bytes);
    memset(memory, c->int16_input ? 0 : 128, padding_bytes);
    for (int t = 0; t < tap_count; t++)
        offsets[t] = t / c->kernel_w * c->dilation_h * c->in.row + t % c->kernel_w * c->dilation_w * c->in.pixel;
    if (!aligned) memset(memory + shared_bytes, 0, worker_count(c->threads) * worker_bytes);
    ConvJob job = {c, in, rhs, memory, out, offsets, total, steps, aligned, memory + shared_bytes, worker_bytes};
    parallel_for(c->threads, (total + CHUNK_PIXELS - 1) / CHUNK_PIXELS, conv_task, &job);
    free(memory);
    return 0;
}

int edgekit_depthwise(const ConvParams *c, const uint8_t *in, uint8_t *out, const uint8_t *rhs) {
    check_conv(c, in, out, rhs);
    const size_t lanes = (size_t)(c->out_c + LANES - 1) / LANES * LANES, worker_bytes = lanes * sizeof(int32_t);
    uint8_t *memory = malloc(worker_count(c->threads) * worker_bytes);
    if (!memory) return -1;
    ConvJob job = {c, in, rhs, NULL, out, NULL, 0, 0, 1, memory, worker_bytes};
    parallel_for(c->threads, (int64_t)c->batch * c->out_h, depthwise_task, &job);
    free(memory);
    return 0;
}

#define MAP_KERNEL(NAME)                                                                              \
    int edgekit_##NAME(const MapParams *m, const uint8_t *in, uint8_t *out, const uint8_t *rhs) {     \
        check_map(m, in, out);                                                                        \
        MapJob job = {m, in, rhs, out};                                                               \
        parallel_for(m->threads, (int64_t)m->batch * m->height, NAME##_task, &job);                   \
        return 0;                                                                                     \
    }
MAP_KERNEL(lut)
MAP_KERNEL(lut2)
MAP_KERNEL(eltwise)
MAP_KERNEL(copy)
MAP_KERNEL(max_pool)

int edgekit_abi(void) { return (int)(sizeof(ConvParams) * 1000 + sizeof(MapParams)); }
