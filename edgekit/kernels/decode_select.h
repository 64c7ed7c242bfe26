/* Which cells can become objects: every number of the class tensors is compared with its threshold once. */

/* Whether one of `n` numbers is above its limit: no NaN is. */
#define ANY_ABOVE(NAME, TYPE, ANY)                                                              \
    static int any_above_##NAME(const TYPE *restrict p, const TYPE *restrict limits, int64_t n) { \
        ANY any = 0;                                                                            \
        for (int64_t i = 0; i < n; i++) any |= (ANY)(p[i] > limits[i]);                         \
        return any != 0;                                                                        \
    }
ANY_ABOVE(s8, int8_t, int8_t)
ANY_ABOVE(s16, int16_t, int16_t)
ANY_ABOVE(s32, int32_t, int32_t)

static int any_above_f32(const float *restrict p, float limit, int64_t n) {
    int32_t any = 0;
    for (int64_t i = 0; i < n; i++) any |= p[i] > limit;
    return any != 0;
}

static int64_t integer_at(const Head *h, const void *data, int64_t index) {
    if (h->type == TYPE_S8) return ((const int8_t *)data)[index];
    if (h->type == TYPE_S16) return ((const int16_t *)data)[index];
    return ((const int32_t *)data)[index];
}

/* Whether `cells` cells from `first` on hold a number above its limit; at most a block of them. */
static int any_passes(const Grid *g, const void *data, int64_t first, int64_t cells, float logit_threshold) {
    const int64_t n = cells * g->classes.channels;
    const void *p = row_of(&g->classes, data, first);
    if (g->classes.type == TYPE_F32) return any_above_f32(p, logit_threshold, n);
    if (g->block_limits) {
        if (g->classes.type == TYPE_S8) return any_above_s8(p, g->block_limits, n);
        if (g->classes.type == TYPE_S16) return any_above_s16(p, g->block_limits, n);
        return any_above_s32(p, g->block_limits, n);
    }
    int any = 0;
    for (int64_t i = 0; i < n; i++) any |= integer_at(&g->classes, p, i) > g->limits[i % g->classes.channels];
    return any;
}

/* Whether a slot's objectness is above its limit: (cell, anchor) number `slot`, its columns from `index` on. */
INLINE int slot_passes(const Grid *g, const void *data, int64_t index, int anchor, float logit_threshold) {
    if (g->classes.type == TYPE_F32) return ((const float *)data)[index] > logit_threshold;
    return integer_at(&g->classes, data, index) > g->limits[anchor];
}

/* The index of the largest of n values, the first of equal ones; a NaN is never it. */
static int best_class(const float *values, int n) {
    int best = 0;
    float most = values[0] == values[0] ? values[0] : -INFINITY;
    for (int c = 1; c < n; c++)
        if (values[c] > most) {
            most = values[c];
            best = c;
        }
    return best;
}
