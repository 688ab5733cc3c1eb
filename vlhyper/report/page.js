// The samples of the page: unpacks the data, and shows, searches and orders the samples behind a number.
// What users wrote is put into the page as text, never as HTML.
"use strict";

const PAGE_SIZE = 24;
const PREVIEWS = 4;
const byId = (id) => document.getElementById(id);

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

const loading = unpack(byId("data").textContent);
let data = null;
// What the open list shows: section, where ([[column, label]]), none ([column, labels] or null), search, sort, page.
let view = null;
let found = [];

// Samples

function textOf(section, index) {
  const right = section.right[index].filter((_, place) => place % 2 === 0).map((word) => section.words[word]);
  const texts = Object.values(section.texts).map((column) => column[index]);
  const said = section.answers.map((column) => section.words[column[index]]);
  const image = section.images ? [section.images[index]] : [];
  return [section.ids[index], ...image, ...texts, ...right, ...said].join("\n").toLowerCase();
}

function searchable(section) {
  section.haystack ??= section.ids.map((_, index) => textOf(section, index));
  return section.haystack;
}

function matching(section, { where, none, search }) {
  const asked = where.map(([name, label]) => [section.columns[name].of, section.columns[name].labels.indexOf(label)]);
  const barred = none && new Set(none[1].map((label) => section.columns[none[0]].labels.indexOf(label)));
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const texts = words.length ? searchable(section) : null;
  const chosen = [];
  for (let index = 0; index < section.ids.length; index++) {
    if (!asked.every(([of, label]) => of[index] === label)) continue;
    if (barred && barred.has(section.columns[none[0]].of[index])) continue;
    if (texts && !words.every((word) => texts[index].includes(word))) continue;
    chosen.push(index);
  }
  return chosen;
}

// Orders: [what it is called, what of a sample is compared]; the lowest come first.
function orders(section) {
  const made = [["as in the file", null]];
  section.metrics.forEach((metric, m) =>
    section.systems.forEach((system, s) => {
      const of = section.systems.length > 1 ? `${readable(metric)} of ${system}` : readable(metric);
      const scores = section.scores[m][s];
      made.push([`${of}: lowest first`, (index) => scores[index] ?? Infinity]);
      made.push([`${of}: highest first`, (index) => -(scores[index] ?? -Infinity)]);
    }));
  section.systems.slice(1).forEach((system, s) => {
    const [ours, theirs] = [section.scores[0][0], section.scores[0][s + 1]];
    made.push([`${section.systems[0]} ahead of ${system} first`, (index) => theirs[index] - ours[index]]);
    made.push([`${system} ahead of ${section.systems[0]} first`, (index) => ours[index] - theirs[index]]);
  });
  if (section.pictures) made.push(["with a picture first", (index) => (section.pictures[index] < 0 ? 1 : 0)]);
  return made;
}

function readable(name) {
  return name.replaceAll("_", " ");
}

function pictureOf(section, index) {
  const number = section.pictures ? section.pictures[index] : -1;
  if (number < 0) return null;
  const image = element("img");
  const start = number ? data.ends[number - 1] : 0;
  image.src = `data:image/webp;base64,${byId("pictures").firstChild.substringData(start, data.ends[number] - start)}`;
  image.alt = `Image ${section.images[index]}`;
  image.loading = "lazy";
  return image;
}

function judged(section, score) {
  if (score === null || section.low || section.prose) return ["", ""];
  return score >= 100 ? ["right", "✓ "] : score > 0 ? ["part", "◐ "] : ["wrong", "✗ "];
}

// One line, and what is beyond it to unfold.
function folded(title, text) {
  return element("details", "", element("summary", "", title), text);
}

function saidBy(section, s, index) {
  const scores = section.metrics.map((metric, m) => [metric, section.scores[m][s][index]]);
  const known = scores.filter(([, score]) => score !== null);
  const [className, sign] = judged(section, scores.length ? scores[0][1] : null);
  const answer = section.words[section.answers[s][index]] || "(nothing)";
  const told = known.map(([metric, score]) => `${readable(metric)} ${score}`);
  // With one metric from 0 to 100 the number says enough.
  const first = scores.length > 1 || section.low ? told[0] : known.length && known[0][1];
  const made = element("dd", "", element("span", `said ${className}`, sign + answer));
  if (known.length) made.append(element("span", "points dim", ` ${first}`));
  if (told.length > 1) made.append(folded(`${told.length - 1} more scores`, told.slice(1).join(" · ")));
  return made;
}

function wordings(section, index) {
  const one = section.right[index];
  const made = [];
  for (let place = 0; place < one.length; place += 2) {
    made.push(section.words[one[place]] + (one[place + 1] > 1 ? ` ×${one[place + 1]}` : ""));
  }
  if (!section.prose) return [made.join(", ")];
  return made.length > 1 ? [made[0], folded(`${made.length - 1} more`, made.slice(1).join(" / "))] : made;
}

function card(section, index) {
  const list = element("dl");
  list.append(element("dt", "", section.prose ? "people" : "right"), element("dd", "", ...wordings(section, index)));
  section.systems.forEach((system, s) => list.append(element("dt", "", system), saidBy(section, s, index)));
  const body = element("div", "body");
  const names = Object.keys(section.texts);
  names.forEach((name) => {
    const label = names.length > 1 || name !== "question" ? [element("small", "", `${readable(name)}: `)] : [];
    if (section.texts[name][index]) body.append(element("p", "text", ...label, section.texts[name][index]));
  });
  const image = section.images && section.images[index];
  body.append(list, element("p", "id", section.ids[index] + (image && image !== section.ids[index] ? ` · image ${image}` : "")));
  const picture = pictureOf(section, index);
  return element("li", "", ...(picture ? [picture] : []), body);
}

