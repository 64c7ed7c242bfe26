/* One frame's heads to objects: cells above the threshold, boxes, scores, suppression, the rows of survivors, windows.
 *
 * The arithmetic of edgekit/decode, which stays the reference; tests/kernels holds both against each other. The language is
 * GNU C11; -fwrapv, -fno-strict-aliasing and -ffp-contract=off (edgekit/kernels/levels.py) belong to the program: boxes and
 * overlaps are rounded as numpy rounds them. Sizes and pointers were checked by edgekit/kernels/decoding.py before a call;
 * -DEDGEKIT_CHECK checks them again here.
 */
#include "decode.h"

#include "decode_lanes.h"

#include "decode_select.h"

#include "decode_boxes.h"

#include "decode_nms.h"

#include "decode_masks.h"

static void check_plan(const Plan *plan, const void *const *heads, const Objects *out) {
    KERNEL_ASSERT(plan && heads && out && plan->grids && plan->grid_count > 0 && plan->class_count > 0 && plan->reg_max > 0);
    KERNEL_ASSERT(out->capacity >= 0 && out->scores && out->class_ids && out->boxes && plan->row_floats >= 4 * plan->reg_max);
    for (int i = 0; i < plan->grid_count; i++) {
        const Grid *g = plan->grids + i;
        KERNEL_ASSERT(heads[3 * i] && g->stride > 0 && g->height > 0 && g->width > 0 && g->block_cells > 0);
        KERNEL_ASSERT(g->classes.channels <= plan->row_floats && g->box.channels <= plan->row_floats);
        if (plan->kind == KIND_ANCHORED) {
            KERNEL_ASSERT(g->anchors > 0 && g->anchors_wh && g->classes.channels % g->anchors == 0);
            KERNEL_ASSERT(g->classes.channels / g->anchors == 5 + plan->class_count + plan->extra_channels);
        } else {
            KERNEL_ASSERT(heads[3 * i + 1] && g->classes.channels == plan->class_count && g->box.channels == 4 * plan->reg_max);
            KERNEL_ASSERT(!plan->extra_channels || (heads[3 * i + 2] && g->extra.channels == plan->extra_channels));
        }
        KERNEL_ASSERT(g->classes.type == TYPE_F32 || g->limits);
        (void)g;
    }
    (void)plan, (void)heads, (void)out;
}

/* Cells that pass, in their order; `selected` has room for all. Their boxes are on the way when they are decoded. */
static int64_t select_cells(const Plan *plan, const Grid *g, const void *const *data, int64_t *selected) {
    const int64_t cells = (int64_t)g->height * g->width;
    int64_t count = 0;
    for (int64_t first = 0; first < cells; first += g->block_cells) {
        const int64_t end = first + g->block_cells < cells ? first + g->block_cells : cells;
        if (!plan->select_all && !any_passes(g, data[0], first, end - first, plan->logit_threshold)) continue;
        for (int64_t cell = first; cell < end; cell++) {
            if (!plan->select_all && !any_passes(g, data[0], cell, 1, plan->logit_threshold)) continue;
            prefetch_row(&g->box, data[1], cell);
            selected[count++] = cell;
        }
    }
    return count;
}

static int find_in_grid(const Plan *plan, int grid, const void *const *data, float *row, Candidates *all) {
    const Grid *g = plan->grids + grid;
    int64_t *selected = malloc(sizeof(int64_t) * (size_t)g->height * (size_t)g->width);
    if (!selected) return 0;
    const int64_t count = select_cells(plan, g, data, selected);
    int done = 1;
    for (int64_t i = 0; i < count && done; i++) done = decode_cell(plan, grid, data, selected[i], row, all);
    free(selected);
    return done;
}

static int find_in_anchors(const Plan *plan, int grid, const void *data, float *row, Candidates *all) {
    const Grid *g = plan->grids + grid;
    const int columns = g->classes.channels / g->anchors;
    const int64_t slots = (int64_t)g->height * g->width * g->anchors;
    for (int64_t slot = 0; slot < slots; slot++)
        if (plan->select_all || slot_passes(g, data, slot * columns + 4, (int)(slot % g->anchors), plan->logit_threshold))
            if (!decode_slot(plan, grid, data, slot, row, all)) return 0;
    return 1;
}

/* Input to source pixels, clipped to the image: edgekit.ops.letterbox.Letterbox.undo_boxes. */
static void undo_box(const Frame *frame, const float *box, float *out) {
    for (int i = 0; i < 4; i++) {
        const double shift = i % 2 ? frame->top : frame->left, scale = i % 2 ? frame->scale_y : frame->scale_x;
        const double limit = i % 2 ? frame->source_height : frame->source_width;
        double v = ((double)box[i] - shift) / scale;
        v = v < 0 ? 0 : v;
        out[i] = (float)(v > limit ? limit : v);
    }
}

