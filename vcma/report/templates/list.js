// The list of samples: filters, order and keys. The selection is stored in the URL, so that it can be linked to.
"use strict";

const form = document.getElementById("filters");
const list = document.getElementById("list");
const items = [...list.children].map((node, place) => ({
  node, place, data: node.dataset, text: node.querySelector(".text").textContent.toLowerCase(),
}));
let whole = true;  // the list shows every item in the order of the data
const number = (text) => (text === "" || text === undefined ? NaN : Number(text));
const score = (data) => number(data.viou === "" ? data.tiou : data.viou);

function wanted(item, chosen) {
  const value = score(item.data);
  return (!chosen.type || item.data.type === chosen.type)
    && (!chosen.kind || item.data.kind === chosen.kind)
    && (!chosen.change || item.data.change === chosen.change)
    && (!chosen.least || value >= Number(chosen.least))
    && (!chosen.most || value <= Number(chosen.most))
    && (chosen.q || "").toLowerCase().split(/\s+/).every((word) => item.text.includes(word));
}

function order(chosen) {
  const falling = !chosen.sort.startsWith("-");
  const key = { change: "difference" }[chosen.sort.replace("-", "")] || chosen.sort.replace("-", "");
  const value = (item) => number(item.data[key]);
  return (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y) || a.place - b.place;
    return (falling ? y - x : x - y) || a.place - b.place;
  };
}

function apply() {
  const chosen = Object.fromEntries(new FormData(form));
  const kept = items.filter((item) => wanted(item, chosen));
  if (chosen.sort) kept.sort(order(chosen));
  // Removed instead of hidden: thousands of hidden rows make a browser's layout slow.
  if (!whole || kept.length < items.length || chosen.sort) list.replaceChildren(...kept.map((item) => item.node));
  whole = kept.length === items.length && !chosen.sort;
  document.getElementById("count").textContent = kept.length === 1 ? "1 sample" : `${kept.length} samples`;
  const address = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value));
  history.replaceState(null, "", address.size ? `#samples?${address}` : location.hash.split("?")[0] || "#");
}

function restore() {
  const [section, query] = location.hash.split("?");
  for (const [name, value] of new URLSearchParams(query || "")) if (form.elements[name]) form.elements[name].value = value;
  apply();
  if (query !== undefined) document.getElementById(section.slice(1))?.scrollIntoView();
}

function choose(name, value) {
  form.reset();
  form.elements[name].value = value;
  apply();
  document.getElementById("samples").scrollIntoView();
}

function move(step) {
  const links = [...list.querySelectorAll("li > a")];
  const now = links.indexOf(document.activeElement);
  const next = links[Math.min(Math.max(now < 0 ? 0 : now + step, 0), links.length - 1)];
  next?.focus();
}

for (const name of ["input", "change"]) form.addEventListener(name, apply);  // some assistive tools send only one
form.addEventListener("submit", (event) => event.preventDefault());
for (const link of document.querySelectorAll("[data-filter]")) {
  link.addEventListener("click", (event) => { event.preventDefault(); choose("kind", link.dataset.filter); });
}
for (const button of document.querySelectorAll("button[data-change]")) {
  button.addEventListener("click", () => choose("change", button.dataset.change));
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input, select")) return;
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "/") { event.preventDefault(); form.elements.q.focus(); }
});
window.addEventListener("hashchange", restore);
restore();
