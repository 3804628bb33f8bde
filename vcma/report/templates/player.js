// A sample's page: the video with boxes in native pixels, the timeline, and highlighting of related elements.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const film = window.VCMA_VIDEO;
const video = document.getElementById("video");
const overlay = document.getElementById("overlay");
const [begin, end] = data.segment;
const inside = (frame, span) => span[0] <= frame && frame < span[1];

// The native frame shown at a time of the film, and the middle of that frame's interval.
const shownAt = (time) => film.frame[Math.min(Math.floor(time * film.rate + 1e-3), film.frame.length - 1)];
const lastBefore = (values, value) => {
  let low = 0;
  for (let high = values.length; low < high;) {
    const middle = (low + high) >> 1;
    if (values[middle] <= value) low = middle + 1; else high = middle;
  }
  return low - 1;
};
const timeOf = (frame) => (Math.max(lastBefore(film.frame, frame), 0) + 0.5) / film.rate;

// A tube's box in a native frame: linear between its points, constant before the first and after the last.
function boxAt(tube, frame) {
  const i = lastBefore(tube.frame, frame);
  if (i < 0) return tube.box[0];
  if (i === tube.frame.length - 1) return tube.box[i];
  const part = (frame - tube.frame[i]) / (tube.frame[i + 1] - tube.frame[i]);
  return tube.box[i].map((value, side) => value * (1 - part) + tube.box[i + 1][side] * part);
}

// Whether a tube's box in a native frame is interpolated, by the nearest of its points.
function interpolatedAt(tube, frame) {
  const i = lastBefore(tube.frame, frame);
  const later = i >= 0 && i + 1 < tube.frame.length && frame >= Math.floor((tube.frame[i] + tube.frame[i + 1] + 1) / 2);
  return Boolean(tube.interpolated[Math.max(i, 0) + later]);
}

function svg(name, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function place(node, box) {
  node.setAttribute("visibility", box ? "visible" : "hidden");
  if (!box) return;
  const [x, y, width, height] = [box[0], box[1], box[2] - box[0], box[3] - box[1]].map((v) => v.toFixed(1));
  for (const [key, value] of Object.entries({ x, y, width, height })) node.setAttribute(key, value);
}

function makeOverlay() {
  const rects = film.tubes.map((_, tube) => svg("rect", {
    class: data.entity_tube.includes(tube) ? "entity" : "other", "data-tube": tube, style: `--c:${data.colour[tube]}`,
  }));
  const truth = svg("rect", { class: "true" });
  overlay.append(...rects, truth);
  if (rects[data.tube]) overlay.append(rects[data.tube]);
  return { rects, truth };
}

function draw(frame) {
  drawn = frame;
  film.tubes.forEach((tube, number) => {
    const answer = number === data.tube && inside(frame, data.span);
    const here = tube.frame.length && inside(frame, [tube.frame[0], tube.frame[tube.frame.length - 1] + 1]);
    const named = data.entity_tube.includes(number);
    const visible = answer || (here && (named || checked("others")));
    const role = answer ? "answer" : named ? "entity" : "other";
    boxes.rects[number].setAttribute("class", visible && interpolatedAt(tube, frame) ? `${role} interpolated` : role);
    place(boxes.rects[number], visible ? boxAt(tube, frame) : null);
  });
  const row = data.truth && inside(frame, data.truth.span) ? data.truth.frame.indexOf(frame) : -1;
  place(boxes.truth, row >= 0 && checked("truth") ? data.truth.box[row] : null);
  overlay.dataset.frame = frame;
  document.getElementById("scrub").value = frame;
  document.getElementById("clock").textContent = `${film.seconds[Math.max(lastBefore(film.frame, frame), 0)].toFixed(2)} s, frame ${frame}`;
  const share = Math.min(Math.max((frame - begin) / (end - begin), 0), 1);
  document.getElementById("cursor").style.left = `${100 * share}%`;
}

const checked = (id) => document.getElementById(id)?.checked ?? false;
const seek = (frame) => { video.currentTime = timeOf(Math.min(Math.max(frame, begin), end - 1)); draw(shownAt(video.currentTime)); };
const toggle = () => (video.paused ? video.play() : video.pause());

function step(by) {
  video.pause();
  const i = lastBefore(film.frame, drawn) + by;
  if (film.frame[i] !== undefined) seek(film.frame[i]);
}

// The film frame on screen if the browser reports it, else the one at the video's current time. WebM rounds a frame's time
// to milliseconds, so half a frame is added; a report that arrives during a seek is out of date.
function follow() {
  if (video.requestVideoFrameCallback) {
    const shown = (_, meta) => { if (!video.seeking) draw(shownAt(meta.mediaTime + 0.5 / film.rate)); video.requestVideoFrameCallback(shown); };
    video.requestVideoFrameCallback(shown);
  } else {
    const tick = () => { if (!video.paused) draw(shownAt(video.currentTime)); requestAnimationFrame(tick); };
    tick();
  }
}

function listen() {
  const scrub = document.getElementById("scrub");
  const play = document.getElementById("play");
  scrub.addEventListener("input", () => { video.pause(); seek(Number(scrub.value)); });
  play.addEventListener("click", toggle);
  video.addEventListener("click", toggle);
  for (const name of ["play", "pause"]) {
    video.addEventListener(name, () => { play.textContent = video.paused ? "Play" : "Pause"; });
  }
  for (const id of ["others", "truth"]) document.getElementById(id)?.addEventListener("change", () => draw(drawn));
  for (const button of document.querySelectorAll(".seek")) {
    button.addEventListener("click", () => seek(Number(button.dataset.frame)));
  }
  const timeline = document.getElementById("timeline");
  const drag = (event) => {
    const track = timeline.querySelector(".cursor .track").getBoundingClientRect();
    if (event.buttons && event.clientX >= track.left) {
      video.pause();
      seek(Math.round(begin + (event.clientX - track.left) / track.width * (end - begin)));
    }
  };
  timeline.addEventListener("pointerdown", drag);
  timeline.addEventListener("pointermove", drag);
  video.addEventListener("loadedmetadata", () => seek(data.span[0]), { once: true });
  if (video.readyState) seek(data.span[0]);
}

function light(event) {
  const on = event.type === "pointerover" || event.type === "focusin";
  const source = event.target.closest?.("[data-tube], [data-relation]");
  if (!source) return;
  const [key, value] = source.dataset.relation === undefined ? ["tube", source.dataset.tube] : ["relation", source.dataset.relation];
  if (value === "-1") return;
  for (const node of document.querySelectorAll(`[data-${key}="${value}"]`)) node.classList.toggle("lit", on);
}

document.addEventListener("pointerover", light);
document.addEventListener("pointerout", light);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "n") document.getElementById("after")?.click();
  else if (event.key === "p") document.getElementById("before")?.click();
  else if (event.key === "Escape") document.getElementById("up").click();
  else if (video && !event.target.matches("input, button, a")) {
    if (event.key === " ") { event.preventDefault(); toggle(); }
    else if (event.key === "ArrowRight") step(1);
    else if (event.key === "ArrowLeft") step(-1);
  }
});

let boxes;
let drawn = data.span[0];
if (video && film.frame.length) {
  boxes = makeOverlay();
  listen();
  follow();
}
