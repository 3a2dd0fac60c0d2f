// The review page: reads its data, draws, and turns clicks and keys into decisions.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const thumbnails = JSON.parse($("thumbnails").textContent);
$("thumbnails").remove();
const items = data.items;
const decisions = new Decisions(items, `artculture-review:${data.key}`, data.start);
const filters = new Filters(items, decisions);
const BLANK = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";
const thumbnail = (place) => (thumbnails[place] ? `data:image/webp;base64,${thumbnails[place]}` : BLANK);
const finals = new Map();
let shownFor = null;
let lastClicked = null;
let arrivedAt = 0; // where the last decision has led: the next flagged painting may be this very one

function makeCard(place) {
  const item = items[place];
  const picture = element("button", { className: "picture", tabIndex: -1 });
  picture.append(element("img", { src: thumbnail(place), alt: "", decoding: "async", draggable: false }));
  picture.append(element("span", { className: "mark", "aria-hidden": "true" }));
  const flags = element("span", { className: "flags" });
  for (const rule of new Set(item.flags.map(([rule]) => rule))) flags.append(element("b", {}, rule));
  flags.title = item.flags.map(([rule, reason]) => `${rule}: ${reason}`).join("\n");
  picture.append(flags);
  const about = element("div", { className: "about" });
  about.append(element("p", { className: "title", title: item.title }, item.title || "Untitled"));
  about.append(element("p", { className: "artist" }, `${item.culture} · ${[item.artist, item.date].filter(Boolean).join(", ") || item.id}`));
  const keep = element("button", { className: "keep", tabIndex: -1, title: "Keep (K)" }, "✓ Keep");
  const info = element("button", { className: "info", tabIndex: -1, title: "Details (Enter)" }, "Details");
  const row = element("div", { className: "row" }, keep, info);
  const relabel = { className: "relabel", tabIndex: -1, title: `Keep as ${item.suggested} (L)` };
  if (item.suggested) keep.after(element("button", relabel, `→ ${item.suggested}`));
  const card = element("article", {}, picture, about, row);
  card.dataset.place = place;
  return card;
}

function updateCard(card, place) {
  const { state } = decisions.of(place);
  const item = items[place];
  const label = decisions.labelOf(place);
  card.dataset.state = state;
  const picture = card.querySelector(".picture");
  picture.setAttribute("aria-pressed", state === "excluded");
  const flagged = item.flags.length ? `; flagged ${item.flags.map(([rule]) => rule).join(", ")}` : "";
  const name = [item.title || "Untitled", item.artist].filter(Boolean).join(", ");
  picture.setAttribute("aria-label", `Exclude ${name}, ${item.culture}${flagged}${state ? `; ${state}` : ""}${label ? ` as ${label}` : ""}`);
  card.querySelector(".keep").textContent = `✓ ${label || "Keep"}`;
  card.querySelector(".keep").setAttribute("aria-pressed", state === "kept");
}

function drawHeading({ name, places, flagged }) {
  if (flagged) {
    const counts = `${places.length.toLocaleString("en")} painting${places.length > 1 ? "s" : ""}`;
    return element("h2", {}, name, " ", element("span", {}, counts));
  }
  const row = data.table.find((entry) => entry.culture === name);
  const counts = [`${finals.get(name)} of ${row.initial} stay`];
  if (row.paper) counts.push(`in the paper ${row.paper[1]} of ${row.paper[0]}`);
  if (places.length < row.initial) counts.push(`${places.length} shown`);
  return element("h2", {}, name, " ", element("span", {}, counts.join(" · ")));
}

const grid = new Grid({
  space: $("space"), feed: $("feed"), headings: $("headings"),
  make: makeCard, update: updateCard, heading: drawHeading,
});

function wanted() {
  return Object.fromEntries(["text", "culture", "flag", "state", "order"].map((name) => [name, $(name).value]));
}

function showWanted() {
  shownFor = wanted();
  const focused = grid.order[grid.current];
  grid.show(filters.sections(shownFor, data.cultures), focused);
  $("empty").hidden = grid.order.length > 0;
  if (grid.position.has(focused) && scrollY > 0) grid.goTo(grid.current, { focus: false });
  else scrollTo(0, 0);
  lastClicked = null;
  arrivedAt = grid.current;
  drawCounts();
}

function countFinals() {
  finals.clear();
  for (const { culture, initial } of data.table) finals.set(culture, initial);
  for (const place of decisions.excluded()) finals.set(items[place].culture, finals.get(items[place].culture) - 1);
  for (const place of decisions.relabelled()) {
    const [before, after] = [items[place].culture, decisions.labelOf(place)];
    finals.set(before, finals.get(before) - 1);
    finals.set(after, (finals.get(after) ?? 0) + 1);
  }
}

