// Objects over an image: boxes, outlines and key points as SVG in thumbnail pixels, names as text of constant size.
const KEYPOINT_SHARE = 0.005;  // radius of a key point, of the longer side
const isChanged = (object) => KINDS.includes(object.state);

function overlay(image, objects) {
  const [width, height] = image.size;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  for (const object of [...objects].reverse()) svg.append(drawnObject(object, Math.max(width, height)));
  return svg;
}

function drawnObject(object, longer) {
  const group = draw("g", { class: `object ${object.state}${isChanged(object) ? " changed" : ""}` });
  if (!isChanged(object)) group.style.setProperty("--kept", data.colors[object.class] ?? "#fff");
  for (const line of object.outline ?? []) group.append(draw("path", { class: object.rotated ? "" : "mask", d: pathOf(line) }));
  if (object.box && !object.rotated) {
    const [x1, y1, x2, y2] = object.box;
    const corner = { x: x1, y: y1, width: Math.max(x2 - x1, 0), height: Math.max(y2 - y1, 0) };
    if (isChanged(object)) group.append(draw("rect", { ...corner, class: "under" }));
    group.append(draw("rect", corner));
  }
  const points = object.points ?? [];
  for (const [from, to] of data.skeleton[points.length] ?? []) {
    if (points[from].length && points[to].length) group.append(draw("path", { d: `M${points[from]}L${points[to]}` }));
  }
  for (const point of points) if (point.length) group.append(draw("circle", { cx: point[0], cy: point[1], r: longer * KEYPOINT_SHARE }));
  object.drawn = group;
  return group;
}

function pathOf(line) {
  const points = [];
  for (let i = 0; i + 1 < line.length; i += 2) points.push(`${line[i]} ${line[i + 1]}`);
  return `M${points.join("L")}Z`;
}

function nameOf(object, image) {
  const word = isChanged(object) ? `${object.state} ` : "";
  const name = make("span", `name ${object.state}`, `${word}${className(object)} ${object.score.toFixed(2)}`);
  if (!isChanged(object)) name.style.setProperty("--back", `color-mix(in srgb, ${data.colors[object.class] ?? "#333"} 55%, #000)`);
  const [width, height] = image.size, [x1, y1, x2] = object.box;
  const isRight = x1 > width * 0.72;
  name.style.left = `${(100 * (isRight ? Math.min(x2, width) : Math.max(x1, 0))) / width}%`;
  name.style.top = `${(100 * Math.max(y1, 0)) / height}%`;
  name.classList.toggle("end", isRight);
  name.classList.toggle("inside", y1 < height * 0.06);
  return name;
}
