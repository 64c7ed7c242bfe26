// The gallery: cards in order, those that pass the filter, walked through with the arrow keys.
const ORDERS = {
  change: ["changed most", (image) => -changesOf(image).length - pairOf(image).change],
  lost: ["most lost", (image) => -changesOf(image).filter((object) => object.state === "lost").length],
  gained: ["most gained", (image) => -changesOf(image).filter((object) => object.state === "gained").length],
  moved: ["most moved", (image) => -changesOf(image).filter((object) => object.state === "moved").length],
  cosine: ["lowest layer", (image) => Math.min(...(pairOf(image).cosines ?? []).filter((value) => value !== null), Infinity)],
  name: ["name", () => 0],
};
let visible = [];

function showGallery() {
  const key = ORDERS[state.order][1];
  visible = data.images.filter((image) => !isFiltering() || shownChanges(image).length);
  visible = visible.map((image) => [key(image), image]).sort(([a, x], [b, y]) => a - b || x.name.localeCompare(y.name, undefined, { numeric: true })).map(([, image]) => image);
  const total = visible.reduce((sum, image) => sum + shownChanges(image).length, 0);
  find("count").textContent = visible.length
    ? `${visible.length} of ${data.images.length} images, ${total} changed object${total === 1 ? "" : "s"}`
    : "No image has such a change; reset the filter to see all.";
  const cards = visible.map(card);
  cards.forEach((element, index) => (element.tabIndex = index ? -1 : 0));
  find("grid").replaceChildren(...cards);
}

function card(image) {
  const button = make("button", "card");
  button.type = "button";
  const thumb = make("span", "thumb"), img = make("img"), caption = make("span", "caption");
  img.loading = "lazy";
  img.decoding = "async";
  img.alt = "";
  img.src = image.source;
  const changes = shownChanges(image);
  thumb.append(img, overlay(image, changes.filter((object) => object.box)));
  caption.append(make("b", "", image.name));
  for (const kind of KINDS) {
    const count = changes.filter((object) => object.state === kind).length;
    if (!count) continue;
    const badge = make("span", "count", String(count));
    badge.prepend(make("i", kind));
    badge.title = `${count} ${kind}`;
    caption.append(badge);
  }
  if (!changes.length) caption.append(make("span", "same", "unchanged"));
  button.append(thumb, caption);
  const words = KINDS.map((kind) => [changes.filter((object) => object.state === kind).length, kind]).filter(([count]) => count);
  button.setAttribute("aria-label", `${image.name}: ${words.map((row) => row.join(" ")).join(", ") || "unchanged"}`);
  button.addEventListener("click", () => openViewer(image));
  return button;
}

function focusCard(index) {
  const cards = [...find("grid").children];
  const target = cards[Math.max(0, Math.min(cards.length - 1, index))];
  if (!target) return;
  for (const element of cards) element.tabIndex = element === target ? 0 : -1;
  target.focus();
}

function walkGrid(event) {
  const cards = [...find("grid").children], index = cards.indexOf(document.activeElement);
  if (index < 0) return;
  const columns = Math.max(1, cards.filter((element) => element.offsetTop === cards[0].offsetTop).length);
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -index, End: cards.length };
  if (!(event.key in steps)) return;
  event.preventDefault();
  focusCard(index + steps[event.key]);
}

function startGallery() {
  const toggle = (set, value) => (set.has(value) ? set.delete(value) : set.add(value), showGallery());
  const kinds = KINDS.map((kind) => [make("i", kind), kind]);
  const refreshKinds = pressable(find("kinds"), kinds, (i) => state.kinds.has(KINDS[i]), (i) => toggle(state.kinds, KINDS[i]));
  const refreshSizes = pressable(find("sizes"), SIZES, (i) => state.sizes.has(i), (i) => toggle(state.sizes, i));
  find("sizes").title = "small: below 32 x 32 pixels; large: from 96 x 96, by the box";
  const used = new Set(data.images.flatMap((image) => image.pairs.flatMap((pair) => [...pair.a, ...pair.b].map((object) => object.class))));
  const names = [...used].sort((a, b) => a - b).map((index) => new Option(data.names[index] ?? `class ${index}`, index));
  find("class").append(new Option("all", ""), ...names);
  find("order").append(...Object.entries(ORDERS).map(([key, [label]]) => new Option(label, key)));
  find("class").addEventListener("change", (event) => { state.name = event.target.value; showGallery(); });
  find("order").addEventListener("change", (event) => { state.order = event.target.value; showGallery(); });
  find("score").addEventListener("input", (event) => {
    state.score = Number(event.target.value);
    find("score-value").textContent = state.score.toFixed(2);
    showGallery();
  });
  find("filter").addEventListener("submit", (event) => event.preventDefault());
  find("filter").addEventListener("reset", () => {
    state.kinds.clear();
    state.sizes.clear();
    Object.assign(state, { name: "", score: 0, order: "change" });
    find("score-value").textContent = "0.00";
    refreshKinds();
    refreshSizes();
    showGallery();
  });
  find("grid").addEventListener("keydown", walkGrid);
  showGallery();
}
