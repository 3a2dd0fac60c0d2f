const data = JSON.parse(document.getElementById("data").textContent);
const { paintings, classes, colours, percent, neighbours, thumbnails, splits } = data;
const canvas = document.getElementById("map"), stage = document.getElementById("stage");
const card = document.getElementById("card"), pen = canvas.getContext("2d");
const view = { x: 0, y: 0, scale: 1 };
const shownCultures = new Set();
let width = 0, height = 0, chosen = -1, kept = false, waiting = false;
const images = new Map();

const visible = (p) => !shownCultures.size || shownCultures.has(paintings[p][5]);
const fit = () => 0.92 * Math.min(width, height) / 1000;
const screenX = (p) => width / 2 + (paintings[p][0] - view.x) * fit() * view.scale;
const screenY = (p) => height / 2 + (paintings[p][1] - view.y) * fit() * view.scale;
const source = (p) => thumbnails[p] ? "data:image/jpeg;base64," + thumbnails[p] : "";

function image(p) {
  if (!images.has(p)) {
    const made = new Image();
    made.onload = draw;
    made.src = source(p);
    images.set(p, made);
  }
  return images.get(p);
}

function draw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; paint(); });
}

function paint() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const ratio = devicePixelRatio || 1;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const radius = Math.min(7, Math.max(2.2, 120 / Math.sqrt(paintings.length)) * Math.sqrt(view.scale));
  const inView = [];
  for (let p = 0; p < paintings.length; p++) {
    const x = screenX(p), y = screenY(p);
    if (x < -60 || y < -60 || x > width + 60 || y > height + 60) continue;
    inView.push(p);
  }
  // Zoomed in, draw the paintings themselves, but only a limited number so that panning stays smooth.
  const seen = inView.filter(visible);
  const pictures = thumbnails.length && view.scale >= 3 && seen.length <= 260;
  for (const p of inView) {
    const shown = visible(p), x = screenX(p), y = screenY(p);
    const own = colours[paintings[p][5]];
    if (pictures && shown) {
      const made = image(p);
      if (made.complete && made.naturalWidth) {
        const side = Math.min(84, 22 + 5 * view.scale), k = side / Math.max(made.naturalWidth, made.naturalHeight);
        const w = made.naturalWidth * k, h = made.naturalHeight * k;
        pen.fillStyle = own;
        pen.fillRect(x - w / 2 - 2, y - h / 2 - 2, w + 4, h + 4);
        pen.drawImage(made, x - w / 2, y - h / 2, w, h);
        continue;
      }
    }
    pen.globalAlpha = shown ? 0.8 : 0.13;
    pen.fillStyle = shown ? own : dark ? "#8a8780" : "#6e6a64";
    pen.beginPath();
    pen.arc(x, y, radius, 0, 7);
    pen.fill();
    if (shown && paintings[p][5] !== paintings[p][6]) {
      pen.globalAlpha = 1;
      pen.strokeStyle = dark ? "#fff" : "#22211f";
      pen.lineWidth = 1.1;
      pen.stroke();
    }
  }
  pen.globalAlpha = 1;
  if (chosen >= 0) {
    pen.strokeStyle = dark ? "#fff" : "#22211f";
    pen.lineWidth = 0.8;
    for (const near of neighbours[chosen]) {
      pen.beginPath();
      pen.moveTo(screenX(chosen), screenY(chosen));
      pen.lineTo(screenX(near), screenY(near));
      pen.stroke();
    }
    pen.lineWidth = 2.5;
    pen.beginPath();
    pen.arc(screenX(chosen), screenY(chosen), radius + 5, 0, 7);
    pen.stroke();
  }
}

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function choose(p) {
  if (p === chosen) return;
  chosen = p;
  const parts = [];
  if (p < 0) parts.push(element("p", "No painting chosen yet.", "hint"));
  else {
    const [, , title, artist, date, culture, predicted] = paintings[p];
    if (thumbnails[p]) {
      const large = element("img", "", "large");
      large.src = source(p);
      large.alt = title || "untitled";
      parts.push(large);
    }
    const right = culture === predicted;
    parts.push(element("h2", title || "Untitled"));
    parts.push(element("p", [artist, date].filter(Boolean).join(", "), "artist"));
    parts.push(element("p", `${classes[culture]} (${splits[p]})`));
    const said = right ? `✓ predicted correctly, ${percent[p]} % confidence` : `✕ predicted as ${classes[predicted]}, ${percent[p]} % confidence`;
    parts.push(element("p", said, right ? "right" : "wrong"));
    parts.push(element("h3", "Nearest paintings"), nearby(p));
  }
  card.replaceChildren(...parts);
  card.scrollTop = 0;
  draw();
}

function nearby(p) {
  const box = element("div");
  box.id = "near";
  for (const near of neighbours[p]) {
    const button = element("button");
    const title = paintings[near][2] || "Untitled";
    button.title = title;
    if (thumbnails[near]) {
      const picture = element("img");
      picture.src = source(near);
      picture.alt = title;
      button.append(picture);
    }
    button.append(element("span", classes[paintings[near][5]]));
    button.onclick = () => { kept = true; choose(near); reveal(near); };
    box.append(button);
  }
  return box;
}