function drawCounts() {
  const excluded = decisions.excluded();
  const flagged = items.filter((item) => item.flags.length).length;
  const decided = items.filter((item, place) => item.flags.length && decisions.of(place).state).length;
  const number = (count) => count.toLocaleString("en");
  $("progress").textContent =
    `${number(decided)} of ${number(flagged)} flagged decided · ${number(excluded.length)} excluded · ` +
    `${number(items.length - excluded.length)} of ${number(items.length)} stay`;
  const share = flagged ? Math.floor((100 * decided) / flagged) : 100;
  $("done").setAttribute("aria-valuemax", flagged);
  $("done").setAttribute("aria-valuenow", decided);
  $("done").firstChild.style.width = `${share}%`;
  const relabelled = decisions.relabelled().length;
  $("export-labels").hidden = !relabelled;
  $("export-labels").textContent = `Export labels (${number(relabelled)})`;
  $("undo").disabled = !decisions.past.length;
  $("redo").disabled = !decisions.future.length;
  $("exclude-shown").textContent = `✕ Exclude shown (${number(grid.order.length)})`;
  for (const id of ["exclude-shown", "keep-shown"]) $(id).disabled = !grid.order.length;
  const choice = { ...shownFor, text: [] };
  const stale = shownFor.state === "all" ? 0 : grid.order.filter((place) => !filters.passes(place, choice)).length;
  $("refresh").hidden = !stale;
  $("refresh").textContent = `↻ Hide ${stale} decided`;
}

function fillChoices() {
  const count = (test) => items.filter(test).length;
  const option = (value, label) => element("option", { value }, label);
  $("culture").append(option("", `every ${data.label} (${items.length})`));
  for (const { culture, initial } of data.table) if (initial) $("culture").append(option(culture, `${culture} (${initial})`));
  $("flag").append(
    option("", "any or none"),
    option("any", `any flag (${count((item) => item.flags.length)})`),
    option("none", `no flag (${count((item) => !item.flags.length)})`),
  );
  for (const rule of data.rules) {
    const flagged = count((item) => item.flags.some(([name]) => name === rule));
    if (flagged) $("flag").append(option(rule, `${rule} (${flagged})`));
  }
  $("labels").append(...data.cultures.map((culture) => option(culture, culture)));
  $("reasons").append(...data.reasons.map((reason) => option(reason, reason)));
}

const STATES = { exclude: "excluded", keep: "kept", clear: "" };

function act(name, { advance = false } = {}) {
  const place = details.open ? details.place : grid.order[grid.current];
  if (place === undefined) return;
  details.commit();
  const { suggested } = items[place];
  if (name === "relabel" && !suggested) return toast("No label is suggested: type one in the details (Enter).");
  const part = partOf(name, suggested);
  decisions.decide([[place, part]]);
  if (!advance) return;
  move(1);
  arrivedAt = grid.current;
}

// What a button changes: Keep takes a new label back.
function partOf(name, suggested) {
  if (name === "clear") return UNDECIDED;
  if (name === "relabel") return { state: "kept", label: suggested };
  return name === "keep" ? { state: "kept", label: "" } : { state: STATES[name] };
}

function toggled(place) {
  return decisions.of(place).state === "excluded" ? "kept" : "excluded";
}

function decideShown(name) {
  const count = decisions.decide(grid.order.map((place) => [place, { state: STATES[name] }]));
  toast(`${STATES[name] === "excluded" ? "Excluded" : "Kept"} ${count} paintings.`, true);
}

function move(step) {
  const at = grid.current + step;
  if (at < 0 || at >= grid.order.length) return toast(step > 0 ? "That was the last one shown." : "This is the first one.");
  grid.goTo(at, { focus: !details.open });
  if (details.open) details.show(grid.order[at]);
}

function jump(place) {
  if (grid.position.has(place)) grid.goTo(grid.position.get(place), { focus: false });
  details.show(place);
}

function toFlagged(step) {
  const first = arrivedAt === grid.current ? grid.current : grid.current + step;
  arrivedAt = -1;
  for (let at = first; at >= 0 && at < grid.order.length; at += step) {
    const place = grid.order[at];
    if (!items[place].flags.length || decisions.of(place).state) continue;
    grid.goTo(at, { focus: !details.open });
    if (details.open) details.show(place);
    return;
  }
  toast("No flagged painting without a decision that way.");
}

function travel(direction) {
  const place = decisions[direction]();
  if (place === null) return;
  if (grid.position.has(place)) grid.goTo(grid.position.get(place), { focus: !details.open && document.activeElement?.closest("#feed") });
  if (details.open) details.show(place);
}

const details = new Details({ dialog: $("details"), items, labelTitle: data.labelTitle, thumbnail, decisions, go: move, act, jump });

decisions.addEventListener("change", ({ detail }) => {
  grid.refresh(detail);
  countFinals();
  drawCounts();
  grid.refreshTitles();
  if (details.open) details.refresh();
});
