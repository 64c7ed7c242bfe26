def shape_to_supervision(shape: Shape, size_wh: tuple[int, int]) -> Any:
    """Convert a line or zone that edgekit counts at.

    Args:
        shape: A line, or a zone.
        size_wh: The size of the frames.

    Returns:
        `supervision.LineZone` or `supervision.PolygonZone`, which look at the middle of a box's lower edge, as
        edgekit does by default.

    Raises:
        DeviceError: Where supervision is not installed.
    """
    try:
        import supervision
    except ImportError as error:
        raise DeviceError("supervision is not installed, expected it here", hint="pip install supervision") from error
    points = scaled(shape, size_wh)
    anchors = [supervision.Position.BOTTOM_CENTER]
    if isinstance(shape, Line):
        start, end = (supervision.Point(float(x), float(y)) for x, y in points)
        return supervision.LineZone(start, end, triggering_anchors=anchors)
    return supervision.PolygonZone(np.rint(points).astype(int), triggering_anchors=anchors)
