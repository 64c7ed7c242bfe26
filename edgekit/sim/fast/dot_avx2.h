/* Sixteen 32-bit sums, and the product of 4 bytes of activations with a block of weights: AVX2.
 * It has no 8-bit dot product that cannot saturate, so even and odd bytes are widened to 16 bits. */
typedef struct { __m256i half[2]; } Sums;
typedef struct { __m256i even[2], odd[2]; } Weights;
typedef struct { __m256i even, odd; } Pixel;
INLINE Sums zero_sums(void) {
    Sums s = {{_mm256_setzero_si256(), _mm256_setzero_si256()}};
    return s;
}
INLINE Weights load_weights(const void *p, int int16_input) {
    Weights w;
    for (int h = 0; h < 2; h++) {
        __m256i v = _mm256_loadu_si256((const __m256i *)p + h);
        w.even[h] = int16_input ? v : _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8);
        w.odd[h] = int16_input ? v : _mm256_srai_epi16(v, 8);
    }
    return w;
}
INLINE Pixel load_pixel(const uint8_t *p, int int16_input) {
    int32_t v;
    memcpy(&v, p, DOT_BYTES);
    __m256i a = _mm256_set1_epi32(v);
    Pixel out = {int16_input ? a : _mm256_and_si256(a, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(a, 8)};
    return out;
}
INLINE Sums dot(Sums s, Pixel a, Weights w, int int16_input) {
    for (int h = 0; h < 2; h++) {
        s.half[h] = _mm256_add_epi32(s.half[h], _mm256_madd_epi16(a.even, w.even[h]));
        if (!int16_input) s.half[h] = _mm256_add_epi32(s.half[h], _mm256_madd_epi16(a.odd, w.odd[h]));
    }
    return s;
}
INLINE void store_sums(int32_t *p, Sums s) {
    for (int h = 0; h < 2; h++) _mm256_storeu_si256((__m256i *)p + h, s.half[h]);
}
#define TILE_1 4
#define MAX_BLOCKS 1
