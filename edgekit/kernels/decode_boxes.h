/* Boxes, scores and classes of cells, as edgekit/decode computes them, in float32 and in the same order. */

typedef struct {
    float box[5]; /* xyxy input pixels; rotated: center x, y, width, height, angle */
    float score;
    int32_t class_id, grid;
    int64_t cell;
} Candidate;

typedef struct {
    Candidate *items;
    int64_t count, room;
} Candidates;

static int push(Candidates *all, const Candidate *one) {
    for (int i = 0; i < 5; i++)
        if (!isfinite(one->box[i])) return 1; /* such a box is no object */
    if (all->count == all->room) {
        const int64_t room = all->room ? 2 * all->room : 512;
        Candidate *items = realloc(all->items, sizeof(Candidate) * (size_t)room);
        if (!items) return 0;
        all->items = items;
        all->room = room;
    }
    all->items[all->count++] = *one;
    return 1;
}

typedef union { float number; uint32_t bits; } FloatBits;

/* exp(x) for x <= 0 within 2 units in the last place (Cephes' polynomial), 0 below e^-88; below -1e6 it may be NaN. */
INLINE float exp_negative(float x) {
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer in the lowest bits */
    const FloatBits shifted = {x * 1.44269504f + magic};
    const float n = shifted.number - magic, r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    int32_t exponent = (int32_t)(shifted.bits - 0x4b400000u);
    exponent = exponent < -127 ? -127 : exponent;
    const FloatBits power = {.bits = (uint32_t)(exponent + 127) << 23};
    return (p * r * r + r + 1.0f) * power.number;
}

/* The largest of n numbers, at least 4 of them or one by one. */
INLINE float largest(const float *p, int n) {
    float most[4] = {p[0], p[0], p[0], p[0]};
    int i = 0;
    for (; i + 4 <= n; i += 4)
        for (int j = 0; j < 4; j++) most[j] = p[i + j] > most[j] ? p[i + j] : most[j];
    for (; i < n; i++) most[0] = p[i] > most[0] ? p[i] : most[0];
    most[0] = most[1] > most[0] ? most[1] : most[0];
    most[2] = most[3] > most[2] ? most[3] : most[2];
    return most[2] > most[0] ? most[2] : most[0];
}

/* The expectation of one side's bins as it is defined: for numbers that are too far apart for exp_negative, or NaN. */
static float expectation(const float *bins, int n) {
    const float most = largest(bins, n);
    float total = 0, sum = 0;
    for (int i = 0; i < n; i++) {
        const float weight = expf(bins[i] - most);
        total += weight;
        sum += (float)i * weight;
    }
    return sum / total;
}

/* left, top, right, bottom in cells from 4 * reg_max bins: edgekit.decode.anchorfree.dfl_distances. `weights` has room for as
   many numbers. */
static void dfl_distances(const float *restrict bins, int reg_max, float *restrict weights, float *restrict distances) {
    if (reg_max == 1) {
        memcpy(distances, bins, 4 * sizeof(float));
        return;
    }
    Lanes totals[4], sums[4];
    float total[4], sum[4];
    const int whole = reg_max / LANES * LANES;
    for (int side = 0; side < 4; side++) {
        const float *own = bins + side * reg_max, most = largest(own, reg_max);
        float *to = weights + side * reg_max;
        for (int i = 0; i < reg_max; i++) to[i] = exp_negative(own[i] - most);
        totals[side] = sums[side] = (Lanes){0};
        Lanes bin = FIRST_LANES;
        for (int i = 0; i < whole; i += LANES, bin += (float)LANES) {
            const Lanes weight = load_lanes(to + i);
            totals[side] += weight;
            sums[side] += weight * bin;
        }
    }
    sum_four(totals[0], totals[1], totals[2], totals[3], total);
    sum_four(sums[0], sums[1], sums[2], sums[3], sum);
    for (int side = 0; side < 4; side++) {
        for (int i = whole; i < reg_max; i++) {
            total[side] += weights[side * reg_max + i];
            sum[side] += (float)i * weights[side * reg_max + i];
        }
        distances[side] = sum[side] / total[side];
        if (!isfinite(distances[side])) distances[side] = expectation(bins + side * reg_max, reg_max);
    }
}

static void upright_box(const Grid *g, const float *distances, int64_t cell, float *box) {
    const float x = ((float)(cell % g->width) + 0.5f) * (float)g->stride, y = ((float)(cell / g->width) + 0.5f) * (float)g->stride;
    const float step = (float)g->stride;
    box[0] = x + distances[0] * -step;
    box[1] = y + distances[1] * -step;
    box[2] = x + distances[2] * step;
    box[3] = y + distances[3] * step;
    box[4] = 0;
}

