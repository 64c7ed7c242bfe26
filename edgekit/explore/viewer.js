// One image, large: the reference's objects left of the slider and the model's right of it.
const NAMED_OBJECTS = 14;  // up to so many objects that did not change are named, too
let cut = 50;

function openViewer(image) {
  if (!find("viewer").open) find("viewer").showModal();
  showImage(image);
  find("stage").scrollIntoView({ block: "nearest" });
}

function setCut(value) {
  cut = Math.max(0, Math.min(100, value));
  find("stage").style.setProperty("--cut", `${cut}%`);
  find("slider").value = String(Math.round(cut));
  find("slider").setAttribute("aria-valuetext", `${Math.round(cut)} % ${data.reference}`);
}

function showImage(image) {
  state.image = image;
  const pair = pairOf(image), [width, height] = image.size;
  find("name").textContent = image.name;
  find("position").replaceChildren(`${visible.indexOf(image) + 1} of ${visible.length}`, make("span", "full", ` · ${image.full[0]} × ${image.full[1]}`));
  find("image").src = image.source;
  find("stage").style.aspectRatio = `${width} / ${height}`;
  find("stage").style.width = `min(100%, calc((100dvh - 190px) * ${width / height}))`;
  for (const [rank, side] of ["a", "b"].entries()) {
    showSide(find(`side-${side}`), image, pair[side]);
    if (pair.drawn) find(`side-${side}`).prepend(drawnMap(pair.drawn[rank]));
  }
  for (const id of ["tag-a", "label-a"]) find(id).textContent = data.reference;
  for (const id of ["tag-b", "label-b"]) find(id).textContent = modelNow().label;
  showChanges(image);
  showImageLayers(image);
  setCut(cut);
  drawTrace();
}

function showSide(element, image, objects) {
  const isAll = find("unchanged").checked;
  const shown = objects.filter((object) => isAll || isChanged(object)), boxed = shown.filter((object) => object.box);
  const kept = boxed.filter((object) => object.state === "kept").length;
  const named = boxed.filter((object) => isChanged(object) || (object.state === "kept" && kept <= NAMED_OBJECTS));
  const parts = [overlay(image, boxed), ...named.map((object) => nameOf(object, image))];
  shown.filter((object) => !object.box).forEach((object, rank) => parts.push(classLine(object, rank, element.id === "side-b")));
  element.replaceChildren(...parts);
}

// A class or depth map, drawn over the image already.
function drawnMap(source) {
  const map = make("img", "map");
  map.alt = "";
  map.src = source;
  return map;
}

// What a classifier says has no box: lines at the top, the reference's left and the model's right.
function classLine(object, rank, isRight) {
  const line = make("span", `name inside ${object.state}${isRight ? " end" : ""}`, `${className(object)} ${object.score.toFixed(2)}`);
  line.style.top = `calc(8px + ${rank * 20}px)`;
  line.style.left = isRight ? "calc(100% - 8px)" : "8px";
  return line;
}

function showChanges(image) {
  const pair = pairOf(image);
  const rows = changesOf(image).map((object) => {
    const button = make("button", object.state), item = make("li");
    button.type = "button";
    button.append(`${object.state} ${className(object)} ${object.score.toFixed(2)}`, make("small", "", aboutChange(object)));
    button.addEventListener("click", () => pointAt(image, object));
    for (const [name, isOn] of [["focus", true], ["mouseenter", true], ["blur", false], ["mouseleave", false]]) {
      button.addEventListener(name, () => object.drawn?.classList.toggle("pointed", isOn));
    }
    item.append(button);
    return item;
  });
  find("changes").replaceChildren(...(rows.length ? rows : [make("li", "soft", pair.a.length + pair.b.length ? "Nothing changed on this image." : "There are no objects on this image.")]));
}

function aboutChange(object) {
  const size = `${SIZES[object.size]} object`;
  if (object.state !== "moved") return `${size}, only in ${object.state === "lost" ? data.reference : modelNow().label}`;
  return `${size}, overlap ${object.iou.toFixed(2)}, score ${object.was.toFixed(2)} → ${object.score.toFixed(2)}`;
}

// The slider goes to where the object shows: beyond its box, or through the middle of a moved one.
function pointAt(image, object) {
  if (!object.box) return;
  const [x1, , x2] = object.box.map((value) => (100 * value) / image.size[0]);
  setCut(object.state === "lost" ? x2 + 4 : object.state === "gained" ? x1 - 4 : (x1 + x2) / 2);
}

function showImageLayers(image) {
  const { cosines } = pairOf(image), { layers, threshold } = modelNow(), parent = find("image-layers");
  parent.replaceChildren();
  if (!cosines || !layers.length) return;
  const values = cosines.map((value) => (value === null ? null : value / data.cosineSteps));
  const first = values.findIndex((value) => value !== null && value < threshold);
  const words = first < 0 ? `No layer falls below ${threshold} on this image.` : `First below ${threshold} on this image: ${layers[first].node} (${layers[first].op}), cosine ${values[first].toFixed(4)}.`;
  const plot = make("div", "plot");
  parent.append(make("h3", "", "Where they part"), make("p", "soft", words), plot);
  plot.append(tracePlot({ width: Math.max(parent.clientWidth, 240), height: 150, single: values, isSmall: true }));
}

function stepImage(step) {
  const index = visible.indexOf(state.image) + step;
  if (visible[index]) showImage(visible[index]);
}

function viewerKeys(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -1, PageDown: 1 };
  const isSlider = event.target instanceof HTMLInputElement && event.target.type === "range";
  if (!(event.key in steps) || (isSlider && event.key.startsWith("Arrow"))) return;
  event.preventDefault();
  stepImage(steps[event.key]);
}

function startViewer() {
  const dialog = find("viewer"), stage = find("stage");
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    setCut((100 * (event.clientX - box.left)) / box.width);
  };
  stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); follow(event); });
  stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) follow(event); });
  find("slider").addEventListener("input", (event) => setCut(Number(event.target.value)));
  find("unchanged").addEventListener("change", () => showImage(state.image));
  find("previous").addEventListener("click", () => stepImage(-1));
  find("next").addEventListener("click", () => stepImage(1));
  find("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", viewerKeys);
  dialog.addEventListener("close", () => focusCard(visible.indexOf(state.image)));
}
