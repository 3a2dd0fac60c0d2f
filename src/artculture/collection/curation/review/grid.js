// A grid of thousands of cards of which only those near the window exist.

class Grid {
  // make(place) → element; update(element, place); heading(section) → element.
  constructor({ space, feed, headings, make, update, heading }) {
    Object.assign(this, { space, feed, headings, make, update, heading });
    this.sections = [];
    this.order = [];
    this.cards = new Map();
    this.titles = new Map();
    this.current = -1; // position in `order` that has the focus
    addEventListener("scroll", () => this.#renderSoon(), { passive: true });
    new ResizeObserver(() => this.#measure() && this.layOut()).observe(space);
  }

  // sections: [{name, places: [place, …]}, …]
  show(sections, focused = null) {
    this.sections = sections;
    this.order = sections.flatMap((section) => section.places);
    this.position = new Map(this.order.map((place, at) => [place, at]));
    this.current = this.position.get(focused) ?? (this.order.length ? 0 : -1);
    for (const card of this.cards.values()) card.remove();
    for (const title of this.titles.values()) title.remove();
    this.cards.clear();
    this.titles.clear();
    this.#measure();
    this.layOut();
  }

  // True where the columns have changed.
  #measure() {
    const width = this.space.clientWidth;
    const style = getComputedStyle(this.space);
    const [least, gap] = ["--card", "--gap"].map((name) => parseFloat(style.getPropertyValue(name)));
    const columns = Math.max(2, Math.floor((width + gap) / (least + gap)));
    const changed = columns !== this.columns || width !== this.width;
    Object.assign(this, { width, gap, columns });
    this.caption = parseFloat(style.getPropertyValue("--caption"));
    this.cardWidth = (width - gap * (columns - 1)) / columns;
    this.rowHeight = this.cardWidth + this.caption + gap;
    return changed;
  }

  layOut() {
    const titleHeight = 52;
    this.rows = []; // {top, section} or {top, start, end}
    let top = 0;
    let at = 0;
    for (const [number, section] of this.sections.entries()) {
      this.rows.push({ top, section: number });
      top += titleHeight;
      const end = at + section.places.length;
      for (; at < end; at += this.columns) {
        this.rows.push({ top, start: at, end: Math.min(at + this.columns, end) });
        top += this.rowHeight;
      }
      at = end;
    }
    this.height = top;
    this.space.style.height = `${top}px`;
    this.render();
  }

  #renderSoon() {
    this.frame ??= requestAnimationFrame(() => this.render());
  }

  render() {
    this.frame = undefined;
    const offset = this.space.getBoundingClientRect().top;
    const margin = innerHeight * 0.75;
    const first = Math.max(0, this.#rowAt(-offset - margin));
    const last = this.#rowAt(-offset + innerHeight + margin);
    const [places, titles] = [new Map(), new Map()];
    for (const row of this.rows.slice(first, last + 1)) {
      if (row.section !== undefined) titles.set(row.section, row.top);
      else for (let at = row.start; at < row.end; at++) places.set(this.order[at], [row.top, at - row.start, at]);
    }
    // The card with the focus stays, or the focus would be lost.
    const focused = this.order[this.current];
    for (const [place, card] of this.cards) {
      if (places.has(place) || (place === focused && card.contains(document.activeElement))) continue;
      card.remove();
      this.cards.delete(place);
    }
    for (const [place, [top, column, at]] of places) this.#place(place, top, column, at);
    this.#renderTitles(titles);
  }

  #place(place, top, column, at) {
    let card = this.cards.get(place);
    if (!card) {
      card = this.make(place);
      this.cards.set(place, card);
      this.feed.append(card);
      this.update(card, place);
    }
    card.style.transform = `translate(${column * (this.cardWidth + this.gap)}px, ${top}px)`;
    card.style.width = `${this.cardWidth}px`;
    card.style.height = `${this.rowHeight - this.gap}px`;
    card.setAttribute("aria-posinset", at + 1);
    card.setAttribute("aria-setsize", this.order.length);
    card.querySelector(".picture").tabIndex = at === this.current ? 0 : -1;
  }

  #renderTitles(titles) {
    for (const [number, title] of this.titles) {
      if (titles.has(number)) continue;
      title.remove();
      this.titles.delete(number);
    }
    for (const [number, top] of titles) {
      if (!this.titles.has(number)) {
        const title = this.heading(this.sections[number]);
        this.titles.set(number, title);
        this.headings.append(title);
      }
      this.titles.get(number).style.transform = `translateY(${top}px)`;
    }
  }

  refreshTitles() {
    for (const [number, title] of this.titles) {
      const fresh = this.heading(this.sections[number]);
      fresh.style.transform = title.style.transform;
      title.replaceWith(fresh);
      this.titles.set(number, fresh);
    }
  }

  // The last row that starts at or above y.
  #rowAt(y) {
    let [low, high] = [0, this.rows.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.rows[middle].top <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  refresh(places) {
    for (const place of places) {
      const card = this.cards.get(place);
      if (card) this.update(card, place);
    }
  }

  // Bring a position of the order into the window and give it the focus.
  goTo(at, { focus = true } = {}) {
    if (!this.order.length) return;
    const before = this.order[this.current];
    this.current = Math.max(0, Math.min(this.order.length - 1, at));
    const row = this.rows.find((r) => r.start !== undefined && r.start <= this.current && this.current < r.end);
    const covered = document.getElementById("bar").getBoundingClientRect().bottom;
    const top = this.space.getBoundingClientRect().top + row.top;
    if (top < covered + 8) scrollBy(0, top - covered - 60);
    else if (top + this.rowHeight > innerHeight) scrollBy(0, top + this.rowHeight - innerHeight + 8);
    this.render();
    const old = this.cards.get(before)?.querySelector(".picture");
    if (old) old.tabIndex = -1;
    const button = this.cards.get(this.order[this.current])?.querySelector(".picture");
    if (button) button.tabIndex = 0;
    if (focus) button?.focus({ preventScroll: true });
  }

  // The position one row up (-1) or down (+1), in the same column as far as there is one.
  vertical(step) {
    const rows = this.rows.filter((row) => row.start !== undefined);
    const number = rows.findIndex((row) => row.start <= this.current && this.current < row.end);
    const [here, there] = [rows[number], rows[number + step]];
    return there ? Math.min(there.start + this.current - here.start, there.end - 1) : this.current;
  }
}