// The open list

function describe(section) {
  const parts = view.where.map(([name, label]) => `${readable(name)}: ${label || "(nothing)"}`);
  if (view.none) parts.push(`${readable(view.none[0])}: none of ${view.none[1].join(", ")}`);
  return [section.title, ...parts].join(" · ");
}

function means(section) {
  if (!section.metrics.length) return "";
  return section.systems.map((system, s) => {
    const known = found.map((index) => section.scores[0][s][index]).filter((score) => score !== null);
    if (!known.length) return "";
    const mean = known.reduce((sum, score) => sum + score, 0) / known.length;
    return ` · ${system}: mean ${readable(section.metrics[0])} ${mean.toFixed(2)}`;
  }).join("");
}

function listFilters(section) {
  const shown = Object.entries(section.columns).filter(([name, column]) =>
    column.listed && column.labels.length > 1 && !name.startsWith("answer of"));
  const picks = shown.map(([name, column]) => {
    const current = view.where.find(([other]) => other === name);
    const choice = element("select", "", new Option("any", ""), ...column.labels.map((label) => new Option(label || "(nothing)", `=${label}`)));
    choice.value = current ? `=${current[1]}` : "";
    choice.addEventListener("change", () => {
      view.where = view.where.filter(([other]) => other !== name);
      if (choice.value) view.where.push([name, choice.value.slice(1)]);
      view.page = 0;
      refresh();
    });
    return element("label", "", readable(name), choice);
  });
  byId("b-filters").replaceChildren(...picks);
}

function refresh() {
  const section = data.sections[view.section];
  found = matching(section, view);
  const compare = orders(section)[view.sort][1];
  if (compare) {
    const keys = new Map(found.map((index) => [index, compare(index)]));
    found.sort((one, other) => keys.get(one) - keys.get(other) || one - other);
  }
  byId("b-title").textContent = describe(section);
  byId("b-count").textContent = `${found.length.toLocaleString("en")} samples${means(section)}`;
  listFilters(section);
  showPage();
}

function showPage() {
  const section = data.sections[view.section];
  const pages = Math.max(1, Math.ceil(found.length / PAGE_SIZE));
  view.page = Math.min(view.page, pages - 1);
  const shown = found.slice(view.page * PAGE_SIZE, (view.page + 1) * PAGE_SIZE);
  byId("b-list").replaceChildren(element("ol", "samples", ...shown.map((index) => card(section, index))));
  byId("b-page").textContent = `${view.page + 1} of ${pages.toLocaleString("en")}`;
  byId("b-back").disabled = view.page === 0;
  byId("b-next").disabled = view.page === pages - 1;
  history.replaceState(null, "", `#samples=${encodeURIComponent(JSON.stringify(view))}`);
}

function turn(by) {
  view.page += by;
  showPage();
  byId("browser").scrollTop = 0;
}

function open(wanted) {
  view = { where: [], none: null, search: "", sort: 0, page: 0, ...wanted };
  const section = data.sections[view.section];
  const names = orders(section).map(([name]) => name);
  byId("b-sort").replaceChildren(...names.map((name, number) => new Option(name, number)));
  byId("b-sort").value = view.sort;
  byId("b-search").value = view.search;
  if (!byId("browser").open) byId("browser").showModal();
  refresh();
  byId("browser").scrollTop = 0;
}

// A metric of the items, or the one by which groups are judged, with its lowest first.
function sortFor(section, metric) {
  const number = Math.max(0, section.metrics.indexOf(metric));
  if (!section.metrics.length) return 0;
  return 1 + 2 * number * section.systems.length + (section.low ? 1 : 0);
}

function previews() {
  for (const place of document.querySelectorAll(".preview")) {
    const section = data.sections[place.dataset.section];
    const every = section.ids.map((_, index) => index);
    const pictured = every.filter((index) => section.pictures && section.pictures[index] >= 0);
    const from = pictured.length ? pictured : every;
    const chosen = Array.from({ length: Math.min(PREVIEWS, from.length) }, (_, n) => from[Math.floor((n * from.length) / PREVIEWS)]);
    place.replaceChildren(element("ol", "samples", ...[...new Set(chosen)].map((index) => card(section, index))));
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-where]");
  if (!button) return;
  await loading;
  const section = Number(button.dataset.section);
  const none = button.dataset.none ? JSON.parse(button.dataset.none) : null;
  const sort = sortFor(data.sections[section], button.dataset.metric);
  open({ section, where: JSON.parse(button.dataset.where), none, sort });
});

let waiting = 0;
byId("b-search").addEventListener("input", (event) => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    view.search = event.target.value;
    view.page = 0;
    refresh();
  }, 120);
});
byId("b-form").addEventListener("submit", (event) => event.preventDefault());
byId("b-sort").addEventListener("change", (event) => {
  view.sort = Number(event.target.value);
  view.page = 0;
  refresh();
});
byId("b-back").addEventListener("click", () => turn(-1));
byId("b-next").addEventListener("click", () => turn(1));
byId("b-close").addEventListener("click", () => byId("browser").close());
byId("browser").addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));

loading.then((unpacked) => {
  data = unpacked;
  previews();
  performance.mark("ready");
  document.documentElement.dataset.ready = "yes";
  const linked = /^#samples=(.+)$/.exec(location.hash);
  if (!linked) return;
  try {
    open(JSON.parse(decodeURIComponent(linked[1])));
  } catch {
    // A link of another page, or one that was cut: the page itself is still right.
    history.replaceState(null, "", location.pathname + location.search);
  }
});
