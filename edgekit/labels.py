"""Class names and colours, once."""

from __future__ import annotations

import colorsys

COCO_NAMES = tuple(
    """person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,
bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,
snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,
knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,
dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,
vase,scissors,teddy bear,hair drier,toothbrush""".replace("\n", "").split(",")
)

# The ids that COCO's annotation files give the 80 classes; eleven of 1..90 are unused.
COCO_CATEGORY_IDS = tuple(i for i in range(1, 91) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83))


# COCO's 17 key points of a person, in the order of its annotation files, and the bones between them by index.
COCO_KEYPOINTS = tuple(
    """nose,left eye,right eye,left ear,right ear,left shoulder,right shoulder,left elbow,right elbow,left wrist,
right wrist,left hip,right hip,left knee,right knee,left ankle,right ankle""".replace("\n", "").split(",")
)
COCO_SKELETON = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
    (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip

GOLDEN_ANGLE = 0.61803398875  # neighbouring class ids get hues far apart


def class_color_bgr(class_id: int) -> tuple[int, int, int]:
    """Return a strong color for a class, the same in every image; (b, g, r) of 0..255."""
    hue = (class_id * GOLDEN_ANGLE) % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, 0.95 if class_id % 2 else 0.8)
    return round(blue * 255), round(green * 255), round(red * 255)


def generic_names(count: int) -> tuple[str, ...]:
    """Return names for classes without any: "class 0", "class 1", ..."""
    return tuple(f"class {i}" for i in range(count))


def coco_category_ids(num_classes: int) -> tuple[int, ...]:
    """Return the ids of classes in COCO files: COCO's own for its 80 classes; 1, 2, 3, ... for any other number."""
    return COCO_CATEGORY_IDS if num_classes == len(COCO_CATEGORY_IDS) else tuple(range(1, num_classes + 1))