function nearestTo(x, y, reach) {
  let best = -1, least = reach * reach;
  for (let p = 0; p < paintings.length; p++) {
    if (!visible(p)) continue;
    const away = (screenX(p) - x) ** 2 + (screenY(p) - y) ** 2;
    if (away < least) { least = away; best = p; }
  }
  return best;
}

function zoom(factor, x = width / 2, y = height / 2) {
  const scale = Math.min(40, Math.max(1, view.scale * factor));
  const change = (1 / (fit() * view.scale)) - (1 / (fit() * scale));
  view.x += (x - width / 2) * change;
  view.y += (y - height / 2) * change;
  view.scale = scale;
  if (scale === 1) view.x = view.y = 0;
  draw();
}

function reveal(p) {
  const x = screenX(p), y = screenY(p);
  if (x < 20 || y < 20 || x > width - 20 || y > height - 20) [view.x, view.y] = paintings[p];
  draw();
}

function step(dx, dy) {
  if (chosen < 0) return choose(nearestTo(width / 2, height / 2, Infinity));
  const x = screenX(chosen), y = screenY(chosen);
  let best = -1, least = Infinity;
  for (let p = 0; p < paintings.length; p++) {
    if (p === chosen || !visible(p)) continue;
    const ahead = (screenX(p) - x) * dx + (screenY(p) - y) * dy;
    const aside = Math.abs((screenX(p) - x) * dy) + Math.abs((screenY(p) - y) * dx);
    if (ahead <= 0 || aside > 1.5 * ahead) continue;
    if (ahead + 2 * aside < least) { least = ahead + 2 * aside; best = p; }
  }
  if (best >= 0) { kept = true; choose(best); reveal(best); }
}

const fingers = new Map();
let moved = 0;
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
  if (fingers.size === 1) moved = 0;
});
canvas.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId), now = [event.offsetX, event.offsetY];
  if (!before) {
    if (!kept && event.pointerType === "mouse") {
      const under = nearestTo(...now, 18);
      if (under >= 0) choose(under);
    }
    return;
  }
  if (fingers.size === 2) {
    const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    const was = Math.hypot(before[0] - other[0], before[1] - other[1]);
    const is = Math.hypot(now[0] - other[0], now[1] - other[1]);
    if (was > 0) zoom(is / was, (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }
  const share = fingers.size === 2 ? 0.5 : 1;
  view.x -= share * (now[0] - before[0]) / (fit() * view.scale);
  view.y -= share * (now[1] - before[1]) / (fit() * view.scale);
  moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
  fingers.set(event.pointerId, now);
  draw();
});
canvas.addEventListener("pointerup", (event) => {
  fingers.delete(event.pointerId);
  if (moved > 8 || fingers.size) return;
  const under = nearestTo(event.offsetX, event.offsetY, event.pointerType === "mouse" ? 18 : 32);
  kept = under >= 0;
  if (under >= 0) choose(under);
});
canvas.addEventListener("pointercancel", (event) => fingers.delete(event.pointerId));
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY * 0.0016), event.offsetX, event.offsetY);
}, { passive: false });
canvas.addEventListener("focus", () => { if (chosen < 0 && canvas.matches(":focus-visible")) step(0, 0); });
const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
canvas.addEventListener("keydown", (event) => {
  if (keys[event.key]) step(...keys[event.key]);
  else if (event.key === "+" || event.key === "=") zoomOnChosen(1.5);
  else if (event.key === "-") zoomOnChosen(1 / 1.5);
  else if (event.key === "Escape") { kept = false; choose(-1); }
  else return;
  event.preventDefault();
});
function zoomOnChosen(factor) {
  zoom(factor, ...(chosen >= 0 ? [screenX(chosen), screenY(chosen)] : []));
}
document.getElementById("in").onclick = () => zoomOnChosen(1.6);
document.getElementById("out").onclick = () => zoomOnChosen(1 / 1.6);
document.getElementById("whole").onclick = () => zoom(0);

const legend = document.getElementById("cultures");
// Grouped by region, as in the figures.
const order = classes.map((_, label) => label).sort((a, b) => data.regions[a].localeCompare(data.regions[b]) || a - b);
order.forEach((label) => {
  const name = classes[label];
  const count = paintings.filter((painting) => painting[5] === label).length;
  if (!count) return;
  const button = element("button");
  const dot = element("i");
  dot.style.background = colours[label];
  button.append(dot, `${name} ${count.toLocaleString("en")}`);
  button.setAttribute("aria-pressed", "false");
  button.onclick = () => {
    const on = !shownCultures.delete(label);
    if (on) shownCultures.add(label);
    button.setAttribute("aria-pressed", String(on));
    draw();
  };
  legend.append(button);
});

function resize() {
  const ratio = devicePixelRatio || 1;
  width = stage.clientWidth;
  height = stage.clientHeight;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  draw();
}
new ResizeObserver(resize).observe(stage);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
resize();
