/* A few floats at once, as wide as the instruction set has them. */

#if defined(__AVX2__) && defined(__FMA__)
#define LANES 8
#define FIRST_LANES {0, 1, 2, 3, 4, 5, 6, 7}
#else
#define LANES 4
#define FIRST_LANES {0, 1, 2, 3}
#endif
typedef float Lanes __attribute__((vector_size(4 * LANES)));

INLINE Lanes load_lanes(const float *p) {
    Lanes v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE Lanes multiply_add(Lanes a, Lanes b, Lanes sum) {
#if LANES == 8
    return (Lanes)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)sum);
#elif defined(__aarch64__)
    return (Lanes)vfmaq_f32((float32x4_t)sum, (float32x4_t)a, (float32x4_t)b);
#else
    return sum + a * b;
#endif
}

/* The sums of the lanes of four vectors. */
INLINE void sum_four(Lanes a, Lanes b, Lanes c, Lanes d, float *out) {
#if LANES == 8
    const __m256 sums = _mm256_hadd_ps(_mm256_hadd_ps((__m256)a, (__m256)b), _mm256_hadd_ps((__m256)c, (__m256)d));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1)));
#elif defined(__aarch64__)
    vst1q_f32(out, vpaddq_f32(vpaddq_f32((float32x4_t)a, (float32x4_t)b), vpaddq_f32((float32x4_t)c, (float32x4_t)d)));
#elif defined(__SSE2__)
    __m128 p = (__m128)a, q = (__m128)b, r = (__m128)c, s = (__m128)d;
    _MM_TRANSPOSE4_PS(p, q, r, s);
    _mm_storeu_ps(out, _mm_add_ps(_mm_add_ps(p, q), _mm_add_ps(r, s)));
#else
    for (int i = 0; i < 4; i++) out[i] = 0;
    for (int l = 0; l < LANES; l++) {
        out[0] += a[l];
        out[1] += b[l];
        out[2] += c[l];
        out[3] += d[l];
    }
#endif
}
