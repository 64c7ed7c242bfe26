// The page's data, what is chosen now, and how elements are made: text only, never markup.
const data = JSON.parse(document.getElementById("data").textContent);
const KINDS = ["lost", "gained", "moved"], SIZES = ["small", "medium", "large"];
const state = { model: data.models.length - 1, kinds: new Set(), sizes: new Set(), name: "", score: 0, order: "change", image: null };
const find = (id) => document.getElementById(id);

function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

function draw(tag, attributes = {}, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

// A row of buttons that stay pressed: one of them, or any number.
function pressable(parent, labels, isPressed, press) {
  const buttons = labels.map((label, index) => {
    const button = make("button");
    button.type = "button";
    button.append(...[].concat(label));
    button.addEventListener("click", () => { press(index); refresh(); });
    return button;
  });
  const refresh = () => buttons.forEach((button, index) => button.setAttribute("aria-pressed", isPressed(index)));
  parent.replaceChildren(...buttons);
  refresh();
  return refresh;
}

const pairOf = (image) => image.pairs[state.model];
const modelNow = () => data.models[state.model];
const className = (object) => data.names[object.class] ?? `class ${object.class}`;

// What changed on an image: the reference's lost objects, and the model's gained and moved ones.
function changesOf(image) {
  const { a, b } = pairOf(image);
  return [...a.filter((object) => object.state === "lost"), ...b.filter((object) => object.state === "gained" || object.state === "moved")];
}

const isFiltering = () => state.kinds.size + state.sizes.size > 0 || state.name !== "" || state.score > 0;
const isShown = (object) =>
  (!state.kinds.size || state.kinds.has(object.state)) && (!state.sizes.size || state.sizes.has(object.size)) &&
  (state.name === "" || object.class === Number(state.name)) && object.score >= state.score;
const shownChanges = (image) => changesOf(image).filter(isShown);
