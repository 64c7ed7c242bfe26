// Plots drawn for the width that there is: the cosine along the layers, and accuracy over milliseconds.
const PAD = { left: 52, right: 14, top: 16, bottom: 34 };

function scaled(value, low, high, from, to) {
  return from + ((to - from) * (value - low)) / (high - low || 1);
}

function niceTicks(low, high, count) {
  const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= rough * (1 - 1e-9));
  const ticks = [];
  for (let tick = Math.ceil(low / step - 1e-9) * step; tick <= high + step * 1e-6; tick += step) ticks.push(tick);
  return [ticks, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))];
}

function text(svg, x, y, words, anchor = "middle", className = "tick") {
  svg.append(draw("text", { x, y, "text-anchor": anchor, class: className }, words));
}

function rows(svg, ticks, digits, y, width, suffix = "") {
  for (const tick of ticks) {
    svg.append(draw("line", { class: "grid", x1: PAD.left, x2: width - PAD.right, y1: y(tick), y2: y(tick) }));
    text(svg, PAD.left - 7, y(tick) + 4, `${tick.toFixed(digits)}${suffix}`, "end");
  }
}

const lineOf = (points) => points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
let layerNow = null;

function tracePlot({ width, height, single, isSmall = false }) {
  const { layers, threshold } = modelNow();
  const whole = layers.map((layer) => layer.cosine);
  const least = Math.min(threshold, ...whole, ...(single ?? []).filter((value) => value !== null));
  const low = Math.max(-1, 1 - (1 - least) * 1.12);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "cosine of every layer" });
  const x = (index) => scaled(index, 0, Math.max(layers.length - 1, 1), PAD.left, width - PAD.right);
  const y = (value) => scaled(value, low, 1, height - PAD.bottom, PAD.top);
  if (!isSmall) bands(svg, layers, x, height);
  const [ticks, digits] = niceTicks(low, 1, isSmall ? 3 : 5);
  rows(svg, ticks, digits, y, width);
  svg.append(draw("line", { class: "bound", x1: PAD.left, x2: width - PAD.right, y1: y(threshold), y2: y(threshold) }));
  svg.append(draw("polyline", { class: "whole", points: lineOf(whole.map((value, index) => [x(index), y(value)])) }));
  if (single) svg.append(draw("polyline", { class: "one", points: lineOf(single.flatMap((value, index) => (value === null ? [] : [[x(index), y(value)]]))) }));
  const values = isSmall && single ? single : whole;
  values.forEach((value, index) => {
    if (value !== null && value < threshold) svg.append(draw("circle", { class: "below", cx: x(index), cy: y(value), r: isSmall ? 2.5 : 4 }));
  });
  if (isSmall) text(svg, width - PAD.right, height - 12, "layers in the order of computing", "end");
  return svg;
}

function bands(svg, layers, x, height) {
  let start = 0, isShaded = false;
  for (let i = 1; i <= layers.length; i++) {
    if (i < layers.length && layers[i].block === layers[start].block) continue;
    const from = x(Math.max(start - 0.5, 0)), to = x(Math.min(i - 0.5, layers.length - 1));
    if (isShaded) svg.prepend(draw("rect", { class: "band", x: from, y: PAD.top, width: Math.max(to - from, 0), height: height - PAD.top - PAD.bottom }));
    const name = layers[start].block.replace(/^model\./, "");
    if (to - from > 8 * name.length) text(svg, (from + to) / 2, height - 14, name);
    start = i;
    isShaded = !isShaded;
  }
}

function drawTrace() {
  const parent = find("trace"), { layers } = modelNow();
  if (!parent || !layers.length) return;
  const width = Math.max(parent.clientWidth, 300), height = width < 560 ? 240 : 300;
  const cosines = state.image && pairOf(state.image).cosines;
  const svg = tracePlot({ width, height, single: cosines?.map((value) => (value === null ? null : value / data.cosineSteps)) });
  if (layerNow !== null) {
    const at = scaled(layerNow, 0, Math.max(layers.length - 1, 1), PAD.left, width - PAD.right);
    svg.append(draw("line", { class: "cursor", x1: at, x2: at, y1: PAD.top, y2: height - PAD.bottom }));
  }
  parent.replaceChildren(svg);
}

function chooseLayer(index) {
  const { layers, first, threshold } = modelNow();
  if (!layers.length) return;
  layerNow = Math.max(0, Math.min(layers.length - 1, index));
  const layer = layers[layerNow], panel = find("layer");
  const values = [["cosine", layer.cosine.toFixed(5)], ["signal to noise", layer.sqnr === null ? "no difference" : `${layer.sqnr.toFixed(1)} dB`], ["layer", `${layerNow + 1} of ${layers.length}`]];
  if (layerNow === first) values.push(["", `the first below ${threshold}`]);
  panel.replaceChildren(make("h3", "", `${layer.node} (${layer.op})`), list(values));
  drawTrace();
}

function list(values) {
  const element = make("dl");
  for (const [name, value] of values) element.append(make("dt", "", name), make("dd", "", value));
  return element;
}

