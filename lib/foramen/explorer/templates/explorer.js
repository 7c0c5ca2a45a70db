"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const OUTCOMES = {TP: "true positive", FP: "false positive", TN: "true negative", FN: "false negative"};
const SQUARE = "M-1-1H1V1H-1Z";
const BINS = 50;

const at = id => document.getElementById(id);
const maker = space => (tag, attributes = {}, ...children) => {
  const made = document.createElementNS(space, tag);
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  made.append(...children);
  return made;
};
const html = maker("http://www.w3.org/1999/xhtml"), svg = maker("http://www.w3.org/2000/svg");
const percent = share => Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : "–";

let network, threshold, shown = [], current = null;

// What the chosen network says of a radiograph
const outcomeAt = place => {
  const called = network.scores[place] >= threshold;
  return data.labels[place] ? (called ? "TP" : "FN") : (called ? "FP" : "TN");
};
const score = one => network.scores[one.test];
const wrongBy = one => data.labels[one.test] ? threshold - score(one) : score(one) - threshold;
const viewOf = one => network.seed === data.seed ? one.views[data.arms.indexOf(network.arm)] : undefined;

// Numbers over the whole test set
function drawNumbers() {
  const n = {TP: 0, FP: 0, TN: 0, FN: 0};
  data.labels.forEach((_, place) => n[outcomeAt(place)]++);
  const sensitivity = n.TP / (n.TP + n.FN), specificity = n.TN / (n.TN + n.FP), p = at("prevalence").valueAsNumber;
  const positive = {right: sensitivity * p, wrong: (1 - specificity) * (1 - p)};
  const negative = {right: specificity * (1 - p), wrong: (1 - sensitivity) * p};
  const shares = {
    sensitivity, specificity, accuracy: (n.TP + n.TN) / data.labels.length,
    ppv: positive.right / (positive.right + positive.wrong), npv: negative.right / (negative.right + negative.wrong),
  };
  Object.entries(n).forEach(([name, count]) => { at(name).textContent = count; });
  Object.entries(shares).forEach(([name, share]) => { at(name).textContent = percent(share); });
  at("threshold").value = threshold;
  at("threshold-value").textContent = threshold.toFixed(3);
  at("prevalence-value").textContent = `${Math.round(100 * p)} %`;
  at("moved").textContent = threshold === network.threshold ? "It is the validation set's." : "";
  drawHistogram();
}

function drawHistogram() {
  const counts = [Array(BINS).fill(0), Array(BINS).fill(0)];
  data.labels.forEach((label, place) => counts[label][Math.min(BINS - 1, Math.floor(network.scores[place] * BINS))]++);
  const highest = Math.max(...counts.flat()), width = 400 / BINS;  // heights are square roots: most scores lie at the ends
  const bars = counts.flatMap((row, label) => row.map((count, i) => {
    const height = 58 * Math.sqrt(count / highest);
    const place = {x: i * width, y: label ? -height : 0, width: width - 0.5, height};
    return svg("rect", {...place, class: label ? "positive" : "negative"});
  }));
  const line = {x1: 400 * threshold, x2: 400 * threshold, y1: -60, y2: 60};
  at("histogram").replaceChildren(...bars, svg("line", line));
  at("histogram").setAttribute("aria-label", `Scores by label, with the threshold at ${threshold.toFixed(3)}`);
}

// The radiographs that match, in order
const ORDERS = {
  rule: () => 0,
  wrong: (a, b) => wrongBy(b) - wrongBy(a),
  high: (a, b) => score(b) - score(a),
  low: (a, b) => score(a) - score(b),
  age: (a, b) => (a.age ?? Infinity) - (b.age ?? Infinity),
  severity: (a, b) => b.severity - a.severity,
};
function matches(one) {
  const facts = {...one, outcome: outcomeAt(one.test)};
  const chosen = [...document.querySelectorAll("[id^=only-]")].filter(select => select.value !== "");
  const [youngest, oldest] = ["youngest", "oldest"].map(id => at(id).valueAsNumber);
  return chosen.every(select => String(facts[select.id.slice(5)]) === select.value)
    && (Number.isNaN(youngest) || one.age >= youngest) && (Number.isNaN(oldest) || (one.age ?? Infinity) <= oldest);
}

function drawList() {
  shown = data.cases.filter(matches).sort(ORDERS[at("order").value]);
  if (!shown.includes(current)) current = shown[0] ?? null;
  shown.forEach(one => {
    const outcome = outcomeAt(one.test), said = score(one).toFixed(2);
    one.words.textContent = `${outcome} ${said}`;
    one.button.setAttribute("aria-label", `${one.image_id}, ${OUTCOMES[outcome]}, score ${said}`);
  });
  at("list").replaceChildren(...shown.map(one => one.item));
}

// One radiograph
function drawCase() {
  data.cases.forEach(one => one.button.setAttribute("aria-current", one === current));
  at("position").textContent = current ? `${shown.indexOf(current) + 1} of ${shown.length}` : "none matches";
  at("film").replaceChildren();
  at("scores").tBodies[0].replaceChildren();
  at("case").textContent = at("missing").textContent = "";
  if (!current) return;
  const outcome = OUTCOMES[outcomeAt(current.test)];
  at("case").textContent = `${current.image_id}: ${current.note}. Label ${data.labels[current.test]}, `
    + `score ${score(current).toFixed(3)}: ${outcome}.`;
  at("film").setAttribute("aria-label", `Radiograph ${current.image_id}, ${outcome}`);
  drawLayers(viewOf(current));
  drawScores();
}

