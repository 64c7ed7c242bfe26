/* Sixteen 32-bit sums, and the product of 4 bytes of activations with a block of weights: plain C. */
typedef struct { int32_t v[LANES]; } Sums;
typedef struct { int16_t v[LANES][DOT_BYTES]; } Weights;
typedef struct { int16_t v[DOT_BYTES]; } Pixel;
INLINE int activations(int int16_input) { return int16_input ? DOT_BYTES / 2 : DOT_BYTES; }
INLINE Sums zero_sums(void) {
    Sums s;
    memset(&s, 0, sizeof s);
    return s;
}
INLINE Weights load_weights(const void *p, int int16_input) {
    Weights w;
    memset(&w, 0, sizeof w);
    for (int i = 0; i < LANES; i++)
        for (int k = 0; k < activations(int16_input); k++)
            w.v[i][k] = int16_input ? ((const int16_t *)p)[2 * i + k] : ((const int8_t *)p)[4 * i + k];
    return w;
}
INLINE Pixel load_pixel(const uint8_t *p, int int16_input) {
    Pixel a = {{0, 0, 0, 0}};
    int16_t pair[2];
    memcpy(pair, p, DOT_BYTES);
    for (int k = 0; k < activations(int16_input); k++) a.v[k] = int16_input ? pair[k] : p[k];
    return a;
}
INLINE Sums dot(Sums s, Pixel a, Weights w, int int16_input) {
    for (int i = 0; i < LANES; i++)
        for (int k = 0; k < activations(int16_input); k++)
            s.v[i] = (int32_t)((uint32_t)s.v[i] + (uint32_t)(a.v[k] * (int32_t)w.v[i][k]));
    return s;
}
INLINE void store_sums(int32_t *p, Sums s) { memcpy(p, s.v, sizeof s.v); }
#define TILE_1 4
#define MAX_BLOCKS 1
