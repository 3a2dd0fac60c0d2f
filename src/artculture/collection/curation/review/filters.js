// Which paintings are shown, in which order.

const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

const FLAGGED = "Flagged";

class Filters {
  constructor(items, decisions) {
    Object.assign(this, { items, decisions });
    this.searched = items.map((item) =>
      plain([item.title, item.artist, item.medium, item.date, item.id, item.number, item.culture].join(" ")),
    );
  }

  passes(place, { text, culture, flag, state }) {
    const item = this.items[place];
    const decided = this.decisions.of(place).state;
    if (culture && item.culture !== culture) return false;
    if (flag === "any" && !item.flags.length) return false;
    if (flag === "none" && item.flags.length) return false;
    if (flag && flag !== "any" && flag !== "none" && !item.flags.some(([rule]) => rule === flag)) return false;
    if (state === "todo" && (decided || !item.flags.length)) return false;
    if (state === "undecided" && decided) return false;
    if ((state === "kept" || state === "excluded") && decided !== state) return false;
    return text.every((word) => this.searched[place].includes(word));
  }

  // → [{name, places}], a section a culture.
  sections(wanted, cultures) {
    const choice = { ...wanted, text: plain(wanted.text).split(/\s+/).filter(Boolean) };
    const byCulture = new Map(cultures.map((name) => [name, []]));
    this.items.forEach((item, place) => this.passes(place, choice) && byCulture.get(item.culture).push(place));
    if (wanted.order === "flagged") return this.#flaggedFirst(byCulture);
    const sections = [...byCulture].filter(([, places]) => places.length).map(([name, places]) => ({ name, places }));
    if (["suspicious", "outliers", "conflicts"].includes(wanted.order)) {
      const rank = (place) => this.items[place].ranks?.[wanted.order] ?? Infinity;
      for (const { places } of sections) places.sort((a, b) => (rank(a) > rank(b)) - (rank(a) < rank(b)) || a - b);
    }
    if (wanted.order === "group") {
      // Groups of several first, each in one stretch; -1 is a painting of its own.
      const rank = (place) => (this.items[place].group < 0 ? Infinity : this.items[place].group);
      for (const { places } of sections) places.sort((a, b) => (rank(a) > rank(b)) - (rank(a) < rank(b)) || a - b);
    }
    return sections;
  }

  // The flagged paintings of all cultures in one section, most flags first; then the others, a section a culture.
  #flaggedFirst(byCulture) {
    const count = (place) => this.items[place].flags.length;
    const flagged = [...byCulture.values()].flat().filter(count);
    flagged.sort((a, b) => count(b) - count(a) || a - b);
    const rest = [...byCulture].map(([name, places]) => ({ name, places: places.filter((place) => !count(place)) }));
    return [{ name: FLAGGED, flagged: true, places: flagged }, ...rest].filter(({ places }) => places.length);
  }
}
