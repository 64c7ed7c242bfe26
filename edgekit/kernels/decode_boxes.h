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

/* exp(x) for x <= 0 within 2 units in the last place (Cephes' polynomial); NaN stays NaN. */
INLINE float exp_negative(float x) {
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer in the lowest bits */
    x = x < -87.0f ? -87.0f : x;
    const float shifted = x * 1.44269504f + magic, n = shifted - magic;
    const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    uint32_t bits;
    float power;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits - 0x4b400000u + 127u) << 23;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

/* left, top, right, bottom in cells from 4 * reg_max bins, which are overwritten: edgekit.decode.anchorfree.dfl_distances */
static void dfl_distances(float *restrict bins, int reg_max, float *restrict distances) {
    if (reg_max == 1) {
        memcpy(distances, bins, 4 * sizeof(float));
        return;
    }
    for (int side = 0; side < 4; side++) {
        float *own = bins + side * reg_max, most = own[0];
        for (int i = 1; i < reg_max; i++) most = own[i] > most ? own[i] : most;
        for (int i = 0; i < reg_max; i++) own[i] -= most;
    }
    for (int i = 0; i < 4 * reg_max; i++) bins[i] = exp_negative(bins[i]);
    float total[4] = {0, 0, 0, 0}, sum[4] = {0, 0, 0, 0};
    for (int i = 0; i < reg_max; i++)
        for (int side = 0; side < 4; side++) {
            total[side] += bins[side * reg_max + i];
            sum[side] += (float)i * bins[side * reg_max + i];
        }
    for (int side = 0; side < 4; side++) distances[side] = sum[side] / total[side];
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

/* The candidates of one cell above the threshold. `row` has room for the longest row of any head. */
static int decode_cell(const Plan *plan, int grid, const void *const *data, int64_t cell, float *row, Candidates *all) {
    const Grid *g = plan->grids + grid;
    Candidate one = {.grid = grid, .cell = cell};
    float distances[4], angle = 0;
    read_values(&g->box, row_of(&g->box, data[1], cell), 0, 4 * plan->reg_max, row);
    dfl_distances(row, plan->reg_max, distances);
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
