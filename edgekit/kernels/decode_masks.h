/* Masks: logits of prototypes in each object's own window, and full-size pixels interpolated between them. */

#if defined(__AVX2__) && defined(__FMA__)
#define LANES 8
#else
#define LANES 4
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

INLINE float sum_lanes(Lanes v) {
    float part[LANES], sum = 0;
    memcpy(part, &v, sizeof part);
#if LANES == 8
    for (int i = 0; i < 4; i++) part[i] += part[i + 4];
#endif
    sum = (part[0] + part[2]) + (part[1] + part[3]);
    return sum;
}

/* coefficients . prototypes of `pixels` cells behind each other, `k` numbers each. */
static void dot_pixels(const float *restrict proto, const float *restrict coefficients, int k, int64_t pixels, float *restrict out) {
    const int whole = k / LANES * LANES;
    int64_t x = 0;
    for (; x + 4 <= pixels; x += 4) { /* four cells at once: a coefficient is loaded for all of them */
        const float *p = proto + x * k;
        Lanes a = {0}, b = {0}, c = {0}, d = {0};
        for (int i = 0; i < whole; i += LANES) {
            const Lanes w = load_lanes(coefficients + i);
            a = multiply_add(w, load_lanes(p + i), a);
            b = multiply_add(w, load_lanes(p + k + i), b);
            c = multiply_add(w, load_lanes(p + 2 * (int64_t)k + i), c);
            d = multiply_add(w, load_lanes(p + 3 * (int64_t)k + i), d);
        }
        float sums[4] = {sum_lanes(a), sum_lanes(b), sum_lanes(c), sum_lanes(d)};
        for (int i = whole; i < k; i++)
            for (int j = 0; j < 4; j++) sums[j] += coefficients[i] * p[j * (int64_t)k + i];
        memcpy(out + x, sums, sizeof sums);
    }
    for (; x < pixels; x++) {
        const float *p = proto + x * k;
        Lanes a = {0};
        for (int i = 0; i < whole; i += LANES) a = multiply_add(load_lanes(coefficients + i), load_lanes(p + i), a);
        float sum = sum_lanes(a);
        for (int i = whole; i < k; i++) sum += coefficients[i] * p[i];
        out[x] = sum;
    }
}

typedef struct { int64_t object, to; } Active; /* an object whose window holds the row, and where its logits go */

/* Logits of `count` objects, one window behind the other. `coefficients` (count, k), `proto` (height, width, k) of `type`,
   `windows` (count, 4) x1, y1, x2, y2 within it. Row by row, so that a prototype is read once for all objects there. */
int edgekit_mask_logits(const void *proto, int32_t type, int32_t height, int32_t width, int32_t k, const float *coefficients,
                        const int64_t *windows, int64_t count, float *out) {
    KERNEL_ASSERT(proto && height > 0 && width > 0 && k > 0 && type >= TYPE_F32 && type <= TYPE_S32);
    int64_t *first = malloc(sizeof(int64_t) * ((size_t)height + 1)), *next = malloc(sizeof(int64_t) * (size_t)(count + 1));
    Active *active = malloc(sizeof(Active) * (size_t)(count + 1));
    float *row = type == TYPE_F32 ? NULL : malloc(sizeof(float) * (size_t)width * (size_t)k);
    const int failed = !first || !next || !active || (type != TYPE_F32 && !row);
    if (!failed) {
        const Head head = {NULL, type, k, 0, 0};
        int64_t live = 0, to = 0;
        for (int y = 0; y < height; y++) first[y] = -1;
        for (int64_t i = count - 1; i >= 0; i--) { /* lists of the objects that begin in a row */
            const int64_t *w = windows + 4 * i;
            KERNEL_ASSERT(w[0] >= 0 && w[0] < w[2] && w[2] <= width && w[1] >= 0 && w[1] < w[3] && w[3] <= height);
            next[i] = first[w[1]];
            first[w[1]] = i;
        }
        for (int64_t i = 0; i < count; i++) { /* where an object's logits begin: kept in `active` until its first row */
            active[i].to = to;
            to += (windows[4 * i + 2] - windows[4 * i]) * (windows[4 * i + 3] - windows[4 * i + 1]);
        }
        int64_t *begins = malloc(sizeof(int64_t) * (size_t)(count + 1));
        if (!begins) {
            free(first), free(next), free(active), free(row);
            return -1;
        }
        for (int64_t i = 0; i < count; i++) begins[i] = active[i].to;
        for (int64_t y = 0; y < height; y++) {
            for (int64_t i = first[y]; i >= 0; i = next[i]) active[live++] = (Active){i, begins[i]};
            if (!live) continue;
            int64_t left = width, right = 0;
            for (int64_t a = 0; a < live; a++) {
                const int64_t *w = windows + 4 * active[a].object;
                left = w[0] < left ? w[0] : left;
                right = w[2] > right ? w[2] : right;
            }
            const float *values = (const float *)proto + (y * width + left) * k;
            if (type != TYPE_F32) {
                const void *data = (const char *)proto + (y * width + left) * k * type_bytes(type);
                read_values(&head, data, 0, (int)((right - left) * k), row);
                values = row;
            }
            int64_t kept = 0;
            for (int64_t a = 0; a < live; a++) {
                const int64_t *w = windows + 4 * active[a].object, cells = w[2] - w[0];
                dot_pixels(values + (w[0] - left) * k, coefficients + active[a].object * k, k, cells, out + active[a].to);
                active[a].to += cells;
                if (y + 1 < w[3]) active[kept++] = active[a];
            }
            live = kept;
        }
        free(begins);
    }
    free(first), free(next), free(active), free(row);
    return failed ? -1 : 0;
}

