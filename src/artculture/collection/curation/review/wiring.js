// Listeners, dialogs, files in and out, and the first drawing.

let toastTimer = 0;

function toast(message, undoable = false) {
  const box = $("toast");
  // A modal dialog lies above everything but its own children.
  (document.querySelector("dialog[open]") ?? document.body).append(box);
  box.querySelector("span").textContent = message;
  box.querySelector("button").hidden = !undoable;
  box.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (box.hidden = true), undoable ? 8000 : 4000);
}

function drawTable() {
  const signed = (number) => (number > 0 ? `+${number}` : `${number}`.replace("-", "−"));
  const cells = (tag, texts) => element("tr", {}, ...texts.map((text) => element(tag, {}, text)));
  const sum = (numbers) => numbers.reduce((all, number) => all + number, 0);
  const papers = [0, 1].map((which) => sum(data.table.map(({ paper }) => paper?.[which] ?? 0)));
  const counted = data.table.map((row) => ({ ...row, final: finals.get(row.culture) }));
  const total = { culture: "All", initial: items.length, final: sum([...finals.values()]), paper: papers };
  const rows = [...counted, total].map(({ culture, initial, final, paper }) => {
    const compared = paper ? [...paper, signed(initial - paper[0]), signed(final - paper[1])] : ["", "", "", ""];
    const row = cells("td", [culture, initial, final, ...(data.compared ? compared : [])]);
    if (final < data.small) row.className = "small";
    return row;
  });
  const compared = data.compared ? ["Paper: initial", "Paper: final", "Δ initial", "Δ final"] : [];
  const head = [data.labelTitle, "Fetched", "Stays", ...compared];
  const reasons = new Map();
  for (const place of decisions.excluded()) {
    const reason = decisions.reasonOf(place);
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  const why = [...reasons].sort((a, b) => b[1] - a[1]).map(([reason, count]) => `${reason} ${count}`).join(", ");
  $("table").querySelector(".scroll").replaceChildren(
    element("table", {}, element("thead", {}, cells("th", head)), element("tbody", {}, ...rows)),
    element("p", {}, `Shaded: fewer than ${data.small} paintings.`),
    element("p", {}, why ? `Excluded for: ${why}.` : "Nothing excluded yet."),
  );
  $("table").showModal();
}

function exportList(name, text, places) {
  details.commit();
  decisions.save();
  const file = new Blob([text()], { type: "text/csv" });
  const link = element("a", { href: URL.createObjectURL(file), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  toast(`Saved ${name} with ${places().length} paintings.`);
}

async function importFile(file) {
  try {
    const { found, unknown, relabels } = decisions.importCsv(await file.text());
    const named = unknown.slice(0, 5).join(", ") + (unknown.length > 5 ? " …" : "");
    toast(`${file.name}: ${found} ${relabels ? "relabelled" : "excluded"}${unknown.length ? `; ${unknown.length} not in this collection: ${named}` : ""}.`, found > 0);
  } catch (error) {
    toast(`${file.name} was not imported: ${error.message}.`);
  }
}

const KEYS = {
  x: () => act("exclude", { advance: true }),
  l: () => act("relabel", { advance: true }),
  k: () => act("keep", { advance: true }),
  c: () => act("clear"),
  u: (event) => travel(event.shiftKey ? "redo" : "undo"),
  n: () => toFlagged(1),
  p: () => toFlagged(-1),
  "?": () => $("keys").showModal(),
  "/": () => $("text").focus(),
  ArrowRight: () => move(1),
  ArrowLeft: () => move(-1),
};
const GRID_KEYS = {
  ArrowDown: () => grid.goTo(grid.vertical(1)),
  ArrowUp: () => grid.goTo(grid.vertical(-1)),
  Home: () => grid.goTo(0),
  End: () => grid.goTo(grid.order.length - 1),
  PageDown: () => [1, 2, 3].forEach(() => grid.goTo(grid.vertical(1))),
  PageUp: () => [1, 2, 3].forEach(() => grid.goTo(grid.vertical(-1))),
  Enter: () => details.show(grid.order[grid.current]),
  " ": () => decisions.decide([[grid.order[grid.current], { state: toggled(grid.order[grid.current]) }]]),
};

function onKey(event) {
  const { key, target } = event;
  const typing = target.matches("input, textarea, select");
  if (typing && key === "Escape") target.blur();
  if (typing || event.altKey) return;
  const open = document.querySelector("dialog[open]");
  if (open && open !== $("details")) return;
  let work;
  if (event.ctrlKey || event.metaKey) {
    if (key.toLowerCase() === "z") work = () => travel(event.shiftKey ? "redo" : "undo");
  } else {
    const inGrid = target.closest("article") || target === document.body || target === $("paintings");
    work = KEYS[key.length === 1 ? key.toLowerCase() : key];
    // A button keeps its own Space and Enter, except a painting's.
    if (!work && !open && inGrid && !target.matches(".keep, .relabel, .info")) work = GRID_KEYS[key];
  }
  if (!work) return;
  event.preventDefault();
  work(event);
}

function onFeedClick(event) {
  const button = event.target.closest("button");
  const card = event.target.closest("article");
  if (!card || !button) return;
  const place = Number(card.dataset.place);
  const at = grid.position.get(place);
  grid.goTo(at);
  if (button.matches(".info")) return details.show(place);
  const name = ["relabel", "keep"].find((one) => button.matches(`.${one}`));
  const part = name ? (one) => partOf(name, items[one].suggested || "") : () => ({ state });
  const state = toggled(place);
  const from = event.shiftKey && lastClicked !== null ? lastClicked : at;
  const stretch = grid.order.slice(Math.min(from, at), Math.max(from, at) + 1);
  decisions.decide(stretch.map((one) => [one, part(one)]));
  lastClicked = at;
}

document.addEventListener("keydown", onKey);
$("feed").addEventListener("click", onFeedClick);
$("filters").addEventListener("submit", (event) => event.preventDefault());
let byPointer = false;
addEventListener("pointerdown", () => (byPointer = true), true);
addEventListener("keydown", () => (byPointer = false), true);
for (const name of ["culture", "flag", "state", "order"]) {
  $(name).addEventListener("change", ({ target }) => {
    // Who chose with the mouse continues with X and K, which a focused list would take for its own.
    if (byPointer) target.blur();
    showWanted();
  });
}
let searchTimer = 0;
$("text").addEventListener("input", () => {
  clearTimeout(searchTimer);
  searchTimer = setTimeout(showWanted, 120);
});
$("refresh").addEventListener("click", showWanted);
$("clear-filters").addEventListener("click", () => {
  $("filters").reset();
  showWanted();
});
$("undo").addEventListener("click", () => travel("undo"));
$("redo").addEventListener("click", () => travel("redo"));
$("toast").querySelector("button").addEventListener("click", () => {
  $("toast").hidden = true;
  travel("undo");
});
$("exclude-shown").addEventListener("click", () => decideShown("exclude"));
$("keep-shown").addEventListener("click", () => decideShown("keep"));
$("counts").addEventListener("click", drawTable);
$("help").addEventListener("click", () => $("keys").showModal());
// A file a button: browsers ask before one click saves two.
$("export").addEventListener("click", () =>
  exportList("exclusions.csv", () => decisions.toCsv(), () => decisions.excluded()));
$("export-labels").addEventListener("click", () =>
  exportList("relabels.csv", () => decisions.relabelsCsv(), () => decisions.relabelled()));
$("import").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", ({ target }) => {
  if (target.files.length) importFile(target.files[0]);
  target.value = "";
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) importFile(event.dataTransfer.files[0]);
});
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    details.commit();
    document.body.append($("toast"));
    if (dialog === $("details")) grid.goTo(grid.current);
  });
}
addEventListener("pagehide", () => decisions.save());
addEventListener("storage", (event) => event.key === decisions.key && decisions.reload());
decisions.addEventListener("unkept", () => toast("This browser keeps no progress for this page: export before you close it."));

fillChoices();
countFinals();
showWanted();
if (decisions.made.size) toast(`Continuing: ${decisions.made.size} decided.`);
