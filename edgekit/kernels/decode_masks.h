/* Masks: logits of prototypes in each object's own window, and full-size pixels interpolated between them. */

static void dot_few_pixels(const float *restrict proto, const float *restrict coefficients, int k, int64_t pixels, float *restrict out) {
    for (int64_t x = 0; x < pixels; x++) {
        float sum = 0;
        for (int i = 0; i < k; i++) sum += coefficients[i] * proto[x * k + i];
        out[x] = sum;
    }
}

/* coefficients . prototypes of `pixels` cells behind each other, `k` numbers each. */
static void dot_pixels(const float *restrict proto, const float *restrict coefficients, int k, int64_t pixels, float *restrict out) {
    const int whole = k / LANES * LANES;
    if (pixels < 4) {
        dot_few_pixels(proto, coefficients, k, pixels, out);
        return;
    }
    for (int64_t x = 0; x < pixels; x += 4) { /* four cells at once: a coefficient is loaded for all of them */
        x = x + 4 > pixels ? pixels - 4 : x;   /* the last four, some of them again */
        const float *p = proto + x * k;
        Lanes a = {0}, b = {0}, c = {0}, d = {0};
        for (int i = 0; i < whole; i += LANES) {
            const Lanes w = load_lanes(coefficients + i);
            a = multiply_add(w, load_lanes(p + i), a);
            b = multiply_add(w, load_lanes(p + k + i), b);
            c = multiply_add(w, load_lanes(p + 2 * (int64_t)k + i), c);
            d = multiply_add(w, load_lanes(p + 3 * (int64_t)k + i), d);
        }
        sum_four(a, b, c, d, out + x);
        for (int i = whole; i < k; i++)
            for (int j = 0; j < 4; j++) out[x + j] += coefficients[i] * p[j * (int64_t)k + i];
    }
}

INLINE void prefetch_bytes(const char *data, int64_t bytes) {
    for (int64_t i = 0; i < bytes; i += CACHE_LINE) __builtin_prefetch(data + i, 0, 2);
}

typedef struct { int64_t object, to; } Active; /* an object whose window holds the row, and where its logits go */

typedef struct {
    int64_t *first; /* of each row: the first object whose window begins there, or -1 */
    int64_t *next;  /* of each object: the next one that begins in the same row */
    int64_t *begin; /* of each object: where its logits begin */
    Active *active;
    float *row;     /* a row of prototypes as floats, where they are integers */
} MaskRoom;

static void free_mask_room(MaskRoom *room) {
    free(room->first);
    free(room->next);
    free(room->begin);
    free(room->active);
    free(room->row);
}

static int make_mask_room(MaskRoom *room, int32_t type, int32_t height, int64_t row_numbers, int64_t count) {
    room->first = malloc(sizeof(int64_t) * (size_t)height);
    room->next = malloc(sizeof(int64_t) * (size_t)(count + 1));
    room->begin = malloc(sizeof(int64_t) * (size_t)(count + 1));
    room->active = malloc(sizeof(Active) * (size_t)(count + 1));
    room->row = type == TYPE_F32 ? NULL : malloc(sizeof(float) * (size_t)row_numbers);
    return room->first && room->next && room->begin && room->active && (type == TYPE_F32 || room->row);
}

static void list_by_first_row(MaskRoom *room, const int64_t *windows, int64_t count, int32_t height) {
    int64_t to = 0;
    for (int y = 0; y < height; y++) room->first[y] = -1;
    for (int64_t i = 0; i < count; i++) {
        const int64_t *w = windows + 4 * i;
        room->begin[i] = to;
        to += (w[2] - w[0]) * (w[3] - w[1]);
        room->next[i] = room->first[w[1]];
        room->first[w[1]] = i;
    }
}

/* Logits of `count` objects, one window behind the other. `coefficients` (count, k), `proto` (height, width, k) of `type`,
   `windows` (count, 4) x1, y1, x2, y2 within it. Row by row, so that a prototype is read once for all objects there. */
