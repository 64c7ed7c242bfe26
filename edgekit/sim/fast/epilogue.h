/* From the accumulator to the output: edgekit/sim/ops/epilogue.py, then a table or the scale of a float. */
#ifndef EDGEKIT_EPILOGUE_H
#define EDGEKIT_EPILOGUE_H

#include "bpu.h"

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

INLINE void add_sum_in(const ConvParams *c, int lane, int count, int32_t *acc, const uint8_t *rhs) {
    for (int i = 0; i < count; i++) {
        int64_t value = c->rhs_kind == RHS_U8    ? (int64_t)rhs[lane + i] - 128
                        : c->rhs_kind == RHS_S16 ? ((const int16_t *)rhs)[lane + i]
                                                 : ((const int32_t *)rhs)[lane + i];
        int64_t product = value * c->rhs_scale[lane + i];
        int32_t shift = c->rhs_shift[lane + i];
        product = shift >= 0 ? (int64_t)((uint64_t)product << shift) : product >> -shift;
        acc[i] = (int32_t)((uint32_t)acc[i] + (uint32_t)product);
    }
}

INLINE void epilogue_scalar(const ConvParams *c, int lane, int count, int32_t *restrict acc, uint8_t *out,
                            const uint8_t *rhs) {
    int32_t y[LANES];
    for (int i = 0; i < LANES; i++) acc[i] = (int32_t)((uint32_t)acc[i] + (uint32_t)c->bias[lane + i]);
    if (c->rhs_kind != RHS_NONE) add_sum_in(c, lane, count, acc, rhs);
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
            for (int i = 0; i < LANES; i++) floats[i] = (float)y[i] * c->float_scale[lane + i];
        memcpy(out + 4 * lane, floats, 4 * count);
    }
}

/* A block of channels of several pixels: `acc` holds LANES sums per pixel, `step` apart, without bias.
 * The common cases (8-bit results with or without a table, accumulators as integers or floats) keep the block's
 * parameters in registers; epilogue_scalar says what they compute. */
static __attribute__((noinline)) void epilogue(const ConvParams *c, int lane, int pixels, int32_t *acc, int step,
                                               uint8_t *const *out, const uint8_t *const *rhs) {
    const int count = c->out_c - lane < LANES ? c->out_c - lane : LANES;
#if defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512VBMI__)
    const int bytes = c->out_kind == OUT_U8 && c->bits == 8, words = c->bits == 32;
    if ((bytes || words) && c->rhs_kind == RHS_NONE) {
        const __mmask16 valid = (__mmask16)((1u << count) - 1);
        const __m512i bias = _mm512_loadu_si512(c->bias + lane), zero = _mm512_setzero_si512();
        if (words) {
            const int floats = c->out_kind == OUT_F32;
            const __m512 float_scale = floats ? _mm512_loadu_ps(c->float_scale + lane) : _mm512_setzero_ps();
            for (int p = 0; p < pixels; p++, acc += step) {
                __m512i y = _mm512_add_epi32(_mm512_loadu_si512(acc), bias);
                if (c->relu) y = _mm512_max_epi32(y, zero);
                if (floats)
                    _mm512_mask_storeu_ps(out[p] + 4 * lane, valid, _mm512_mul_ps(_mm512_cvtepi32_ps(y), float_scale));
                else
                    _mm512_mask_storeu_epi32(out[p] + 4 * lane, valid, y);
            }
            return;
        }
        const __m512i right = _mm512_loadu_si512(c->right_shift + lane), scale = _mm512_loadu_si512(c->scale + lane);
        const __m512i down = _mm512_loadu_si512(c->out_shift + lane);
        const __m512i low = _mm512_set1_epi32(c->relu ? 0 : -32768), high = _mm512_set1_epi32(32767);
        const int looked_up = c->table_kind == TABLE_8_TO_8;
        const uint8_t *table = looked_up ? c->table : NULL;
        const __m512i t0 = looked_up ? _mm512_loadu_si512(table) : zero;
        const __m512i t1 = looked_up ? _mm512_loadu_si512(table + 64) : zero;
        const __m512i t2 = looked_up ? _mm512_loadu_si512(table + 128) : zero;
        const __m512i t3 = looked_up ? _mm512_loadu_si512(table + 192) : zero;
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
    for (int p = 0; p < pixels; p++, acc += step) epilogue_scalar(c, lane, count, acc, out[p], rhs[p]);
}

#endif
