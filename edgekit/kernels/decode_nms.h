/* Class-aware non-maximum suppression: greedy, best first, as edgekit/ops/nms.py and edgekit/ops/rotated.py. */

#define MAX_CANDIDATES 30000 /* what Ultralytics lets into its NMS */

/* Sorts ascending; `spare` has room for n keys, too. Returns the array that holds the result. */
static uint64_t *merge_sort(uint64_t *keys, uint64_t *spare, int64_t n) {
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t start = 0; start < n; start += 2 * width) {
            const int64_t middle = start + width < n ? start + width : n, end = middle + width < n ? middle + width : n;
            int64_t a = start, b = middle, to = start;
            while (a < middle && b < end) spare[to++] = keys[a] <= keys[b] ? keys[a++] : keys[b++];
            while (a < middle) spare[to++] = keys[a++];
            while (b < end) spare[to++] = keys[b++];
        }
        uint64_t *sorted = spare;
        spare = keys;
        keys = sorted;
    }
    return keys;
}

/* Indices of the candidates in the lower half, best score first, equal scores in their order. Scores are >= 0. */
static uint64_t *sort_by_score(const Candidates *all, uint64_t *keys, uint64_t *spare) {
    for (int64_t i = 0; i < all->count; i++) {
        uint32_t bits;
        memcpy(&bits, &all->items[i].score, sizeof bits);
        keys[i] = (uint64_t)(UINT32_MAX - bits) << 32 | (uint32_t)i;
    }
    return merge_sort(keys, spare, all->count);
}

INLINE float positive(float side) { return side < 0 ? 0 : side; } /* NaN stays */

static float upright_area(const float *box) { return positive(box[2] - box[0]) * positive(box[3] - box[1]); }

static int upright_overlap(const float *a, const float *b, float area_a, float area_b, float threshold) {
    const float tiny = 1.17549435e-38f; /* two empty boxes overlap by 0 */
    const float width = (a[2] < b[2] ? a[2] : b[2]) - (a[0] > b[0] ? a[0] : b[0]);
    const float height = (a[3] < b[3] ? a[3] : b[3]) - (a[1] > b[1] ? a[1] : b[1]);
    if (width <= 0 || height <= 0) return 0;
    const float inter = width * height;
    return inter / ((area_a + (area_b + tiny)) - inter) > threshold;
}

typedef struct { double x, y, xx, yy, xy, own; } Gaussian;

static Gaussian gaussian_of(const float *box) {
    const double along = (double)box[2] * box[2] / 12, across = (double)box[3] * box[3] / 12;
    const double cosine = cos((double)box[4]), sine = sin((double)box[4]);
    Gaussian g = {box[0], box[1], along * cosine * cosine + across * sine * sine,
                  along * sine * sine + across * cosine * cosine, (along - across) * cosine * sine, 0};
    g.own = g.xx * g.yy - g.xy * g.xy;
    g.own = g.own < 0 ? 0 : g.own;
    return g;
}

/* ProbIoU (arXiv 2106.06072) above the threshold. */
static int rotated_overlap(const Gaussian *a, const Gaussian *b, float threshold) {
    const double epsilon = 1e-7;
    const double xx = a->xx + b->xx, yy = a->yy + b->yy, xy = a->xy + b->xy, dx = a->x - b->x, dy = a->y - b->y;
    const double determinant = xx * yy - xy * xy;
    const double between = ((xx * dy * dy + yy * dx * dx) / 4 - xy * dx * dy / 2) / (determinant + epsilon);
    const double shapes = log(determinant / (4 * sqrt(a->own * b->own) + epsilon) + epsilon) / 2;
    double distance = between + shapes;
    distance = distance < epsilon ? epsilon : distance > 100 ? 100 : distance;
    return (float)(1 - sqrt(1 - exp(-distance) + epsilon)) > threshold;
}

typedef struct {
    uint64_t *keys, *spare;
    int32_t *last;     /* of each class the object kept last, or -1 */
    int32_t *previous; /* of each kept object the one before it of its class */
    float *areas;
    Gaussian *shapes;  /* rotated boxes only */
} NmsRoom;

static void free_room(NmsRoom *room) {
    free(room->keys);
    free(room->spare);
    free(room->last);
    free(room->previous);
    free(room->areas);
    free(room->shapes);
}

static int make_room(NmsRoom *room, const Plan *plan, int64_t count, int64_t capacity) {
    memset(room, 0, sizeof *room);
    room->keys = malloc(sizeof(uint64_t) * (size_t)(count + 1));
    room->spare = malloc(sizeof(uint64_t) * (size_t)(count + 1));
    room->last = malloc(sizeof(int32_t) * (size_t)(plan->class_count + 1));
    room->previous = malloc(sizeof(int32_t) * (size_t)(capacity + 1));
    room->areas = malloc(sizeof(float) * (size_t)(capacity + 1));
    room->shapes = plan->kind == KIND_ROTATED ? malloc(sizeof(Gaussian) * (size_t)(capacity + 1)) : NULL;
    return room->keys && room->spare && room->last && room->previous && room->areas &&
           (room->shapes || plan->kind != KIND_ROTATED);
}

/* Writes the indices of at most `capacity` kept candidates, best first, to `kept`; returns how many, -1 without memory. */
static int64_t suppress(const Plan *plan, const Candidates *all, int64_t capacity, int64_t *kept) {
    NmsRoom room;
    int64_t count = 0;
    if (!make_room(&room, plan, all->count, capacity)) {
        free_room(&room);
        return -1;
    }
    const uint64_t *order = sort_by_score(all, room.keys, room.spare);
    const int rotated = plan->kind == KIND_ROTATED;
    int64_t entries = all->count;
    if (!plan->end_to_end && !rotated && entries > MAX_CANDIDATES) entries = MAX_CANDIDATES;
    for (int c = 0; c < plan->class_count; c++) room.last[c] = -1;
    for (int64_t i = 0; i < entries && count < capacity; i++) {
        const int64_t index = (int64_t)(order[i] & UINT32_MAX);
        const Candidate *one = all->items + index;
        int overlaps = 0;
        if (!plan->end_to_end) {
            const float area = rotated ? 0 : upright_area(one->box);
            Gaussian shape = {0};
            if (rotated) shape = gaussian_of(one->box);
            for (int32_t k = room.last[one->class_id]; k >= 0 && !overlaps; k = room.previous[k])
                overlaps = rotated ? rotated_overlap(room.shapes + k, &shape, plan->iou_threshold)
                                   : upright_overlap(all->items[kept[k]].box, one->box, room.areas[k], area, plan->iou_threshold);
            room.areas[count] = area;
            if (rotated) room.shapes[count] = shape;
        }
        if (overlaps) continue;
        room.previous[count] = room.last[one->class_id];
        room.last[one->class_id] = (int32_t)count;
        kept[count++] = index;
    }
    free_room(&room);
    return count;
}
