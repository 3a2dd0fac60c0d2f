// What was decided about each painting: undo and redo, and progress kept in the browser.

const UNDECIDED = Object.freeze({ state: "", label: "", reason: "", note: "" });
const LONGEST_HISTORY = 1000;

class Decisions extends EventTarget {
  // items: the page's paintings; key: where the browser keeps them; start: decisions of earlier lists, [index, decision].
  constructor(items, key, start) {
    super();
    this.items = items;
    this.key = key;
    this.made = new Map();
    this.past = [];
    this.future = [];
    this.places = new Map(items.map((item, place) => [`${item.source}\t${item.id}`, place]));
    this.byId = new Map();
    items.forEach((item, place) => this.byId.set(item.id, this.byId.has(item.id) ? -1 : place));
    this.keeps = true;
    this.timer = undefined;
    if (!this.#restore()) {
      for (const [place, decision] of start) this.made.set(place, { ...UNDECIDED, ...decision });
    }
  }

  of(place) {
    return this.made.get(place) ?? UNDECIDED;
  }

  reasonOf(place) {
    const { reason } = this.of(place);
    return reason || this.items[place].flags[0]?.[0] || "not a painting";
  }

  // changes: [place, part of a decision] pairs, undone together.
  decide(changes) {
    const real = changes
      .map(([place, part]) => [place, this.of(place), { ...this.of(place), ...part }])
      .filter(([, before, after]) => ["state", "label", "reason", "note"].some((name) => before[name] !== after[name]));
    if (!real.length) return 0;
    this.past.push(real);
    if (this.past.length > LONGEST_HISTORY) this.past.shift();
    this.future = [];
    this.#put(real.map(([place, , after]) => [place, after]));
    return real.length;
  }

  undo() {
    const step = this.past.pop();
    if (!step) return null;
    this.future.push(step);
    this.#put(step.map(([place, before]) => [place, before]));
    return step[0][0];
  }

  redo() {
    const step = this.future.pop();
    if (!step) return null;
    this.past.push(step);
    this.#put(step.map(([place, , after]) => [place, after]));
    return step[0][0];
  }

  #put(pairs) {
    for (const [place, decision] of pairs) {
      if (decision.state || decision.label || decision.reason || decision.note) this.made.set(place, decision);
      else this.made.delete(place);
    }
    this.#saveSoon();
    this.dispatchEvent(new CustomEvent("change", { detail: pairs.map(([place]) => place) }));
  }

  excluded() {
    return [...this.made].filter(([, decision]) => decision.state === "excluded").map(([place]) => place);
  }

  // The new label of a painting that stays, "" for none.
  labelOf(place) {
    const { state, label } = this.of(place);
    return state === "excluded" || label === this.items[place].culture ? "" : label;
  }

  relabelled() {
    return [...this.made.keys()].filter((place) => this.labelOf(place));
  }

  relabelsCsv() {
    return this.#csv(this.relabelled(), "new_label", (place) => this.labelOf(place));
  }

  toCsv() {
    return this.#csv(this.excluded(), "reason", (place) => this.reasonOf(place));
  }

  #csv(places, column, valueOf) {
    const rows = places.map((place) => {
      const { id, source } = this.items[place];
      return [id, source, valueOf(place), this.of(place).note];
    });
    rows.sort((a, b) => (a[1] + "\t" + a[0] < b[1] + "\t" + b[0] ? -1 : 1));
    return toCsv([["object_id", "source", column, "note"], ...rows]);
  }

  // Returns {found, unknown} or throws an Error that says what is wrong with the file.
  importCsv(text) {
    const [header = [], ...rows] = parseCsv(text);
    const columns = header.map((name) => name.trim());
    if (!columns.includes("object_id")) throw new Error("the file has no column object_id");
    const relabels = columns.includes("new_label");
    const decision = (cell) =>
      relabels ? { state: "kept", label: cell("new_label") } : { state: "excluded", reason: cell("reason") };
    const changes = new Map();
    const unknown = [];
    for (const row of rows) {
      const cell = (name) => (row[columns.indexOf(name)] ?? "").trim();
      const [id, source] = [cell("object_id"), cell("source")];
      const place = source ? this.places.get(`${source}\t${id}`) : this.byId.get(id);
      if (place === undefined || place < 0) unknown.push(id);
      else if (!changes.has(place)) changes.set(place, { ...decision(cell), note: cell("note") });
    }
    this.decide([...changes]);
    return { found: changes.size, unknown, relabels };
  }

  #saveSoon() {
    this.timer ??= setTimeout(() => this.save(), 200);
  }

  // What is not kept yet, kept now: the window may close.
  save() {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    const kept = {};
    for (const [place, { state, label, reason, note }] of this.made) {
      const { source, id } = this.items[place];
      kept[`${source}\t${id}`] = [state, reason, note, label];
    }
    try {
      localStorage.setItem(this.key, JSON.stringify({ version: 1, saved: Date.now(), decisions: kept }));
    } catch {
      if (this.keeps) this.dispatchEvent(new CustomEvent("unkept"));
      this.keeps = false;
    }
  }

  #restore() {
    let text = null;
    try {
      text = localStorage.getItem(this.key);
      const kept = JSON.parse(text)?.decisions;
      if (!kept) return false;
      for (const [name, [state, reason, note, label = ""]] of Object.entries(kept)) {
        const place = this.places.get(name);
        if (place !== undefined) this.made.set(place, { state, label, reason, note });
      }
      return true;
    } catch {
      this.keeps = text !== null; // a damaged note is overwritten; without storage the page warns
      return false;
    }
  }

  // Another tab has saved: take over what it knows.
  reload() {
    const before = [...this.made.keys()];
    this.made.clear();
    this.past = [];
    this.future = [];
    this.#restore();
    this.dispatchEvent(new CustomEvent("change", { detail: [...before, ...this.made.keys()] }));
  }
}