function startTrace() {
  const parent = find("trace");
  if (!parent) return;
  parent.tabIndex = 0;
  parent.setAttribute("role", "group");
  parent.setAttribute("aria-label", "cosine of every layer; arrow keys move");
  const start = () => { const { layers, first } = modelNow(); return first ?? layers.reduce((best, layer, i) => (layer.cosine < layers[best].cosine ? i : best), 0); };
  parent.addEventListener("pointerdown", (event) => {
    const box = parent.getBoundingClientRect();
    chooseLayer(Math.round(scaled(event.clientX - box.left, PAD.left, box.width - PAD.right, 0, modelNow().layers.length - 1)));
  });
  parent.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
    if (!(event.key in steps)) return;
    event.preventDefault();
    chooseLayer((layerNow ?? 0) + steps[event.key]);
  });
  new ResizeObserver(drawTrace).observe(parent);
  chooseLayer(start());
}

let criterion = 0, settingNow = 0;

function startSettings() {
  if (!data.settings.length) return;
  const chosen = data.settings.findIndex((setting) => setting.chosen);
  settingNow = Math.max(chosen, 0);
  const press = (index) => { criterion = index; drawFront(); };
  if (data.criteria.length > 1) pressable(find("criteria"), data.criteria.map((row) => row.label), (i) => i === criterion, press);
  new ResizeObserver(() => drawFront()).observe(find("front"));
  showSetting(settingNow);
}

const hasTimes = () => data.settings.every((setting) => setting.ms !== null);
const timeOf = (setting) => (hasTimes() ? setting.ms : 100 * setting.cost);

function drawFront(focused = null) {
  const parent = find("front"), { key, label, up, percent } = data.criteria[criterion];
  const width = Math.max(parent.clientWidth, 280), height = width < 460 ? 280 : 340;
  const points = data.settings.map((setting, index) => ({ index, setting, x: timeOf(setting), y: setting.values[key] * (percent ? 100 : 1) })).filter((point) => Number.isFinite(point.y)).sort((a, b) => a.x - b.x || a.y - b.y);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `${label} over ${hasTimes() ? "milliseconds" : "extra cost"}` });
  const spread = (values, share) => { const low = Math.min(...values), high = Math.max(...values), gap = (high - low || Math.abs(high) || 1) * share; return [low - gap, high + gap]; };
  const [left, right] = spread(points.map((point) => point.x), 0.08), [low, high] = spread(points.map((point) => point.y), 0.12);
  const x = (value) => scaled(value, left, right, PAD.left, width - PAD.right), y = (value) => scaled(value, low, high, height - PAD.bottom - 10, PAD.top + 12);
  const [yTicks, yDigits] = niceTicks(low, high, 5), [xTicks, xDigits] = niceTicks(left, right, width < 460 ? 3 : 6);
  rows(svg, yTicks, yDigits, y, width, percent ? " %" : "");
  for (const tick of xTicks) text(svg, x(tick), height - 22, `${tick.toFixed(xDigits)}${hasTimes() ? " ms" : " %"}`);
  text(svg, PAD.left, 12, `${label}, ${up ? "more" : "less"} is better`, "start", "axis");
  text(svg, width - PAD.right, height - 5, hasTimes() ? "a frame, static estimate" : "extra cost of int16", "end");
  const front = [];
  for (const point of points) if (!front.length || (up ? point.y > front.at(-1).y : point.y < front.at(-1).y)) front.push(point);
  svg.append(draw("polyline", { class: "stair", points: lineOf(front.map((point) => [x(point.x), y(point.y)])) }));
  const marks = points.map((point) => mark(point, x(point.x), y(point.y)));
  svg.append(...marks);
  marks.forEach((element, rank) => element.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const next = points[rank + step];
    if (!step || !next) return;
    event.preventDefault();
    showSetting(next.index, true);
  }));
  parent.replaceChildren(svg);
  if (focused !== null) marks[points.findIndex((point) => point.index === focused)]?.focus();
}

function mark(point, x, y) {
  const { setting, index } = point, isNow = index === settingNow;
  const group = draw("g", { class: `mark${setting.chosen ? " chosen" : ""}${isNow ? " current" : ""}`, role: "button", tabindex: isNow ? 0 : -1, "aria-label": setting.what, "aria-pressed": isNow });
  group.append(draw("circle", { class: "ring", cx: x, cy: y, r: 11 }), draw("circle", { cx: x, cy: y, r: 6 }), draw("title", {}, setting.what));
  group.addEventListener("click", () => showSetting(index, true));
  return group;
}

function showSetting(index, isFocused = false) {
  settingNow = index;
  const setting = data.settings[index];
  const values = data.criteria.filter(({ key }) => key in setting.values).map(({ key, label, percent }) => [label, percent ? `${(100 * setting.values[key]).toFixed(2)} %` : setting.values[key].toFixed(4)]);
  const time = setting.ms === null ? [] : [["frame", `${setting.ms.toFixed(3)} ms`]];
  find("setting").replaceChildren(make("h3", "", setting.what), list([...time, ["int16 adds", `${(100 * setting.cost).toFixed(1)} %`], ...values, ...setting.details]));
  drawFront(isFocused ? index : null);
}
