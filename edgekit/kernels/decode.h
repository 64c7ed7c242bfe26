/* What decoding reads and writes: the structs of edgekit/kernels/decode_structs.py, and rows of head tensors as floats. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define INLINE static inline __attribute__((always_inline))

#if defined(EDGEKIT_CHECK)
#include <stdio.h>
#define KERNEL_ASSERT(CONDITION)                                                        \
    do {                                                                                \
        if (!(CONDITION)) {                                                             \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #CONDITION); \
            abort();                                                                    \
        }                                                                               \
    } while (0)
#else
#define KERNEL_ASSERT(CONDITION) ((void)0)
#endif

enum { TYPE_F32, TYPE_S8, TYPE_S16, TYPE_S32 };
enum { KIND_UPRIGHT, KIND_ANCHORED, KIND_ROTATED };

typedef struct {
    const float *scale; /* value = number * scale; NULL: the numbers are the values */
    int32_t type, channels, scales; /* one scale for all, or one per channel */
    int32_t unused;
} Head;

typedef struct {
    Head classes, box, extra;   /* anchored: `classes` holds every column of the anchors, the others are empty */
    const int64_t *limits;      /* integers above limits[channel] (anchored: [anchor]) pass; NULL for floats */
    const void *block_limits;   /* the same in the head's type, for the numbers of a block in a row; NULL: none fit */
    const float *anchors_wh;    /* (anchors, 2) input pixels */
    int32_t stride, height, width, anchors;
    int32_t block_cells;        /* that are tested at once */
    int32_t unused;
} Grid;

typedef struct {
    const Grid *grids;
    const float *extra_factor;  /* one or extra_channels numbers that extra rows are multiplied by; NULL: none */
    int32_t grid_count, kind, class_count, reg_max;
    int32_t extra_channels, extra_factors;
    int32_t select_all, multi_label, end_to_end, raw_angle;
    int32_t points, point_values; /* key points per object and numbers each; 0: extra rows are not key points */
    int32_t proto_height, proto_width; /* 0: no masks */
    int32_t row_floats;         /* the longest row of any head */
    float score_threshold, logit_threshold, iou_threshold, keypoint_gain, keypoint_shift;
} Plan;

typedef struct { double scale_x, scale_y, left, top, source_width, source_height, input_width, input_height; } Frame;

typedef struct {
    float *boxes, *image_boxes; /* (capacity, 4) input and source pixels; rotated: boxes (capacity, 5), the other unused */
    float *scores, *extra;
    int32_t *class_ids, *strides;
    int64_t *cells, *windows;   /* windows (capacity, 4): prototype cells x1, y1, x2, y2 */
    int64_t capacity;
    int64_t window_cells;       /* written: of all windows together */
} Objects;

INLINE int type_bytes(int type) { return type == TYPE_S8 ? 1 : type == TYPE_S16 ? 2 : 4; }

/* `count` numbers of a head's row from `first` on as values; `data` points to the row. */
INLINE void read_values(const Head *h, const void *data, int first, int count, float *restrict out) {
    const float *scale = h->scale;
    if (h->type == TYPE_F32) memcpy(out, (const float *)data + first, sizeof(float) * (size_t)count);
    else if (h->type == TYPE_S8) for (int i = 0; i < count; i++) out[i] = (float)((const int8_t *)data)[first + i];
    else if (h->type == TYPE_S16) for (int i = 0; i < count; i++) out[i] = (float)((const int16_t *)data)[first + i];
    else for (int i = 0; i < count; i++) out[i] = (float)((const int32_t *)data)[first + i];
    if (scale && h->scales == 1) for (int i = 0; i < count; i++) out[i] *= scale[0];
    else if (scale) for (int i = 0; i < count; i++) out[i] *= scale[first + i];
}

INLINE const void *row_of(const Head *h, const void *data, int64_t cell) {
    return (const char *)data + cell * h->channels * type_bytes(h->type);
}

#define CACHE_LINE 64

/* Has a row of a head fetched from memory while something else is computed. */
INLINE void prefetch_row(const Head *h, const void *data, int64_t cell) {
    const char *row = row_of(h, data, cell);
    for (int i = 0; i < h->channels * type_bytes(h->type); i += CACHE_LINE) __builtin_prefetch(row + i);
}

INLINE float sigmoid(float x) { return 0.5f * tanhf(0.5f * x) + 0.5f; }
