/* Sixteen 32-bit sums, and the product of 4 bytes of activations with a block of weights: AVX-512 VNNI. */
typedef __m512i Sums;
typedef __m512i Weights;
typedef __m512i Pixel;
INLINE Sums zero_sums(void) { return _mm512_setzero_si512(); }
INLINE Weights load_weights(const void *p, int int16_input) {
    (void)int16_input;
    return _mm512_loadu_si512(p);
}
INLINE Pixel load_pixel(const uint8_t *p, int int16_input) {
    int32_t v;
    (void)int16_input;
    memcpy(&v, p, DOT_BYTES);
    return _mm512_set1_epi32(v);
}
INLINE Sums dot(Sums s, Pixel a, Weights w, int int16_input) {
    return int16_input ? _mm512_dpwssd_epi32(s, a, w) : _mm512_dpbusd_epi32(s, a, w);
}
INLINE void store_sums(int32_t *p, Sums s) { _mm512_storeu_si512(p, s); }
/* Pixels of a tile, by how many blocks of channels it has; most blocks of a tile. */
#define TILE_1 12
#define TILE_2 12
#define TILE_3 8
#define TILE_4 6
#define MAX_BLOCKS 4