/* The two neighbours of a position in cell indices, and how far it is from the lower one: edges are repeated. */
INLINE void neighbours(double position, int count, int32_t *low, int32_t *high, float *part) {
    const double inside = position < 0 ? 0 : position > count - 1 ? count - 1 : position;
    *low = (int32_t)inside;
    *high = *low + 1 < count ? *low + 1 : count - 1;
    *part = (float)(inside - *low);
}

typedef struct {
    double scale, shift, cells, input; /* source to input pixels along this axis; prototype cells, input pixels */
    int64_t corner;                    /* first cell of the window */
    int64_t first, last;               /* pixels [first, last) of the source */
    int32_t count;                     /* cells of the window */
    int32_t unused;
} Axis;

INLINE double cell_position(const Axis *axis, int64_t pixel) {
    return (((double)pixel + 0.5) * axis->scale + axis->shift) * axis->cells / axis->input - 0.5 - (double)axis->corner;
}

/* Sets out[y][x] to whether the logit interpolated there is above 0, for the pixels of both axes; rows are `pitch` apart. */
int edgekit_fill_mask(const float *window, const Axis *x_axis, const Axis *y_axis, uint8_t *out, int64_t pitch) {
    KERNEL_ASSERT(window && out && x_axis->count > 0 && y_axis->count > 0 && x_axis->last > x_axis->first);
    const int64_t pixels = x_axis->last - x_axis->first;
    const int w = x_axis->count;
    int32_t *low = malloc(sizeof(int32_t) * (size_t)pixels), *high = malloc(sizeof(int32_t) * (size_t)pixels);
    float *part = malloc(sizeof(float) * (size_t)pixels), *line = malloc(sizeof(float) * (size_t)w);
    const int failed = !low || !high || !part || !line;
    if (!failed) {
        for (int64_t x = 0; x < pixels; x++) neighbours(cell_position(x_axis, x_axis->first + x), w, low + x, high + x, part + x);
        for (int64_t y = y_axis->first; y < y_axis->last; y++, out += pitch) {
            int32_t upper, lower;
            float down;
            neighbours(cell_position(y_axis, y), y_axis->count, &upper, &lower, &down);
            const float *a = window + (int64_t)upper * w, *b = window + (int64_t)lower * w;
            for (int i = 0; i < w; i++) line[i] = a[i] * (1 - down) + b[i] * down;
            for (int64_t x = 0; x < pixels;) { /* all pixels between two cells at once, where both are on one side */
                const float left = line[low[x]], right = line[high[x]];
                int64_t end = x + 1;
                while (end < pixels && low[end] == low[x]) end++;
                if (left > 0 && right > 0) memset(out + x, 1, (size_t)(end - x));
                else if (left <= 0 && right <= 0) memset(out + x, 0, (size_t)(end - x));
                else for (int64_t i = x; i < end; i++) out[i] = left * (1 - part[i]) + right * part[i] > 0;
                x = end;
            }
        }
    }
    free(low), free(high), free(part), free(line);
    return failed ? -1 : 0;
}