/* The prototype cells that the pixels of a box are read from: edgekit.ops.prototypes.box_windows. */
static int64_t window_of(const Plan *plan, const Frame *frame, const float *box, int64_t *window) {
    for (int axis = 0; axis < 2; axis++) {
        const double count = axis ? plan->proto_height : plan->proto_width;
        const double per_pixel = count / (axis ? frame->input_height : frame->input_width);
        const double shift = (axis ? frame->scale_y : frame->scale_x) / 2 * per_pixel - 0.5;
        double low = box[axis] * per_pixel + shift, high = box[axis + 2] * per_pixel + (shift + 2);
        low = low < 0 ? 0 : low;
        high = high < 1 ? 1 : high;
        window[axis] = (int64_t)(low > count - 1 ? count - 1 : low);
        window[axis + 2] = (int64_t)(high > count ? count : high);
        if (window[axis + 2] <= window[axis]) window[axis + 2] = window[axis] + 1;
    }
    return (window[2] - window[0]) * (window[3] - window[1]);
}

/* Key points of one object, in place: edgekit.decode.pose.decode_keypoints, then source pixels. */
static void decode_points(const Plan *plan, const Frame *frame, const Grid *g, int64_t cell, float *points) {
    const float x = (float)(cell % g->width) + 0.5f, y = (float)(cell / g->width) + 0.5f;
    for (int i = 0; i < plan->points; i++, points += plan->point_values) {
        const float input_x = (points[0] * plan->keypoint_gain + x + plan->keypoint_shift) * (float)g->stride;
        const float input_y = (points[1] * plan->keypoint_gain + y + plan->keypoint_shift) * (float)g->stride;
        points[0] = (float)(((double)input_x - frame->left) / frame->scale_x);
        points[1] = (float)(((double)input_y - frame->top) / frame->scale_y);
        if (plan->point_values == 3) points[2] = sigmoid(points[2]);
    }
}

static void write_object(const Plan *plan, const Frame *frame, const void *const *heads, const Candidate *one, int64_t i, Objects *out) {
    const Grid *g = plan->grids + one->grid;
    const int numbers = plan->kind == KIND_ROTATED ? 5 : 4;
    memcpy(out->boxes + i * numbers, one->box, sizeof(float) * (size_t)numbers);
    out->scores[i] = one->score;
    out->class_ids[i] = one->class_id;
    out->strides[i] = g->stride;
    out->cells[i] = one->cell;
    if (plan->kind == KIND_ROTATED) return;
    undo_box(frame, one->box, out->image_boxes + 4 * i);
    if (plan->proto_width) out->window_cells += window_of(plan, frame, one->box, out->windows + 4 * i);
    if (!plan->extra_channels) return;
    float *extra = out->extra + i * plan->extra_channels;
    if (plan->kind == KIND_ANCHORED) {
        const int columns = g->classes.channels / g->anchors, anchor = (int)(one->cell % g->anchors);
        const void *row = row_of(&g->classes, heads[3 * one->grid], one->cell / g->anchors);
        read_values(&g->classes, row, anchor * columns + 5 + plan->class_count, plan->extra_channels, extra);
    } else {
        read_values(&g->extra, row_of(&g->extra, heads[3 * one->grid + 2], one->cell), 0, plan->extra_channels, extra);
    }
    for (int c = 0; plan->extra_factor && c < plan->extra_channels; c++)
        extra[c] *= plan->extra_factor[plan->extra_factors == 1 ? 0 : c];
    if (plan->points) decode_points(plan, frame, g, one->cell, extra);
}

/* `heads`: classes, box and extra tensor of each grid (anchored: everything in the first). Returns the number of objects
   written, best first, or -1 where no memory is left. */
int64_t edgekit_objects(const Plan *plan, const void *const *heads, const Frame *frame, Objects *out) {
    check_plan(plan, heads, out);
    Candidates all = {NULL, 0, 0};
    float *row = malloc(sizeof(float) * (size_t)(plan->row_floats + 4 * plan->reg_max));
    int64_t *kept = malloc(sizeof(int64_t) * (size_t)(out->capacity + 1)), count = row && kept ? 0 : -1;
    for (int grid = 0; grid < plan->grid_count && count == 0; grid++) {
        const int done = plan->kind == KIND_ANCHORED ? find_in_anchors(plan, grid, heads[3 * grid], row, &all)
                                                     : find_in_grid(plan, grid, heads + 3 * grid, row, &all);
        if (!done) count = -1;
    }
    if (count == 0 && all.count) count = suppress(plan, &all, out->capacity, kept);
    out->window_cells = 0;
    if (plan->kind == KIND_UPRIGHT && plan->extra_channels)
        for (int64_t i = 0; i < count; i++) {
            const Candidate *one = all.items + kept[i];
            prefetch_row(&plan->grids[one->grid].extra, heads[3 * one->grid + 2], one->cell);
        }
    for (int64_t i = 0; i < count; i++) write_object(plan, frame, heads, all.items + kept[i], i, out);
    free(row), free(kept), free(all.items);
    return count;
}

int edgekit_abi(void) { return (int)(sizeof(Plan) * 10000 + sizeof(Grid) * 100 + sizeof(Objects)); }