static void rotated_box(const Plan *plan, const Grid *g, const float *distances, float raw_angle, int64_t cell, float *box) {
    const float angle = plan->raw_angle ? raw_angle : (sigmoid(raw_angle) - 0.25f) * (float)M_PI;
    const float x = (distances[2] - distances[0]) / 2, y = (distances[3] - distances[1]) / 2;
    const float cosine = cosf(angle), sine = sinf(angle);
    box[0] = ((float)(cell % g->width) + 0.5f + (x * cosine - y * sine)) * (float)g->stride;
    box[1] = ((float)(cell / g->width) + 0.5f + (x * sine + y * cosine)) * (float)g->stride;
    box[2] = (distances[0] + distances[2]) * (float)g->stride;
    box[3] = (distances[1] + distances[3]) * (float)g->stride;
    box[4] = angle;
}

/* The candidates of one cell above the threshold. `row` has room for the longest row of any head and the bins of a box. */
static int decode_cell(const Plan *plan, int grid, const void *const *data, int64_t cell, float *row, Candidates *all) {
    const Grid *g = plan->grids + grid;
    Candidate one = {.grid = grid, .cell = cell};
    float distances[4], angle = 0;
    read_values(&g->box, row_of(&g->box, data[1], cell), 0, 4 * plan->reg_max, row);
    dfl_distances(row, plan->reg_max, row + plan->row_floats, distances);
    if (plan->kind == KIND_ROTATED) {
        read_values(&g->extra, row_of(&g->extra, data[2], cell), 0, 1, &angle);
        rotated_box(plan, g, distances, angle, cell, one.box);
    } else {
        upright_box(g, distances, cell, one.box);
    }
    const int n = g->classes.channels;
    read_values(&g->classes, row_of(&g->classes, data[0], cell), 0, n, row);
    if (!plan->multi_label) {
        one.class_id = best_class(row, n);
        const float value = row[one.class_id];
        one.score = sigmoid(value == value ? value : -INFINITY);
        return push(all, &one);
    }
    for (int c = 0; c < n; c++)
        if (row[c] > plan->logit_threshold) {
            one.class_id = c;
            one.score = sigmoid(row[c]);
            if (!push(all, &one)) return 0;
        }
    return 1;
}

/* YOLOv5: center 2 sig - 1/2 + cell, size (2 sig)^2 * anchor; a score is sig(objectness) * sig(class). */
static int decode_slot(const Plan *plan, int grid, const void *data, int64_t slot, float *row, Candidates *all) {
    const Grid *g = plan->grids + grid;
    const int columns = g->classes.channels / g->anchors, anchor = (int)(slot % g->anchors), n = plan->class_count;
    const int64_t cell = slot / g->anchors;
    read_values(&g->classes, row_of(&g->classes, data, cell), anchor * columns, 5 + n, row);
    const float object = sigmoid(row[4]), step = (float)g->stride;
    const float x = (sigmoid(row[0]) * 2 - 0.5f + (float)(cell % g->width)) * step;
    const float y = (sigmoid(row[1]) * 2 - 0.5f + (float)(cell / g->width)) * step;
    const float w = sigmoid(row[2]) * 2, h = sigmoid(row[3]) * 2;
    const float half_w = w * w * g->anchors_wh[2 * anchor] / 2, half_h = h * h * g->anchors_wh[2 * anchor + 1] / 2;
    Candidate one = {.grid = grid, .cell = slot, .box = {x - half_w, y - half_h, x + half_w, y + half_h, 0}};
    const float *values = row + 5;
    if (plan->multi_label) {
        for (int c = 0; c < n; c++) {
            if (!plan->select_all && !(values[c] > plan->logit_threshold)) continue;
            one.class_id = c;
            one.score = object * sigmoid(values[c]);
            if (one.score > plan->score_threshold && !push(all, &one)) return 0;
        }
        return 1;
    }
    const float most = values[best_class(values, n)];
    one.score = -1;
    for (int c = 0; c < n; c++) { /* rounding makes equal scores of close logits: the first of them counts */
        if (!(values[c] >= most - 1e-3f || values[c] > 8)) continue;
        const float score = object * sigmoid(values[c]);
        if (score > one.score) {
            one.score = score;
            one.class_id = c;
        }
    }
    return one.score > plan->score_threshold ? push(all, &one) : 1;
}