function drawLayers(view) {
  const on = name => at(`layer-${name}`)?.checked, film = at("film");
  const [x, y, half] = view && !on("whole") ? view.region : [0, 0, 1];
  film.setAttribute("viewBox", [x - half, y - half, 2 * half, 2 * half].join(" "));
  film.setAttribute("font-size", half);
  film.append(svg("image", {href: current.film, x: -1, y: -1, width: 2, height: 2}));
  if (view) drawView(view, on, half);
  for (const name of ["region", "frames", "evidence", "shuffled"]) {
    at(`layer-${name}`).disabled = !view || (name in {evidence: 0, shuffled: 0} && !(name in view));
  }
  if (!view) at("missing").textContent = `Region, frames and evidence are there for networks of this study with seed ${data.seed}.`;
  else if (!view.evidence) at("missing").textContent = "A network with several heads has attention in place of evidence.";
  if (on("truth")) current.foramina.forEach(foramen => drawForamen(foramen, half));
}

function drawView(view, on, half) {
  const film = at("film"), matrices = view.frames.map(matrix => `matrix(${matrix.join(" ")})`);
  for (const name of ["evidence", "shuffled"].filter(name => on(name) && view[name])) {
    const whole = {x: -1, y: -1, width: 2, height: 2, preserveAspectRatio: "none"};
    film.append(svg("image", {...whole, href: view[name], transform: matrices[0]}));
  }
  if (on("region")) {
    const [x, y, side] = view.region;
    film.append(svg("path", {d: SQUARE, transform: `translate(${x} ${y}) scale(${side})`, class: "line region"}));
  }
  if (!on("frames")) return;
  film.append(...matrices.map(transform => svg("path", {d: SQUARE, transform, class: "line frame"})));
  view.attention?.forEach((share, head) => {
    const [a, b, c, d, e, f] = view.frames[head];
    film.append(label(percent(share), e - Math.abs(a) - Math.abs(c) - 0.02 * half, f, "end"));
  });
}

function drawForamen({path, grade, level}, half) {
  const outline = svg("path", {d: path, class: `line foramen${grade >= data.minimum_grade ? " narrowed" : ""}`});
  at("film").append(outline);
  const box = outline.getBBox(), words = grade ? `${level}: grade ${grade}` : level;
  at("film").append(label(words, box.x + box.width + 0.02 * half, box.y + box.height / 2, "start"));
}

const label = (words, x, y, anchor) =>
  svg("text", {x, y, "text-anchor": anchor, "dominant-baseline": "middle"}, words);

function drawScores() {
  const arms = [...new Set(data.networks.map(one => one.arm))];
  at("scores").tBodies[0].append(...arms.map(arm => {
    const cells = data.networks.filter(one => one.arm === arm).map(one => {
      const value = one.scores[current.test];
      return html("td", {class: "number"}, `${value.toFixed(2)} ${value >= one.threshold ? "+" : "−"}`);
    });
    return html("tr", arm === network.arm ? {class: "own"} : {}, html("th", {scope: "row"}, arm), ...cells);
  }));
}

// What the reader does
function draw() {
  drawNumbers();
  drawList();
  drawCase();
}

function show(one) {
  current = one;
  drawCase();
  const list = at("list"), top = one.item.offsetTop - list.offsetTop;
  if (top < list.scrollTop || top > list.scrollTop + list.clientHeight - one.item.clientHeight) list.scrollTop = top;
}

function move(step) {
  if (shown.length) show(shown[(shown.indexOf(current) + step + shown.length) % shown.length]);
}

function choose() {
  network = data.networks[at("network").value];
  threshold = network.threshold;
  draw();
}

function start() {
  data.networks.forEach(({arm, seed}, i) => at("network").append(html("option", {value: i}, `${arm}, seed ${seed}`)));
  at("network").value = data.networks.findIndex(one => one.arm === data.primary && one.seed === data.seed);
  for (const select of document.querySelectorAll("[id^=only-]:not(#only-outcome)")) {
    const values = new Set(data.cases.map(one => String(one[select.id.slice(5)])));
    select.append(...[...values].sort().map(value => html("option", {value}, value || "not given")));
  }
  data.cases.forEach(one => {
    one.words = html("span");
    one.button = html("button", {type: "button"}, html("img", {src: one.film, alt: "", loading: "lazy"}), one.words);
    one.button.addEventListener("click", () => show(one));
    one.item = html("li", {}, one.button);
  });
  at("prevalence").value = data.labels.reduce((sum, label) => sum + label, 0) / data.labels.length;
  at("network").addEventListener("change", choose);
  at("threshold").addEventListener("input", () => { threshold = at("threshold").valueAsNumber; draw(); });
  at("reset").addEventListener("click", () => { threshold = network.threshold; draw(); });
  at("prevalence").addEventListener("input", drawNumbers);
  for (const [map, other] of [["evidence", "shuffled"], ["shuffled", "evidence"]]) { // one over the other shows neither
    at(`layer-${map}`).addEventListener("input", () => { at(`layer-${other}`).checked = false; });
  }
  document.querySelectorAll("fieldset").forEach(part => part.addEventListener("input", () => { drawList(); drawCase(); }));
  at("previous").addEventListener("click", () => move(-1));
  at("next").addEventListener("click", () => move(1));
  document.addEventListener("keydown", event => {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, .scroll")) return;
    event.preventDefault();
    move(step);
  });
  choose();
}

start();
