// The dialog about one painting: large picture, record, flags, near-duplicates, reason and note.

const LONGEST_STRIP = 24;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const isWeb = (address) => /^https?:\/\//i.test(address);

class Details {
  // go(step): move along the grid; act(name): exclude, keep or clear; jump(place): show another painting.
  constructor({ dialog, items, labelTitle, thumbnail, decisions, go, act, jump }) {
    Object.assign(this, { dialog, items, labelTitle, thumbnail, decisions, jump });
    this.place = -1;
    const on = (name, work) => dialog.querySelector(name).addEventListener("click", work);
    on(".close", () => dialog.close());
    on(".previous", () => go(-1));
    on(".next", () => go(1));
    for (const name of ["exclude", "relabel", "keep", "clear"]) on(`.${name}`, () => act(name));
    dialog.querySelector(".label").addEventListener("change", ({ target }) => {
      const label = target.value.trim().normalize();
      this.decisions.decide([[this.place, label ? { label, state: "kept" } : { label }]]);
    });
    for (const name of ["reason", "note"]) {
      dialog.querySelector(`.${name}`).addEventListener("change", ({ target }) => {
        decisions.decide([[this.place, { [name]: target.value.trim() }]]);
      });
    }
  }

  get open() {
    return this.dialog.open;
  }

  // A reason that is being typed belongs to the painting it was typed for.
  commit() {
    const field = this.dialog.querySelector(":focus");
    if (field?.matches(".label, .reason, .note")) field.blur();
  }

  show(place) {
    this.commit();
    this.place = place;
    const item = this.items[place];
    const find = (name) => this.dialog.querySelector(name);
    find("h2").textContent = item.title || "Untitled";
    this.#picture(find(".stage img"), item, place);
    find("dl").replaceChildren(...this.#record(item));
    find(".flags").replaceChildren(
      ...item.flags.map(([rule, reason]) => element("li", {}, element("b", {}, rule), ` ${reason}`)),
    );
    find(".alike").replaceChildren(
      ...this.#strip("Near-duplicates", item.duplicates),
      ...this.#strip("Also in its group", this.#members(item.group, [place, ...item.duplicates])),
    );
    this.refresh();
    if (!this.dialog.open) this.dialog.showModal();
    find(".side").scrollTop = 0;
  }

  refresh() {
    const { state, label, reason, note } = this.decisions.of(this.place);
    const { culture, suggested } = this.items[this.place];
    const kept = this.decisions.labelOf(this.place) ? `✓ Relabelled: ${label}` : "✓ Kept";
    this.dialog.dataset.state = state;
    this.dialog.querySelector(".badge").textContent =
      state === "excluded" ? `✕ Excluded: ${this.decisions.reasonOf(this.place)}` : state === "kept" ? kept : "Not decided";
    this.dialog.querySelector(".relabel").hidden = !suggested;
    this.dialog.querySelector(".relabel").textContent = `→ ${suggested}`;
    this.dialog.querySelector(".label").value = label;
    this.dialog.querySelector(".label").placeholder = culture;
    this.dialog.querySelector(".reason").value = reason;
    this.dialog.querySelector(".reason").placeholder = this.items[this.place].flags[0]?.[0] ?? "not a painting";
    this.dialog.querySelector(".note").value = note;
  }

  #picture(image, item, place) {
    image.alt = item.title || "Untitled";
    image.width = item.width || 400;
    image.height = item.height || 400;
    image.style.backgroundImage = `url("${this.thumbnail(place)}")`;
    image.onerror = () => {
      image.onerror = null;
      image.src = this.thumbnail(place); // the page was moved away from its images
    };
    image.src = item.image.split("/").map(encodeURIComponent).join("/");
  }

  #record(item) {
    const address = isWeb(item.url)
      ? element("a", { href: item.url, target: "_blank", rel: "noopener noreferrer" }, item.id)
      : item.id;
    const facts = [
      ["Artist", item.artist], ["Date", item.date], [this.labelTitle, item.culture], ["Medium", item.medium],
      ["Object name", item.object_name], ["Classification", item.classification],
      ["Accession", item.number], ["Object", address], ["Source", item.source],
      ["Image", item.width ? `${item.width} × ${item.height} px` : ""],
    ];
    return facts.filter(([, what]) => what).flatMap(([name, what]) => [element("dt", {}, name), element("dd", {}, what)]);
  }

  #members(group, except) {
    if (group < 0) return [];
    this.groups ??= Map.groupBy
      ? Map.groupBy(this.items.keys(), (place) => this.items[place].group)
      : this.items.reduce((all, item, place) => all.set(item.group, [...(all.get(item.group) ?? []), place]), new Map());
    return this.groups.get(group).filter((place) => !except.includes(place));
  }

  #strip(label, places) {
    if (!places.length) return [];
    const pictures = places.slice(0, LONGEST_STRIP).map((place) => {
      const name = this.items[place].title || this.items[place].id;
      const state = this.decisions.of(place).state;
      const button = element("button", { title: name, "aria-label": `${name} ${state}`, "data-state": state });
      button.append(element("img", { src: this.thumbnail(place), alt: "", loading: "lazy" }));
      button.addEventListener("click", () => this.jump(place));
      return button;
    });
    const more = places.length > LONGEST_STRIP ? ` (${places.length}, the first ${LONGEST_STRIP} shown)` : "";
    return [element("h3", {}, label + more), element("div", { className: "strip" }, ...pictures)];
  }
}