int edgekit_mask_logits(const void *proto, int32_t type, int32_t height, int32_t width, int32_t k, const float *coefficients,
                        const int64_t *windows, int64_t count, float *out) {
    KERNEL_ASSERT(proto && height > 0 && width > 0 && k > 0 && type >= TYPE_F32 && type <= TYPE_S32);
    const Head head = {NULL, type, k, 0, 0};
    MaskRoom room = {0};
    if (!make_mask_room(&room, type, height, (int64_t)width * k, count)) {
        free_mask_room(&room);
        return -1;
    }
    list_by_first_row(&room, windows, count, height);
    const int64_t pixel = (int64_t)k * type_bytes(type);
    int64_t live = 0;
    for (int64_t y = 0; y < height; y++) {
        for (int64_t i = room.first[y]; i >= 0; i = room.next[i]) room.active[live++] = (Active){i, room.begin[i]};
        int64_t left = width, right = 0, kept = 0;
        for (int64_t a = 0; a < live; a++) {
            const int64_t *w = windows + 4 * room.active[a].object;
            KERNEL_ASSERT(w[0] >= 0 && w[0] < w[2] && w[2] <= width && w[1] >= 0 && w[1] <= y && y < w[3] && w[3] <= height);
            left = w[0] < left ? w[0] : left;
            right = w[2] > right ? w[2] : right;
        }
        if (!live) continue;
        const void *data = (const char *)proto + (y * width + left) * pixel;
        const float *values = type == TYPE_F32 ? data : room.row;
        if (type != TYPE_F32) read_values(&head, data, 0, (int)((right - left) * k), room.row);
        for (int64_t a = 0; a < live; a++) {
            Active one = room.active[a];
            const int64_t *w = windows + 4 * one.object, cells = w[2] - w[0];
            if (y + 1 < w[3]) prefetch_bytes((const char *)proto + ((y + 1) * width + w[0]) * pixel, cells * pixel);
            dot_pixels(values + (w[0] - left) * k, coefficients + one.object * k, k, cells, out + one.to);
            one.to += cells;
            if (y + 1 < w[3]) room.active[kept++] = one;
        }
        live = kept;
    }
    free_mask_room(&room);
    return 0;
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

/* One row of pixels between two rows of cells: all pixels between two cells at once where both are on one side of 0. */
static void fill_row(const float *line, const int32_t *low, const int32_t *high, const float *part, int64_t pixels, uint8_t *out) {
    for (int64_t x = 0; x < pixels;) {
        const float left = line[low[x]], right = line[high[x]];
        int64_t end = x + 1;
        while (end < pixels && low[end] == low[x]) end++;
        if (left > 0 && right > 0) memset(out + x, 1, (size_t)(end - x));
        else if (left <= 0 && right <= 0) memset(out + x, 0, (size_t)(end - x));
        else for (int64_t i = x; i < end; i++) out[i] = left * (1 - part[i]) + right * part[i] > 0;
        x = end;
    }
}

/* Sets out[y][x] to whether the logit interpolated there is above 0, for the pixels of both axes; rows are `pitch` apart. */
int edgekit_fill_mask(const float *window, const Axis *x_axis, const Axis *y_axis, uint8_t *out, int64_t pitch) {
    KERNEL_ASSERT(window && out && x_axis->count > 0 && y_axis->count > 0 && x_axis->last > x_axis->first);
    const int64_t pixels = x_axis->last - x_axis->first;
    const int w = x_axis->count;
    int32_t *low = malloc(sizeof(int32_t) * (size_t)pixels), *high = malloc(sizeof(int32_t) * (size_t)pixels);
    float *part = malloc(sizeof(float) * (size_t)pixels), *line = malloc(sizeof(float) * (size_t)w);
    const int failed = !low || !high || !part || !line;
    for (int64_t x = 0; !failed && x < pixels; x++)
        neighbours(cell_position(x_axis, x_axis->first + x), w, low + x, high + x, part + x);
    for (int64_t y = y_axis->first; !failed && y < y_axis->last; y++, out += pitch) {
        int32_t upper, lower;
        float down;
        neighbours(cell_position(y_axis, y), y_axis->count, &upper, &lower, &down);
        const float *a = window + (int64_t)upper * w, *b = window + (int64_t)lower * w;
        for (int i = 0; i < w; i++) line[i] = a[i] * (1 - down) + b[i] * down;
        fill_row(line, low, high, part, pixels, out);
    }
    free(low);
    free(high);
    free(part);
    free(line);
    return failed ? -1 : 0;
}
